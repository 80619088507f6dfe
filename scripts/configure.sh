#!/usr/bin/env bash
# configure.sh PRESET: sets up, and configures build/PRESET where that is needed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/paths.sh"
preset=${1:?usage: configure.sh PRESET}
cd "$root"
if [[ $preset == release ]]; then scripts/setup.sh build; else scripts/setup.sh test; fi

folder=build/$preset
# CMake configures again by itself when its own files change; only another cache or DuckDB needs it done here.
places="INLET_CACHE=$INLET_CACHE INLET_DUCKDB_DIR=$duckdb_dir"
if [[ -f $folder/build.ninja && $(cat "$folder/configured-for" 2>/dev/null) == "$places" ]]; then exit 0; fi
mkdir -p "$folder"
if ! cmake --preset "$preset" -U 'DUCKDB_*' "-DINLET_CACHE=$INLET_CACHE" "-DINLET_DUCKDB_DIR=$duckdb_dir" \
  >"$folder/configure.log" 2>&1; then
  cat "$folder/configure.log" >&2
  exit 1
fi
printf '%s' "$places" >"$folder/configured-for"
