// Rows as a box of lines, fitted to the width of a terminal. Pure functions of their input; no I/O.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace inlet::cli {

/// Columns of a terminal that a UTF-8 text takes: 2 for wide characters, 0 for marks that combine.
std::size_t display_width(std::string_view text);

/// The text as it can be shown on one line of a terminal: control characters (escape sequences of a hostile value
/// included) and broken UTF-8 become visible escapes, \n and \x1b.
std::string printable(std::string_view text);

/// Cut to `width` columns, the last of them "…", where it is longer.
std::string cut_to_width(std::string_view text, std::size_t width);

/// A share of 1 as a bar of at most `width` columns, drawn in eighths of one; any positive share shows something.
std::string bar(double share, std::size_t width);

struct TableColumn {
  std::string name;
  bool right_aligned = false;  // numbers
};

using TableRow = std::vector<std::optional<std::string>>;  // nullopt: NULL

struct TableStyle {
  std::size_t width = 0;  // of the terminal; 0: as wide as it needs
  bool color = false;     // NULL dim, by an escape sequence
};

/// The lines of a box table, written piece by piece, so that a long result need not be held. The widths are settled by
/// the rows given to the constructor; a later row with longer texts overflows its columns rather than lose a character
/// (where the width is bounded it is cut).
class TableLayout {
 public:
  TableLayout(std::vector<TableColumn> columns, const std::vector<TableRow>& sample, const TableStyle& style);

  std::string header() const;
  std::string row(const TableRow& row) const;
  /// A row of "·" where rows are left out.
  std::string gap() const;
  std::string footer() const;
  /// Columns of the terminal that a line takes.
  std::size_t total_width() const;
  /// Columns that did not fit and are not shown.
  std::size_t hidden_columns() const { return columns_.size() - shown_.size(); }

 private:
  void fit();
  std::string line(std::string_view left, std::string_view cross, std::string_view right) const;
  std::string cell(std::string_view text, std::size_t column, bool is_null) const;
  std::string cells(const std::vector<std::string>& texts, const std::vector<bool>& nulls) const;

  std::vector<TableColumn> columns_;
  TableStyle style_;
  std::vector<std::size_t> widths_;
  std::vector<std::size_t> shown_;          // by index, in order
  std::optional<std::size_t> ellipsis_at_;  // position among the shown ones behind which columns are left out
};

/// All of it at once: for lists that are short.
std::string render_table(std::vector<TableColumn> columns, const std::vector<TableRow>& rows, const TableStyle& style);

/// What stdout is: a terminal's width and color, or unbounded.
TableStyle stdout_style();

}  // namespace inlet::cli
