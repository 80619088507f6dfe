#!/usr/bin/env bash
# build.sh PRESET [TARGET...]: sets up, configures, and builds in build/PRESET (see CMakePresets.json).
# `release` also puts the program at build/inlet, with the DuckDB library it loads beside it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/paths.sh"
preset=${1:?usage: build.sh PRESET [TARGET...]}
shift
cd "$root"
scripts/configure.sh "$preset"
folder=build/$preset
NINJA_STATUS="[%f/%t $preset] " ninja -C "$folder" "$@"

place() { # FROM TO: a copy that is whole at every moment, even over a running program
  cmp --silent "$1" "$2" && return
  cp --reflink=auto "$1" "$2.new"
  mv -f "$2.new" "$2"
}
if [[ $preset == release && $# == 0 ]]; then
  # What lets the tests kill the program at a named point, or stand for a second machine, is in no release.
  if grep -qE 'INLET_(KILL_AT|NO_LOCK)' "$folder/inlet"; then
    echo "build.sh: $folder/inlet has the fault points of a test build" >&2
    exit 1
  fi
  place "$folder/inlet" build/inlet
  place "$folder/libduckdb.so" build/libduckdb.so
fi
