// Newline-delimited JSON from a file, a directory or stdin.
//
// A record is a line: its value without the newline, nor a '\r' before it; an empty line is an empty record. Its offset
// is the last byte of the line in the file, newline included ("abc\n" first in a file: offset 3, range {0, 3}). Every
// file is a source of its own with the one partition 0.
//
// Source id: "file:<name>:<fingerprint>", of stdin "stdin:<fingerprint>". <name> is the file's name in its directory,
// with '%', ':', '/' and control bytes written %XX; <fingerprint> is the record_fingerprint of the first line, 16 hex
// digits. Markers below another id with the same "file:<name>:" therefore mean that a file was replaced by one that
// begins differently: the pipeline looks for them, the source cannot.
//
// A file has no id, and is not assigned, before it has a complete first line.
//
// Growth: all files are followed. In a directory, names that begin with '.' or end in ".tmp" are left out, so that a
// writer can rename a finished file into place; what is there is read in name order, one file after the other.
//
// A last line without a newline waits for it. With OpenOptions::until_caught_up it is taken as it stands; see
// LineStream::begin for what a later run makes of bytes behind it.
//
// Loss, always kDataLoss from poll() (never silent, rule 9): "file.shrank" (smaller than what was read),
// "file.replaced" (another file under the name, while running), "file.deleted" (before it was read to its end),
// "file.line_continued", "stdin.ended_early". A file deleted after it was read to its end is logged.
#pragma once

#include <memory>

#include "config/pipeline_config.h"
#include "source/file_lines.h"
#include "source/source.h"

namespace inlet::source {

struct FileSourceOptions {
  /// False: a loss is logged and the source goes on with what is there; a file that shrank or was replaced is offered
  /// again, as a new assignment.
  bool fail_on_data_loss = true;
  int stdin_fd = 0;  // not closed
  LineLimits limits;
};

/// bounds(): from 0 to the file's size; an incomplete last line counts, since an earlier run may have taken it. Of
/// stdin endless. open(): InvalidArgument "file.not_found", "file.not_a_file". Other I/O errors: Internal "file.io".
///
/// A position in the middle of a line (startingOffsets = latest while a line is being written) is refused as
/// "file.line_continued" once that line goes on.
std::unique_ptr<Source> make_file_source(const config::FileConfig& config, FileSourceOptions options = {});

}  // namespace inlet::source
