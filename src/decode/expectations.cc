#include "decode/expectations.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>

#include "base/json.h"
#include "base/letter_case.h"
#include "decode/reject.h"

namespace inlet::decode {
namespace {

// Functions that DuckDB counts as consistent although they tell of the session, not of the row.
constexpr std::array<std::string_view, 4> kSessionFunctions{"current_setting", "getvariable", "getenv",
                                                            "current_query"};

// Macros may use macros; none of DuckDB's own goes deeper.
constexpr int kMacroDepth = 6;
constexpr std::size_t kShownBytes = 500;

std::string text_of(const Json& node, const char* key) {
  const auto found = node.find(key);
  return found != node.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// The new line ends a comment that the condition may end with.
std::string in_parentheses(const std::string& sql) { return "(" + sql + "\n)"; }

Status refused(std::string why) {
  return Status(StatusCode::kInvalidArgument, "expect.invalid", "").because(std::move(why));
}

// Looks through the parse tree of one condition.
class ConditionCheck {
 public:
  explicit ConditionCheck(duck::Connection& connection) : connection_(connection) {}

  Status check(const std::string& sql, const Schema& columns) {
    Names names;
    for (const auto& column : columns.columns) names.push_back(column.name);
    return check_expression(sql, kMacroDepth, names);
  }

 private:
  using Names = std::vector<std::string>;

  // `names`: the columns there are, or the parameters of a macro.
  Status check_expression(const std::string& sql, int depth, const Names& names) {
    // In parentheses, as it will be used, and without: "a) OR (b" is one expression only in them.
    INLET_RETURN_IF_ERROR(parse("SELECT " + sql).status());
    INLET_ASSIGN_OR_RETURN(const Json tree, parse("SELECT " + in_parentheses(sql)));
    std::vector<const Json*> pending{&tree["statements"][0]["node"]["select_list"][0]};
    while (!pending.empty()) {
      const Json& node = *pending.back();
      pending.pop_back();
      if (node.is_object()) INLET_RETURN_IF_ERROR(look_at(node, depth, names));
      if (node.is_structured()) {
        for (const auto& child : node) pending.push_back(&child);
      }
    }
    return Status::ok();
  }

  Result<Json> parse(const std::string& select) {
    INLET_ASSIGN_OR_RETURN(const auto result,
                           connection_.query("SELECT json_serialize_sql(" + duck::quote_literal(select) + ")"));
    if (result.rows() != 1 || result.is_null(0, 0)) return refused("DuckDB gave no parse tree for it");
    INLET_ASSIGN_OR_RETURN(Json tree, parse_json(result.text(0, 0)));
    if (const auto error = tree.find("error"); error == tree.end() || *error != false)
      return refused("it does not parse: " + text_of(tree, "error_message"));
    if (!is_one_expression(tree)) return refused("it is not one condition");
    return tree;
  }

  // SELECT (…) and nothing else: a text with a parenthesis too many could be a whole statement.
  static bool is_one_expression(const Json& tree) {
    const auto statements = tree.find("statements");
    if (statements == tree.end() || !statements->is_array() || statements->size() != 1) return false;
    const auto node = (*statements)[0].find("node");
    if (node == (*statements)[0].end() || text_of(*node, "type") != "SELECT_NODE") return false;
    const auto is_absent = [&](const char* key) {
      const auto found = node->find(key);
      return found == node->end() || found->is_null() || (found->is_array() && found->empty());
    };
    return node->contains("select_list") && (*node)["select_list"].size() == 1 && node->contains("from_table") &&
           text_of((*node)["from_table"], "type") == "EMPTY" && is_absent("where_clause") &&
           is_absent("group_expressions") && is_absent("having") && is_absent("qualify") && is_absent("sample") &&
           is_absent("modifiers");
  }

  Status look_at(const Json& node, int depth, const Names& names) {
    const std::string kind = text_of(node, "class");
    if (kind == "SUBQUERY") return refused("it holds a subquery");
    if (kind == "WINDOW") return refused("it holds a window function");
    if (kind == "STAR" || kind == "LAMBDA" || kind == "PARAMETER")
      return refused("it holds a " + lower_case(kind) + " expression");
    if (kind == "COLUMN_REF") return check_column(node, names);
    if (kind == "FUNCTION") return check_function(lower_case(text_of(node, "function_name")), depth);
    return Status::ok();
  }

  static Status check_column(const Json& node, const Names& names) {
    const auto parts = node.find("column_names");
    std::string name;
    if (parts != node.end() && parts->is_array()) {
      for (const auto& part : *parts)
        name += (name.empty() ? "" : ".") + (part.is_string() ? part.get<std::string>() : "");
    }
    std::string known;
    for (const auto& column : names) {
      if (lower_case(column) == lower_case(name)) return Status::ok();
      known += (known.empty() ? "" : ", ") + column;
    }
    // What reads like a column may be a function of the time: current_date.
    return refused("there is no column " + name + "; the columns are " + known);
  }

  Status check_function(const std::string& name, int depth) {
    if (std::find(kSessionFunctions.begin(), kSessionFunctions.end(), name) != kSessionFunctions.end())
      return refused(name + "() does not follow from the event alone");
    INLET_ASSIGN_OR_RETURN(
        const auto known,
        connection_.query(
            "SELECT DISTINCT function_type, coalesce(stability, ''), "
            "coalesce(macro_definition, ''), array_to_string(parameters, ',') FROM duckdb_functions() WHERE "
            "function_name = " +
            duck::quote_literal(name)));
    for (std::size_t row = 0; row < known.rows(); ++row) {
      const std::string type = known.text(row, 0);
      const std::string stability = known.text(row, 1);
      if (type == "aggregate") return refused("it holds the aggregate " + name + "()");
      if (type == "scalar" && stability != "CONSISTENT")
        return refused(name + "() does not follow from the event alone");
      if (type != "macro") continue;
      Names parameters(1);
      for (const char c : known.text(row, 3)) {
        if (c == ',') {
          parameters.emplace_back();
        } else {
          parameters.back() += c;
        }
      }
      if (depth == 0 || !check_expression(known.text(row, 2), depth - 1, parameters).is_ok())
        return refused(name + "() does not follow from the event alone");
    }
    return Status::ok();  // a function that is not there does not bind
  }

  duck::Connection& connection_;
};

Status check_condition(const std::string& sql, const Schema& schema, duck::Connection& connection) {
  INLET_RETURN_IF_ERROR(ConditionCheck(connection).check(sql, schema));
  connection.bind_chunks({schema, {}});
  const auto bound = connection.query("SELECT " + in_parentheses(sql) + " FROM inlet_chunks()");
  connection.unbind_chunks();
  if (!bound.is_ok()) return refused(bound.status().detail().what);
  if (bound->column_type(0) != DUCKDB_TYPE_BOOLEAN)
    return refused("it is no condition: its type is " + bound->column_type_name(0));
  return Status::ok();
}

const source::Record* record_at(const source::RecordBatch& batch, Offset offset) {
  const auto at = std::lower_bound(batch.records.begin(), batch.records.end(), offset,
                                   [](const source::Record& r, Offset wanted) { return r.offset < wanted; });
  return at != batch.records.end() && at->offset == offset ? &*at : nullptr;
}

}  // namespace

Status check_expectations(const config::PipelineConfig& config, duck::Connection& connection) {
  const Schema schema = Decoder::chunk_schema(config);
  for (const auto& expectation : config.expectations) {
    const Status status = check_condition(expectation.sql, schema, connection);
    if (status.is_ok()) continue;
    const auto& detail = status.detail();
    return Status(StatusCode::kInvalidArgument, "expect.invalid",
                  "the expectation \"" + expectation.name + "\" cannot be used: " + expectation.sql)
        .at(expectation.where)
        .because(detail.why.empty() ? detail.what : detail.why)
        .fix("write a condition over the columns of one event, such as \"amount >= 0\"");
  }
  return Status::ok();
}

Expectations::Expectations(const config::PipelineConfig& config, duck::Connection connection)
    : config_(config), schema_(Decoder::chunk_schema(config)), connection_(std::move(connection)) {
  for (std::size_t i = 0; i < schema_.columns.size(); ++i) {
    if (schema_.columns[i].name == "_offset") offset_column_ = i;
    if (!config.event.event_time.empty() && schema_.columns[i].name == config.event.event_time) event_time_column_ = i;
  }
  std::string columns = "_offset";
  std::string any;
  for (std::size_t i = 0; i < config.expectations.size(); ++i) {
    const std::string is_false = in_parentheses(config.expectations[i].sql) + " IS NOT DISTINCT FROM false";
    const std::string name = "inlet_not_met_" + std::to_string(i);
    columns += ", ";
    columns += is_false;
    columns += " AS ";
    columns += name;
    any += (any.empty() ? "" : " OR ") + name;
    single_sql_.push_back("SELECT " + is_false + " FROM inlet_chunks()");
  }
  all_sql_ = "SELECT * FROM (SELECT " + columns + " FROM inlet_chunks()) WHERE " + any;
}

Result<duck::QueryResult> Expectations::run(const duck::DataChunk& chunk, const std::string& sql) {
  const duck::DataChunk* const chunks[] = {&chunk};
  connection_.bind_chunks({schema_, chunks});
  auto result = connection_.query(sql);
  connection_.unbind_chunks();
  return result;
}

Status Expectations::find_failures(const duck::DataChunk& chunk, std::uint32_t first_row,
                                   std::vector<Failure>& failures) {
  const auto rows = static_cast<std::uint32_t>(chunk.rows());
  auto found = run(chunk, all_sql_);
  if (found.is_ok()) {
    const auto* offsets = chunk.values<std::int64_t>(offset_column_);
    for (std::size_t i = 0; i < found->rows(); ++i) {
      const auto* at = std::lower_bound(offsets, offsets + rows, found->integer(i, 0));
      Failure failure{first_row + static_cast<std::uint32_t>(at - offsets), {}, {}};
      for (std::size_t rule = 0; rule < config_.expectations.size(); ++rule)
        failure.not_met.push_back(found->text(i, rule + 1) == "true");
      failures.push_back(std::move(failure));
    }
    return Status::ok();
  }
  // An error of one row is the whole query's: halves, until the rows that cannot be computed stand alone.
  if (found.status().code() != StatusCode::kInvalidArgument) return found.status();
  if (rows == 1) return find_failures_one_by_one(chunk, first_row, failures);
  std::vector<std::uint32_t> numbers(rows);
  std::iota(numbers.begin(), numbers.end(), 0U);
  const std::span<const std::uint32_t> all(numbers);
  for (const auto part : {all.first(rows / 2), all.subspan(rows / 2)}) {
    const auto half = chunk.copy_rows(schema_, part);
    if (!half) return {StatusCode::kInternal, "decode.out_of_memory", "memory does not suffice to check a batch"};
    INLET_RETURN_IF_ERROR(find_failures(half, first_row + part.front(), failures));
  }
  return Status::ok();
}

Status Expectations::find_failures_one_by_one(const duck::DataChunk& chunk, std::uint32_t row,
                                              std::vector<Failure>& failures) {
  Failure failure{row, {}, {}};
  for (const auto& sql : single_sql_) {
    const auto found = run(chunk, sql);
    if (!found.is_ok() && found.status().code() != StatusCode::kInvalidArgument) return found.status();
    failure.not_met.push_back(!found.is_ok() || found->text(0, 0) == "true");
    if (!found.is_ok() && failure.error.empty()) failure.error = found.status().detail().what;
  }
  failures.push_back(std::move(failure));
  return Status::ok();
}

Status Expectations::stopped(const config::ExpectConfig& expectation, const source::RecordBatch& batch, Offset offset,
                             const Failure& failure) const {
  const source::Record* const record = record_at(batch, offset);
  std::string values;
  if (record != nullptr) values = make_reject(*record, {}, kShownBytes).raw;
  return Status(StatusCode::kInternal, "expect.stopped",
                "an event does not meet the expectation \"" + expectation.name + "\": " + expectation.sql)
      .at(batch.partition.to_string() + "/" + std::to_string(offset.value))
      .because((failure.error.empty() ? "" : failure.error + "; ") + "the event is " + values)
      .fix(
          "correct what writes such events, or set action = \"quarantine\" for it; nothing of its batch was committed");
}

Status Expectations::apply(const source::RecordBatch& batch, DecodedBatch& decoded) {
  decoded.expectation_failures.assign(config_.expectations.size(), 0);
  if (decoded.chunk.rows() == 0) return Status::ok();
  std::vector<Failure> failures;
  INLET_RETURN_IF_ERROR(find_failures(decoded.chunk, 0, failures));
  if (failures.empty()) return Status::ok();
  std::sort(failures.begin(), failures.end(), [](const Failure& a, const Failure& b) { return a.row < b.row; });
  const auto* offsets = decoded.chunk.values<std::int64_t>(offset_column_);
  bool sets_aside = false;
  for (const auto& failure : failures) {
    for (std::size_t rule = 0; rule < failure.not_met.size(); ++rule) {
      if (!failure.not_met[rule]) continue;
      const auto& expectation = config_.expectations[rule];
      if (expectation.action == config::ExpectAction::kStop)
        return stopped(expectation, batch, Offset{offsets[failure.row]}, failure);
      sets_aside = sets_aside || expectation.action == config::ExpectAction::kQuarantine;
      ++decoded.expectation_failures[rule];
    }
  }
  return sets_aside ? set_aside(batch, decoded, failures) : Status::ok();
}

Status Expectations::set_aside(const source::RecordBatch& batch, DecodedBatch& decoded,
                               const std::vector<Failure>& failures) {
  const auto* offsets = decoded.chunk.values<std::int64_t>(offset_column_);
  std::vector<std::uint32_t> kept;
  auto failure = failures.begin();
  const auto rows = static_cast<std::uint32_t>(decoded.chunk.rows());
  for (std::uint32_t row = 0; row < rows; ++row) {
    while (failure != failures.end() && failure->row < row) ++failure;
    std::size_t rule = config_.expectations.size();
    if (failure != failures.end() && failure->row == row) {
      for (rule = 0; rule < config_.expectations.size(); ++rule) {
        if (failure->not_met[rule] && config_.expectations[rule].action == config::ExpectAction::kQuarantine) break;
      }
    }
    const source::Record* const record =
        rule == config_.expectations.size() ? nullptr : record_at(batch, Offset{offsets[row]});
    if (record == nullptr) {
      kept.push_back(row);
      continue;
    }
    const auto& expectation = config_.expectations[rule];
    std::string message = "the expectation \"" + expectation.name + "\" is not met: " + expectation.sql;
    if (!failure->error.empty()) message += " (" + failure->error + ")";
    decoded.rejects.push_back(make_reject(*record, Fault{RejectReason::kExpectation, std::move(message), {}},
                                          config_.quarantine.max_raw_bytes));
  }
  std::sort(decoded.rejects.begin(), decoded.rejects.end(),
            [](const Reject& a, const Reject& b) { return a.offset < b.offset; });
  auto rest = decoded.chunk.copy_rows(schema_, kept);
  if (!rest) return {StatusCode::kInternal, "decode.out_of_memory", "memory does not suffice to check a batch"};
  decoded.chunk = std::move(rest);
  // What was set aside does not move the largest event time.
  decoded.max_event_time.reset();
  if (event_time_column_) {
    for (std::size_t row = 0; row < kept.size(); ++row) {
      if (decoded.chunk.is_null(*event_time_column_, row)) continue;
      const Timestamp time(std::chrono::microseconds(decoded.chunk.values<std::int64_t>(*event_time_column_)[row]));
      decoded.max_event_time = std::max(decoded.max_event_time, std::optional(time));
    }
  }
  return Status::ok();
}

}  // namespace inlet::decode
