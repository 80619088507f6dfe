#include "cli/result_writer.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/format.h"
#include "cli/progress_line.h"
#include "duck/value_text.h"

namespace inlet::cli {
namespace {

constexpr std::size_t kRowsAtEachEnd = 20;   // of a result too long for a terminal
constexpr std::size_t kSampleRows = 10'000;  // that settle the widths where all rows are printed

// Of a bar: where nothing bounds it, at most on a terminal, and below which it is left out.
constexpr std::size_t kBarWidth = 24;
constexpr std::size_t kWidestBar = 40;
constexpr std::size_t kNarrowestBar = 6;

bool is_number(duckdb_type type) {
  switch (type) {
    case DUCKDB_TYPE_TINYINT:
    case DUCKDB_TYPE_SMALLINT:
    case DUCKDB_TYPE_INTEGER:
    case DUCKDB_TYPE_BIGINT:
    case DUCKDB_TYPE_UTINYINT:
    case DUCKDB_TYPE_USMALLINT:
    case DUCKDB_TYPE_UINTEGER:
    case DUCKDB_TYPE_UBIGINT:
    case DUCKDB_TYPE_HUGEINT:
    case DUCKDB_TYPE_UHUGEINT:
    case DUCKDB_TYPE_FLOAT:
    case DUCKDB_TYPE_DOUBLE:
    case DUCKDB_TYPE_DECIMAL: return true;
    default: return false;
  }
}

// Gathers text and hands it on in large pieces.
class Sink {
 public:
  explicit Sink(std::FILE* file) : file_(file) {}
  std::string& text() { return text_; }
  Status flush_if_large() { return text_.size() < 64U << 10U ? Status::ok() : flush(); }
  Status flush() {
    const bool written = std::fwrite(text_.data(), 1, text_.size(), file_) == text_.size() && std::fflush(file_) == 0;
    text_.clear();
    if (written) return Status::ok();
    return Status(StatusCode::kInternal, "cli.output", "the output cannot be written").because(std::strerror(errno));
  }

 private:
  std::FILE* file_;
  std::string text_;
};

// The rows of the stream one by one; `visit(row index in the chunk)` fails to stop.
template <class Visit>
Status each_row(duck::ResultStream& rows, const Visit& visit) {
  while (true) {
    INLET_ASSIGN_OR_RETURN(const std::size_t count, rows.next());
    if (count == 0) return Status::ok();
    for (std::size_t row = 0; row < count; ++row) INLET_RETURN_IF_ERROR(visit(row));
  }
}

// An object cannot hold two values of one name: the second column x becomes x_1.
std::vector<std::string> unique_names(const duck::ResultStream& rows) {
  std::vector<std::string> names;
  std::set<std::string> taken;
  for (std::size_t i = 0; i < rows.columns(); ++i) {
    std::string name = rows.column_name(i);
    for (int n = 1; !taken.insert(name).second; ++n) name = rows.column_name(i) + "_" + std::to_string(n);
    names.push_back(std::move(name));
  }
  return names;
}

Status write_json(duck::ResultStream& rows, std::FILE* file) {
  std::vector<std::string> keys;
  for (const auto& name : unique_names(rows)) {
    std::string key = keys.empty() ? "{" : ",";
    duck::append_json_string(key, name);
    keys.push_back(key + ":");
  }
  Sink sink(file);
  bool is_first = true;
  const Status status = each_row(rows, [&](std::size_t row) {
    sink.text() += is_first ? "[\n" : ",\n";
    is_first = false;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      sink.text() += keys[i];
      rows.append_json(sink.text(), row, i);
    }
    sink.text() += "}";
    return sink.flush_if_large();
  });
  if (status.is_ok()) sink.text() += is_first ? "[]\n" : "\n]\n";
  const Status flushed = sink.flush();
  return status.is_ok() ? flushed : status;
}

void append_csv(std::string& line, std::string_view text) {
  const bool quoted = text.empty() || text.find_first_of(",\"\r\n") != std::string_view::npos || text.front() == ' ' ||
                      text.back() == ' ';
  if (!quoted) {
    line += text;
    return;
  }
  line += '"';
  for (const char c : text) {
    if (c == '"') line += '"';
    line += c;
  }
  line += '"';
}

Status write_csv(duck::ResultStream& rows, std::FILE* file) {
  Sink sink(file);
  for (std::size_t i = 0; i < rows.columns(); ++i) {
    if (i > 0) sink.text() += ',';
    append_csv(sink.text(), rows.column_name(i));
  }
  sink.text() += "\r\n";
  const Status status = each_row(rows, [&](std::size_t row) {
    for (std::size_t i = 0; i < rows.columns(); ++i) {
      if (i > 0) sink.text() += ',';
      if (!rows.is_null(row, i)) append_csv(sink.text(), rows.text(row, i));
    }
    sink.text() += "\r\n";
    return sink.flush_if_large();
  });
  const Status flushed = sink.flush();
  return status.is_ok() ? flushed : status;
}

std::string count_line(std::int64_t total, std::size_t shown, const TableLayout& layout, std::size_t columns,
                       std::chrono::steady_clock::duration elapsed) {
  std::string text = "(" + with_thousands(total) + (total == 1 ? " row" : " rows");
  if (static_cast<std::size_t>(total) > shown) text += ", " + std::to_string(shown) + " shown";
  if (layout.hidden_columns() > 0)
    text +=
        ", " + std::to_string(columns) + " columns, " + std::to_string(columns - layout.hidden_columns()) + " shown";
  return text + ", " + elapsed_text(elapsed) + ")\n";
}

TableRow table_row(const duck::ResultStream& rows, std::size_t row) {
  TableRow values;
  for (std::size_t i = 0; i < rows.columns(); ++i) {
    if (rows.is_null(row, i)) {
      values.emplace_back(std::nullopt);
    } else {
      values.emplace_back(rows.text(row, i));
    }
  }
  return values;
}

std::vector<TableColumn> table_columns(const duck::ResultStream& rows) {
  std::vector<TableColumn> columns;
  for (std::size_t i = 0; i < rows.columns(); ++i)
    columns.push_back({rows.column_name(i), is_number(rows.column_type(i))});
  return columns;
}

// The column that is drawn beside the rows, scaled by the largest value of the sample.
class Bars {
 public:
  /// InvalidArgument: no such column, or no number.
  static Result<Bars> of(const duck::ResultStream& rows, const std::string& name) {
    if (name.empty()) return Bars();
    for (std::size_t i = 0; i < rows.columns(); ++i) {
      if (rows.column_name(i) != name) continue;
      if (is_number(rows.column_type(i))) return Bars(i);
      return Status(StatusCode::kInvalidArgument, "report.bad_bar", "the bar's column " + name + " is no number")
          .because("it is " + rows.column_type_name(i));
    }
    std::string known;
    for (std::size_t i = 0; i < rows.columns(); ++i) known += (i == 0 ? "" : ", ") + rows.column_name(i);
    return Status(StatusCode::kInvalidArgument, "report.bad_bar", "there is no column " + name + " to draw as a bar")
        .fix("the columns are " + known);
  }

  /// Settles scale and width by the rows there are, and gives the layout of them all; `sample` gets its bars.
  TableLayout settle(std::vector<TableColumn> columns, std::vector<TableRow>& sample, const TableStyle& style) {
    const auto room = [&] {
      if (!column_) return std::size_t{0};
      if (style.width == 0) return kBarWidth;
      const auto used = TableLayout(columns, sample, {}).total_width() + 3;
      return style.width < used + kNarrowestBar ? 0 : std::min(kWidestBar, style.width - used);
    };
    width_ = room();
    if (width_ > 0) {
      for (const auto& row : sample) largest_ = std::max(largest_, value(row));
      for (auto& row : sample) add(row);
      columns.push_back({""});
    }
    return {std::move(columns), sample, style};
  }

  void add(TableRow& row) const {
    if (width_ > 0) row.emplace_back(largest_ > 0 ? bar(value(row) / largest_, width_) : "");
  }

 private:
  Bars() = default;
  explicit Bars(std::size_t column) : column_(column) {}
  double value(const TableRow& row) const { return row[*column_] ? std::strtod(row[*column_]->c_str(), nullptr) : 0; }

  std::optional<std::size_t> column_;
  std::size_t width_ = 0;  // 0: none is drawn
  double largest_ = 0;
};

// A terminal shows the two ends of a long result: they are all that is held.
Status write_screen(duck::ResultStream& rows, std::chrono::steady_clock::time_point started,
                    const ResultOutput& output) {
  INLET_ASSIGN_OR_RETURN(auto bars, Bars::of(rows, output.bar));
  std::vector<TableRow> head;
  std::deque<TableRow> tail;
  std::int64_t total = 0;
  INLET_RETURN_IF_ERROR(each_row(rows, [&](std::size_t row) {
    ++total;
    if (head.size() < kRowsAtEachEnd) {
      head.push_back(table_row(rows, row));
      return Status::ok();
    }
    tail.push_back(table_row(rows, row));
    if (tail.size() > kRowsAtEachEnd) tail.pop_front();
    return Status::ok();
  }));
  const auto elapsed = std::chrono::steady_clock::now() - started;
  const std::size_t shown = head.size() + tail.size();
  std::vector<TableRow> sample = head;
  sample.insert(sample.end(), tail.begin(), tail.end());
  const TableLayout layout = bars.settle(table_columns(rows), sample, output.style);
  Sink sink(output.file);
  sink.text() += layout.header();
  for (std::size_t i = 0; i < sample.size(); ++i) {
    if (i == head.size() && static_cast<std::size_t>(total) > shown) sink.text() += layout.gap();
    sink.text() += layout.row(sample[i]);
  }
  sink.text() += layout.footer() + count_line(total, shown, layout, rows.columns(), elapsed);
  return sink.flush();
}

Status write_whole_table(duck::ResultStream& rows, std::chrono::steady_clock::time_point started,
                         const ResultOutput& output) {
  INLET_ASSIGN_OR_RETURN(auto bars, Bars::of(rows, output.bar));
  Sink sink(output.file);
  std::vector<TableRow> sample;
  std::optional<TableLayout> layout;
  std::int64_t total = 0;
  const auto settle = [&] {
    layout.emplace(bars.settle(table_columns(rows), sample, output.style));
    sink.text() += layout->header();
    for (const auto& row : sample) sink.text() += layout->row(row);
    sample.clear();
  };
  INLET_RETURN_IF_ERROR(each_row(rows, [&](std::size_t row) {
    ++total;
    if (layout) {
      auto cells = table_row(rows, row);
      bars.add(cells);
      sink.text() += layout->row(cells);
      return sink.flush_if_large();
    }
    sample.push_back(table_row(rows, row));
    if (sample.size() == kSampleRows) settle();
    return Status::ok();
  }));
  const auto elapsed = std::chrono::steady_clock::now() - started;
  if (!layout) settle();
  sink.text() +=
      layout->footer() + count_line(total, static_cast<std::size_t>(total), *layout, rows.columns(), elapsed);
  return sink.flush();
}

// A plan is a drawing of its own.
bool is_plan(const duck::ResultStream& rows) {
  return rows.columns() == 2 && rows.column_name(0) == "explain_key" && rows.column_name(1) == "explain_value";
}

Status write_plan(duck::ResultStream& rows, std::FILE* file) {
  Sink sink(file);
  INLET_RETURN_IF_ERROR(each_row(rows, [&](std::size_t row) {
    sink.text() += rows.text(row, 1) + "\n";
    return Status::ok();
  }));
  return sink.flush();
}

}  // namespace

std::string elapsed_text(std::chrono::steady_clock::duration elapsed) {
  const double seconds = std::chrono::duration<double>(elapsed).count();
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1000);
  if (seconds < 60) return fmt::format("{:.1f} s", seconds);
  const auto whole = static_cast<long>(seconds);
  return fmt::format("{} min {} s", whole / 60, whole % 60);
}

Status write_result(duck::ResultStream& rows, std::chrono::steady_clock::time_point started,
                    const ResultOutput& output) {
  switch (output.format) {
    case ResultFormat::kJson: return write_json(rows, output.file);
    case ResultFormat::kCsv: return write_csv(rows, output.file);
    case ResultFormat::kTable: break;
  }
  if (is_plan(rows)) return write_plan(rows, output.file);
  return output.style.width > 0 ? write_screen(rows, started, output) : write_whole_table(rows, started, output);
}

}  // namespace inlet::cli
