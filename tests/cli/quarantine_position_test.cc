// The position of a row as a person writes it.
#include <gtest/gtest.h>

#include "cli/quarantine_command.h"

namespace inlet::cli {
namespace {

std::string read(std::string_view text) {
  const auto position = parse_quarantine_position(text);
  if (!position.is_ok()) return position.status().detail().id;
  return *position->source + " " + std::to_string(*position->partition) + " " + std::to_string(position->offset.value);
}

TEST(QuarantinePosition, is_read_from_its_end_for_a_source_id_may_hold_slashes) {
  EXPECT_EQ(read("kafka:ventes/3/17"), "kafka:ventes 3 17");
  EXPECT_EQ(read("file:a/b.jsonl:9f/0/9223372036854775807"), "file:a/b.jsonl:9f 0 9223372036854775807");
}

TEST(QuarantinePosition, that_is_none_is_refused) {
  for (const char* text :
       {"", "/", "17", "3/17", "/3/17", "kafka:ventes/3/", "kafka:ventes/x/17", "kafka:ventes/3/1x",
        "kafka:ventes/-1/17", "kafka:ventes/3/-1", "kafka:ventes/2147483648/1", "kafka:ventes/3/9223372036854775808"})
    EXPECT_EQ(read(text), "cli.bad_position") << text;
}

}  // namespace
}  // namespace inlet::cli
