// Tables for people: aligned, fitted to the terminal, and never steered by what a value holds.
#include "cli/table_printer.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace inlet::cli {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = text.find('\n', begin);
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

TEST(TablePrinterTest, numbers_stand_to_the_right_and_texts_to_the_left) {
  EXPECT_EQ(render_table({{"pays"}, {"n", true}}, {{"FR", "7"}, {std::nullopt, "12345"}}, {}),
            "┌──────┬───────┐\n"
            "│ pays │     n │\n"
            "├──────┼───────┤\n"
            "│ FR   │     7 │\n"
            "│ NULL │ 12345 │\n"
            "└──────┴───────┘\n");
}

TEST(TablePrinterTest, no_rows_leave_the_header) { EXPECT_EQ(lines_of(render_table({{"a"}}, {}, {})).size(), 4U); }

TEST(TablePrinterTest, null_is_dim_on_a_terminal_and_plain_elsewhere) {
  EXPECT_NE(render_table({{"a"}}, {{std::nullopt}}, {.width = 80, .color = true}).find("\033[2mNULL\033[0m"),
            std::string::npos);
  EXPECT_EQ(render_table({{"a"}}, {{std::nullopt}}, {.width = 80}).find('\033'), std::string::npos);
}

TEST(TablePrinterTest, every_line_fits_the_terminal) {
  std::vector<TableColumn> columns;
  TableRow row;
  for (int i = 0; i < 12; ++i) {
    columns.push_back({"column_" + std::to_string(i), i % 3 == 0});
    row.emplace_back(i % 3 == 0 ? "123456789" : "a rather long text with 漢字 and é in it, " + std::to_string(i));
  }
  for (std::size_t width = 12; width <= 400; ++width) {
    const auto lines = lines_of(render_table(columns, {row}, {.width = width}));
    for (const auto& line : lines) {
      EXPECT_LE(display_width(line), width) << line;
      EXPECT_EQ(display_width(line), display_width(lines[0])) << line;
    }
  }
}

TEST(TablePrinterTest, the_widest_text_is_cut_before_columns_are_left_out) {
  const TableLayout layout({{"id", true}, {"text"}, {"name"}}, {{"1234567890", std::string(100, 'x'), "twelve chars"}},
                           {.width = 60});
  EXPECT_EQ(layout.hidden_columns(), 0U);
  const auto row = layout.row({"1234567890", std::string(100, 'x'), "twelve chars"});
  EXPECT_NE(row.find("1234567890"), std::string::npos);
  EXPECT_NE(row.find("twelve chars"), std::string::npos);
  EXPECT_NE(row.find("x…"), std::string::npos);
}

TEST(TablePrinterTest, columns_of_the_middle_are_left_out_and_counted) {
  std::vector<TableColumn> columns;
  TableRow row;
  for (int i = 0; i < 20; ++i) {
    columns.push_back({"n" + std::to_string(i), true});
    row.emplace_back("1000000000");
  }
  const TableLayout layout(columns, {row}, {.width = 80});
  EXPECT_GT(layout.hidden_columns(), 10U);
  EXPECT_NE(layout.header().find(" n0 "), std::string::npos);
  EXPECT_NE(layout.header().find(" n19 "), std::string::npos);
  EXPECT_NE(layout.header().find(" … "), std::string::npos);
}

TEST(TablePrinterTest, width_is_counted_in_columns_of_the_terminal) {
  EXPECT_EQ(display_width("été"), 3U);
  EXPECT_EQ(display_width("漢字"), 4U);
  EXPECT_EQ(display_width("e\u0301"), 1U);
  EXPECT_EQ(display_width("😀"), 2U);
  EXPECT_EQ(display_width("\xff"), 1U);
  EXPECT_EQ(cut_to_width("漢字漢字", 5), "漢字…");
  EXPECT_EQ(cut_to_width("漢字漢字", 4), "漢…");
  EXPECT_EQ(cut_to_width("abc", 3), "abc");
  EXPECT_EQ(cut_to_width("abcd", 3), "ab…");
}

TEST(TablePrinterTest, a_value_cannot_steer_the_terminal) {
  EXPECT_EQ(printable("a\nb\tc\x1b[2J"), "a\\nb\\tc\\x1b[2J");
  EXPECT_EQ(printable("\u202Eevil\u0085"), "\\u202eevil\\x85");
  EXPECT_EQ(printable("\xff\xc0"), "\\xff\\xc0");
  EXPECT_EQ(printable("été 漢字 😀"), "été 漢字 😀");
  for (const char c : render_table({{"\x1b[31m"}}, {{"\x1b]0;title\x07"}}, {}))
    EXPECT_TRUE(c == '\n' || static_cast<unsigned char>(c) >= 0x20) << static_cast<int>(c);
}

TEST(TablePrinterTest, a_bar_is_drawn_in_eighths_of_a_column) {
  EXPECT_EQ(bar(1, 4), "████");
  EXPECT_EQ(bar(0.5, 4), "██");
  EXPECT_EQ(bar(0.4, 4), "█▋");
  EXPECT_EQ(bar(1e-9, 4), "▏") << "what is there is seen";
  EXPECT_EQ(bar(0, 4), "");
  EXPECT_EQ(bar(-1, 4), "");
  EXPECT_EQ(bar(7, 4), "████");
}

TEST(TablePrinterTest, without_a_terminal_a_longer_later_row_keeps_its_text) {
  const TableLayout layout({{"a"}}, {{"x"}}, {});
  EXPECT_NE(layout.row({"much longer than the sample"}).find("much longer than the sample"), std::string::npos);
}

}  // namespace
}  // namespace inlet::cli
