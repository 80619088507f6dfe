#include "duck/file_values.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

namespace inlet::duck {
namespace {

TEST(FileValuesTest, a_row_has_the_values_of_its_file) {
  const auto directory = std::filesystem::temp_directory_path() / ("inlet_file_values_" + std::to_string(::getpid()));
  std::filesystem::create_directories(directory);
  auto database = Database::open({});
  ASSERT_TRUE(database.is_ok());
  auto connection = database->connect();
  ASSERT_TRUE(connection.is_ok());
  auto values = std::make_shared<FileValues>();
  ASSERT_TRUE(register_file_values(*connection, values).is_ok());

  for (const char* name : {"a", "b"}) {
    ASSERT_TRUE(connection
                    ->execute("COPY (SELECT i FROM range(5000) t(i)) TO '" + (directory / name).string() +
                              ".parquet' (FORMAT parquet)")
                    .is_ok());
  }
  values->set((directory / "a.parquet").string(), {"x", std::nullopt});
  values->set((directory / "b.parquet").string(), {"a value longer than what is held inline", "2"});
  const std::string scan =
      "SELECT inlet_file_value(filename, 0), inlet_file_value(filename, 1), count(*) "
      "FROM read_parquet('" +
      directory.string() + "/*.parquet', filename = true) GROUP BY ALL ORDER BY ALL";
  const auto rows = connection->query(scan);
  ASSERT_TRUE(rows.is_ok()) << rows.status().to_line();
  ASSERT_EQ(rows->rows(), 2U);
  EXPECT_EQ(rows->text(0, 0), "a value longer than what is held inline");
  EXPECT_EQ(rows->text(0, 1), "2");
  EXPECT_EQ(rows->integer(0, 2), 5000);
  EXPECT_EQ(rows->text(1, 0), "x");
  EXPECT_TRUE(rows->is_null(1, 1));

  values->erase((directory / "b.parquet").string());
  const auto unknown = connection->query(scan);
  ASSERT_FALSE(unknown.is_ok());
  EXPECT_NE(unknown.status().to_line().find("b.parquet"), std::string::npos);
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace inlet::duck
