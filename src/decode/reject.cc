#include "decode/reject.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "decode/json_text.h"
#include "decode/structural_index.h"

namespace inlet::decode {

std::string_view to_string(RejectReason reason) {
  switch (reason) {
    case RejectReason::kEmpty: return "empty";
    case RejectReason::kTombstone: return "tombstone";
    case RejectReason::kTooLarge: return "too_large";
    case RejectReason::kInvalidUtf8: return "invalid_utf8";
    case RejectReason::kInvalidJson: return "invalid_json";
    case RejectReason::kTooDeep: return "too_deep";
    case RejectReason::kNotAnObject: return "not_an_object";
    case RejectReason::kDuplicateKey: return "duplicate_key";
    case RejectReason::kUnknownField: return "unknown_field";
    case RejectReason::kMissingField: return "missing_field";
    case RejectReason::kWrongType: return "wrong_type";
    case RejectReason::kOverflow: return "overflow";
    case RejectReason::kNotFinite: return "not_finite";
    case RejectReason::kBadTimestamp: return "bad_timestamp";
    case RejectReason::kFutureEvent: return "future_event";
    case RejectReason::kExpectation: return "expectation";
  }
  return "invalid_json";
}

namespace {

constexpr std::string_view kAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string base64(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) out.push_back(i <= count ? kAlphabet[group >> (18 - 6 * i) & 63] : '=');
  }
  return out;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() / 4 * 3);
  for (std::size_t at = 0; at < text.size(); at += 4) {
    const bool is_last = at + 4 == text.size();
    const std::size_t padding = !is_last || text[at + 3] != '=' ? 0 : text[at + 2] == '=' ? 2 : 1;
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 4 - padding; ++i) {
      const auto digit = kAlphabet.find(text[at + i]);
      if (digit == std::string_view::npos) return std::nullopt;
      group |= static_cast<std::uint32_t>(digit) << (18 - 6 * i);
    }
    for (std::size_t i = 0; i < 3 - padding; ++i) bytes.push_back(static_cast<char>(group >> (16 - 8 * i) & 0xFFU));
  }
  return bytes;
}

Reject make_reject(const source::Record& record, Fault fault, std::size_t max_raw_bytes) {
  Reject reject;
  reject.offset = record.offset;
  reject.timestamp_ms = record.timestamp_ms;
  reject.reason = fault.reason;
  reject.message = std::move(fault.message);
  reject.field = std::move(fault.field);
  reject.raw_bytes = static_cast<std::int64_t>(record.value.size());
  reject.raw_is_cut = record.value.size() > max_raw_bytes;
  // Whether it is text is asked of the part that is kept: a bad byte far behind does not make the rest unreadable.
  const std::string_view kept = utf8_prefix(record.value, max_raw_bytes);
  reject.raw_is_base64 = !is_valid_utf8(kept);
  reject.raw = reject.raw_is_base64 ? base64(record.value.substr(0, max_raw_bytes)) : std::string(kept);
  return reject;
}

}  // namespace inlet::decode
