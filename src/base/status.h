// Status and Result<T>: how every stage of Inlet reports failure.
//
// A code says what the *caller* does about it (back off, look again, stop), an `ErrorDetail` says what a *person* does
// about it. No exception crosses a directory of src/; a library that throws is caught where it is called.
// Thread safety: values; as safe as any value type.
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace inlet {

enum class StatusCode {
  kOk,
  kInvalidArgument,  // configuration or input is wrong: refuse to start (exit 78, or 2 for usage)
  kNotFound,         // the thing asked for is not there; never used for "could not look"
  kTransient,        // back off and retry: broker away, lock busy
  kConflict,         // somebody else moved the state: reload and look again
  kFenced,           // a later epoch owns this partition: drop what is held (exit 3 without a group)
  kDataLoss,         // going on would lose or alter rows silently (exit 3)
  kUnavailable,      // a service that is needed is not there and waiting was not asked for (exit 69)
  kCorruption,       // stored bytes are not what was written: stop
  kInternal,         // stop; includes I/O errors such as a full disk (exit 1)
  kCancelled,        // a stop was asked for: unwind
};

std::string_view to_string(StatusCode code);

/// What a person sees. `id` is stable across releases (for example "kafka.offsets_expired"); the others are sentences.
struct ErrorDetail {
  std::string id;
  std::string what;   // what happened
  std::string where;  // file:line:column, or source/partition/offset, or table@version; may be empty
  std::string why;    // the cause as far as it is known; may be empty
  std::string fix;    // what to do about it; may be empty
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, ErrorDetail detail) : code_(code), detail_(std::move(detail)) {}
  /// Short form for errors that need no more than an id and a sentence.
  Status(StatusCode code, std::string id, std::string what)
      : code_(code), detail_{std::move(id), std::move(what), {}, {}, {}} {}

  static Status ok() { return {}; }

  bool is_ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const ErrorDetail& detail() const { return detail_; }

  Status&& at(std::string where) && {
    detail_.where = std::move(where);
    return std::move(*this);
  }
  Status&& because(std::string why) && {
    detail_.why = std::move(why);
    return std::move(*this);
  }
  Status&& fix(std::string fix) && {
    detail_.fix = std::move(fix);
    return std::move(*this);
  }

  /// One line: "[id] what (where): why. fix". For logs and test failures.
  std::string to_line() const;

 private:
  StatusCode code_ = StatusCode::kOk;
  ErrorDetail detail_;
};

/// A value or the Status that explains its absence. Reading the value of a failed Result is a programming error.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}        // NOLINT(google-explicit-constructor)
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {  // NOLINT(google-explicit-constructor)
    assert(!std::get<1>(state_).is_ok());
  }

  bool is_ok() const { return state_.index() == 0; }
  explicit operator bool() const { return is_ok(); }

  T& value() & {
    assert(is_ok());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    assert(is_ok());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    assert(is_ok());
    return std::move(*std::get_if<0>(&state_));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  Status status() const { return is_ok() ? Status::ok() : *std::get_if<1>(&state_); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace inlet

#define INLET_CONCAT_INNER(a, b) a##b
#define INLET_CONCAT(a, b) INLET_CONCAT_INNER(a, b)

/// Returns the Status of `expr` from the current function unless it is ok.
#define INLET_RETURN_IF_ERROR(expr)                                                \
  do {                                                                             \
    if (auto inlet_status_ = (expr); !inlet_status_.is_ok()) return inlet_status_; \
  } while (false)

/// `INLET_ASSIGN_OR_RETURN(auto x, f());`: x is the value of the Result f(), or the function returns its Status.
#define INLET_ASSIGN_OR_RETURN(lhs, expr) INLET_ASSIGN_OR_RETURN_IMPL(INLET_CONCAT(inlet_result_, __LINE__), lhs, expr)
#define INLET_ASSIGN_OR_RETURN_IMPL(tmp, lhs, expr) \
  auto tmp = (expr);                                \
  if (!tmp.is_ok()) return tmp.status();            \
  lhs = std::move(tmp).value()
