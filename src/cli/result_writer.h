// The rows of a query, printed: as a table for people, as JSON or CSV for programs. Streams: what is held does not grow
// with the result.
#pragma once

#include <chrono>
#include <cstdio>
#include <string>

#include "base/status.h"
#include "cli/table_printer.h"
#include "duck/database.h"

namespace inlet::cli {

enum class ResultFormat {
  kTable,  // a box, and "(12 rows, 34 ms)"; on a terminal the first and the last 20 rows of a long result
  kJson,   // an array of objects, one a line; numbers with every digit, NULL null, instants as ISO 8601
  kCsv,    // RFC 4180: CRLF, a header; NULL is nothing, the empty text is ""
};

struct ResultOutput {
  ResultFormat format = ResultFormat::kTable;
  TableStyle style;  // kTable; a width bounds the number of rows shown as well
  std::FILE* file = stdout;
  std::string bar = {};  // kTable: the numeric column that is drawn as a bar beside the rows, as wide as there is room
};

/// Reads `rows` to the end. `started`: when the statement was, for the time shown. Errors: those of the query, after
/// what came before them was printed; Internal when the output cannot be written; InvalidArgument when the bar's column
/// is not there, or no number.
Status write_result(duck::ResultStream& rows, std::chrono::steady_clock::time_point started,
                    const ResultOutput& output);

/// "34 ms", "1.2 s", "2 min 5 s"
std::string elapsed_text(std::chrono::steady_clock::duration elapsed);

}  // namespace inlet::cli
