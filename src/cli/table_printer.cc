#include "cli/table_printer.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace inlet::cli {
namespace {

// A text column is not cut below this, nor a number at all, before columns are left out.
constexpr std::size_t kNarrowestText = 8;

struct CodePoint {
  std::uint32_t value = 0;
  std::size_t bytes = 0;  // 0: not UTF-8
};

CodePoint decode(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) {
    return at + i < text.size() ? static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + i])) : 0U;
  };
  const auto is_continuation = [&](std::size_t i) { return (byte(i) & 0xC0U) == 0x80U; };
  const std::uint32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  if ((first & 0xE0U) == 0xC0U && is_continuation(1)) {
    const std::uint32_t value = ((first & 0x1FU) << 6U) | (byte(1) & 0x3FU);
    return {value, value >= 0x80 ? 2U : 0U};
  }
  if ((first & 0xF0U) == 0xE0U && is_continuation(1) && is_continuation(2)) {
    const std::uint32_t value = ((first & 0x0FU) << 12U) | ((byte(1) & 0x3FU) << 6U) | (byte(2) & 0x3FU);
    return {value, value >= 0x800 && (value < 0xD800 || value > 0xDFFF) ? 3U : 0U};
  }
  if ((first & 0xF8U) == 0xF0U && is_continuation(1) && is_continuation(2) && is_continuation(3)) {
    const std::uint32_t value =
        ((first & 0x07U) << 18U) | ((byte(1) & 0x3FU) << 12U) | ((byte(2) & 0x3FU) << 6U) | (byte(3) & 0x3FU);
    return {value, value >= 0x10000 && value <= 0x10FFFF ? 4U : 0U};
  }
  return {};
}

struct Range {
  std::uint32_t first;
  std::uint32_t last;
};

template <std::size_t N>
bool contains(const std::array<Range, N>& ranges, std::uint32_t value) {
  return std::any_of(ranges.begin(), ranges.end(), [&](const Range& r) { return value >= r.first && value <= r.last; });
}

// Unicode: marks that combine, joiners and variation selectors.
constexpr std::array kZeroWidth{Range{0x300, 0x36F},   Range{0x483, 0x489},   Range{0x591, 0x5BD},
                                Range{0x610, 0x61A},   Range{0x64B, 0x65F},   Range{0x900, 0x902},
                                Range{0x1AB0, 0x1AFF}, Range{0x1DC0, 0x1DFF}, Range{0x200B, 0x200D},
                                Range{0x2060, 0x2064}, Range{0x20D0, 0x20FF}, Range{0xFE00, 0xFE0F},
                                Range{0xFE20, 0xFE2F}, Range{0xFEFF, 0xFEFF}, Range{0xE0100, 0xE01EF}};

// UAX #11, East Asian wide and full width, emoji among them.
constexpr std::array kWide{
    Range{0x1100, 0x115F},   Range{0x231A, 0x231B},   Range{0x23E9, 0x23EC},   Range{0x25FD, 0x25FE},
    Range{0x2614, 0x2615},   Range{0x2648, 0x2653},   Range{0x26A1, 0x26A1},   Range{0x26BD, 0x26BE},
    Range{0x26D4, 0x26D4},   Range{0x2705, 0x2705},   Range{0x270A, 0x270B},   Range{0x2728, 0x2728},
    Range{0x274C, 0x274C},   Range{0x2753, 0x2755},   Range{0x2795, 0x2797},   Range{0x2B50, 0x2B50},
    Range{0x2E80, 0x303E},   Range{0x3041, 0x33FF},   Range{0x3400, 0x4DBF},   Range{0x4E00, 0x9FFF},
    Range{0xA000, 0xA4CF},   Range{0xA960, 0xA97F},   Range{0xAC00, 0xD7A3},   Range{0xF900, 0xFAFF},
    Range{0xFE30, 0xFE6F},   Range{0xFF00, 0xFF60},   Range{0xFFE0, 0xFFE6},   Range{0x1F004, 0x1F004},
    Range{0x1F0CF, 0x1F0CF}, Range{0x1F18E, 0x1F18E}, Range{0x1F191, 0x1F19A}, Range{0x1F1E6, 0x1F202},
    Range{0x1F210, 0x1F23B}, Range{0x1F240, 0x1F265}, Range{0x1F300, 0x1F64F}, Range{0x1F680, 0x1F6FF},
    Range{0x1F7E0, 0x1F7EB}, Range{0x1F900, 0x1F9FF}, Range{0x1FA70, 0x1FAFF}, Range{0x20000, 0x3FFFD}};

// What moves the cursor or turns the direction of writing instead of being seen.
constexpr std::array kControl{Range{0x00, 0x1F},     Range{0x7F, 0x9F},     Range{0x200E, 0x200F},
                              Range{0x2028, 0x202E}, Range{0x2066, 0x2069}, Range{0x61C, 0x61C}};

std::size_t width_of(std::uint32_t value) {
  if (value < 0x300) return 1;
  if (contains(kZeroWidth, value)) return 0;
  return contains(kWide, value) ? 2 : 1;
}

std::string escaped(std::uint32_t value) {
  if (value == '\n') return "\\n";
  if (value == '\t') return "\\t";
  if (value == '\r') return "\\r";
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), value < 0x100 ? "\\x%02x" : "\\u%04x", value);
  return text.data();
}

std::string repeated(std::string_view piece, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += piece;
  return text;
}

}  // namespace

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto point = decode(text, at);
    width += point.bytes == 0 ? 1 : width_of(point.value);
    at += std::max<std::size_t>(1, point.bytes);
  }
  return width;
}

std::string printable(std::string_view text) {
  std::string shown;
  for (std::size_t at = 0; at < text.size();) {
    const auto point = decode(text, at);
    if (point.bytes == 0) {
      shown += escaped(static_cast<unsigned char>(text[at]));
      ++at;
      continue;
    }
    if (contains(kControl, point.value)) {
      shown += escaped(point.value);
    } else {
      shown += text.substr(at, point.bytes);
    }
    at += point.bytes;
  }
  return shown;
}

std::string cut_to_width(std::string_view text, std::size_t width) {
  if (display_width(text) <= width) return std::string(text);
  if (width == 0) return "";
  std::size_t used = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    const auto point = decode(text, at);
    const std::size_t next = point.bytes == 0 ? 1 : width_of(point.value);
    if (used + next > width - 1) break;
    used += next;
    at += std::max<std::size_t>(1, point.bytes);
  }
  return std::string(text.substr(0, at)) + "…";
}

std::string bar(double share, std::size_t width) {
  constexpr std::array<std::string_view, 8> kEighths{"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
  if (!(share > 0)) return "";
  const double eighths = std::min(share, 1.0) * static_cast<double>(width) * 8;
  const auto whole = std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(eighths)));
  return repeated("█", whole / 8) + std::string(kEighths[whole % 8]);
}

TableLayout::TableLayout(std::vector<TableColumn> columns, const std::vector<TableRow>& sample, const TableStyle& style)
    : columns_(std::move(columns)), style_(style) {
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    columns_[i].name = printable(columns_[i].name);
    std::size_t width = std::max<std::size_t>(1, display_width(columns_[i].name));
    for (const auto& row : sample)
      width = std::max(width, row[i] ? display_width(printable(*row[i])) : std::string_view("NULL").size());
    widths_.push_back(width);
    shown_.push_back(i);
  }
  if (style_.width > 0) fit();
}

std::size_t TableLayout::total_width() const {
  std::size_t width = 1;
  for (const auto column : shown_) width += widths_[column] + 3;
  return width + (ellipsis_at_ ? 4 : 0);
}

// First the widest texts are made narrower, then columns of the middle are left out.
void TableLayout::fit() {
  while (total_width() > style_.width) {
    std::optional<std::size_t> widest;
    std::size_t second = kNarrowestText;
    for (const auto column : shown_) {
      if (columns_[column].right_aligned || widths_[column] <= kNarrowestText) continue;
      if (!widest || widths_[column] > widths_[*widest]) {
        if (widest) second = std::max(second, widths_[*widest]);
        widest = column;
      } else {
        second = std::max(second, widths_[column]);
      }
    }
    if (widest) {
      const std::size_t excess = total_width() - style_.width;
      const std::size_t step = std::max<std::size_t>(1, std::min(excess, widths_[*widest] - second));
      widths_[*widest] -= step;
      continue;
    }
    if (shown_.size() <= 1) break;
    const std::size_t middle = shown_.size() / 2;
    shown_.erase(shown_.begin() + static_cast<std::ptrdiff_t>(middle));
    ellipsis_at_ = middle;
  }
  // One column alone that is still too wide: a number or a name is cut after all.
  if (total_width() > style_.width && shown_.size() == 1) {
    const std::size_t excess = total_width() - style_.width;
    auto& width = widths_[shown_[0]];
    width = width > excess + 1 ? width - excess : 1;
  }
}

std::string TableLayout::line(std::string_view left, std::string_view cross, std::string_view right) const {
  std::vector<std::size_t> segments;
  for (std::size_t i = 0; i < shown_.size(); ++i) {
    if (ellipsis_at_ == i) segments.push_back(3);
    segments.push_back(widths_[shown_[i]] + 2);
  }
  if (ellipsis_at_ == shown_.size()) segments.push_back(3);
  std::string text(left);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (i > 0) text += cross;
    text += repeated("─", segments[i]);
  }
  return text + std::string(right) + "\n";
}

std::string TableLayout::cell(std::string_view text, std::size_t column, bool is_null) const {
  const std::string shown = style_.width > 0 ? cut_to_width(text, widths_[column]) : std::string(text);
  const std::size_t used = display_width(shown);
  const std::string padding(widths_[column] > used ? widths_[column] - used : 0, ' ');
  const std::string colored = is_null && style_.color ? "\033[2m" + shown + "\033[0m" : shown;
  return columns_[column].right_aligned ? " " + padding + colored + " " : " " + colored + padding + " ";
}

std::string TableLayout::cells(const std::vector<std::string>& texts, const std::vector<bool>& nulls) const {
  std::string text = "│";
  for (std::size_t i = 0; i < shown_.size(); ++i) {
    if (ellipsis_at_ == i) text += " … │";
    text += cell(texts[shown_[i]], shown_[i], nulls[shown_[i]]) + "│";
  }
  if (ellipsis_at_ == shown_.size()) text += " … │";
  return text + "\n";
}

std::string TableLayout::header() const {
  std::vector<std::string> names;
  for (const auto& column : columns_) names.push_back(column.name);
  return line("┌", "┬", "┐") + cells(names, std::vector<bool>(names.size())) + line("├", "┼", "┤");
}

std::string TableLayout::row(const TableRow& row) const {
  std::vector<std::string> texts;
  std::vector<bool> nulls;
  for (const auto& value : row) {
    texts.push_back(value ? printable(*value) : "NULL");
    nulls.push_back(!value);
  }
  return cells(texts, nulls);
}

std::string TableLayout::gap() const {
  return cells(std::vector<std::string>(columns_.size(), "·"), std::vector<bool>(columns_.size()));
}

std::string TableLayout::footer() const { return line("└", "┴", "┘"); }

std::string render_table(std::vector<TableColumn> columns, const std::vector<TableRow>& rows, const TableStyle& style) {
  const TableLayout layout(std::move(columns), rows, style);
  std::string text = layout.header();
  for (const auto& row : rows) text += layout.row(row);
  return text + layout.footer();
}

TableStyle stdout_style() {
  TableStyle style;
  if (isatty(STDOUT_FILENO) == 0) return style;
  const char* no_color = std::getenv("NO_COLOR");
  style.color = no_color == nullptr || *no_color == '\0';
  winsize size{};
  style.width = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
  return style;
}

}  // namespace inlet::cli
