#!/usr/bin/env bash
# Prints the path of every C++ file of the project, one a line.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
for directory in src tests bench fuzz; do
  [[ ! -d $directory ]] || find "$directory" -name '*.h' -o -name '*.cc'
done | LC_ALL=C sort
