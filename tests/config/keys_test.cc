// The list of keys, and the page that documents it.
#include "config/keys.h"

#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "tests/config/loading.h"

namespace inlet::config {
namespace {

std::string documented_row(const KeyDoc& key) {
  const std::string default_cell = key.default_is_value ? "`" + key.default_value + "`" : key.default_value;
  return "| `" + key.name + "` | " + key.type + " | " + default_cell + " | " + key.meaning + " |\n";
}

TEST(Keys, are_each_documented_with_type_default_and_meaning) {
  std::ifstream in(std::string(INLET_SOURCE_DIR) + "/docs/pipeline-file.md");
  const std::string page{std::istreambuf_iterator<char>(in), {}};
  for (const auto& key : known_keys()) {
    const auto row = documented_row(key);
    EXPECT_NE(page.find(row), std::string::npos) << "docs/pipeline-file.md should have this line:\n" << row;
  }
}

TEST(Keys, of_the_examples_in_the_documentation_are_right) {
  std::ifstream in(std::string(INLET_SOURCE_DIR) + "/docs/pipeline-file.md");
  const std::string page{std::istreambuf_iterator<char>(in), {}};
  constexpr std::string_view kFence = "```toml\n";
  std::vector<std::string> examples;
  for (auto at = page.find(kFence); at != std::string::npos; at = page.find(kFence, at + 1)) {
    const auto begin = at + kFence.size();
    examples.push_back(page.substr(begin, page.find("```", begin) - begin));
  }
  ASSERT_EQ(examples.size(), 6U);
  EXPECT_EQ(problems_of(examples[0]), "");
  // The second shows two ways that exclude each other: one document each.
  const auto table = examples[1].find("[source.kafka.kafka]");
  EXPECT_EQ(problems_of(with(examples[1].substr(0, table))), "");
  EXPECT_EQ(problems_of(with(examples[1].substr(table))), "");
  // Generated fields and the catalogue they are made of belong together.
  EXPECT_EQ(problems_of("[pipeline]\nname = \"p\"\n[lake]\npath = \"l\"\n[event.fields]\norder_id = \"BIGINT\"\n" +
                        examples[2] + examples[3]),
            "");
  EXPECT_EQ(problems_of(with(examples[4])), "");
  EXPECT_EQ(problems_of(with(examples[5]), flags({{"pipeline.name", "orders"}})), "");
}

TEST(Keys, of_the_documentation_are_all_known) {
  std::set<std::string> names;
  for (const auto& key : known_keys()) EXPECT_TRUE(names.insert(key.name).second) << key.name << " is there twice";
  std::ifstream in(std::string(INLET_SOURCE_DIR) + "/docs/pipeline-file.md");
  std::size_t rows = 0;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("| `")) continue;
    const auto name = line.substr(3, line.find('`', 3) - 3);
    if (name.find('.') == std::string::npos) continue;  // a row of another table
    ++rows;
    EXPECT_EQ(names.count(name), 1U) << name;
  }
  EXPECT_EQ(rows, names.size());
}

TEST(Keys, can_be_set_to_what_is_documented_as_their_default) {
  for (const auto& key : known_keys()) {
    if (!key.default_is_value) continue;
    std::string text = key.default_value;
    std::erase(text, '"');
    // An empty catalogue has no name that could be the default one.
    if (key.name == "source.generator.catalogue") continue;
    EXPECT_EQ(problems_of(kMinimal, flags({{key.name, text}})), "") << key.name;
  }
}

TEST(Keys, nearest_is_empty_where_nothing_is_near) {
  EXPECT_EQ(nearest_key("source.generatr.rate"), "source.generator.rate");
  EXPECT_EQ(nearest_key("bronze.Table"), "bronze.table");
  EXPECT_EQ(nearest_key("completely.different.thing"), "");
}

}  // namespace
}  // namespace inlet::config
