#!/usr/bin/env bash
# build-shim.sh TARGET_DIR LIBRARY: builds delta_shim with cargo in TARGET_DIR and puts the static library at LIBRARY.
#
# TARGET_DIR is shared by every checkout and preset, since compiling the crates dominates a cold build; LIBRARY belongs
# to one build folder and is touched only when it differs, so that nothing is linked again for nothing.
set -euo pipefail
target_dir=$1
library=$2
manifest=$(dirname "${BASH_SOURCE[0]}")/../delta_shim/Cargo.toml
quiet=()
# The first time takes minutes: show what cargo does. After that it is a matter of a second or so.
if [[ -f $target_dir/release/libdelta_shim.a ]]; then
  quiet=(--quiet)
else
  echo "compiling the Rust crates of delta_shim, once: this takes several minutes" >&2
fi
# Two checkouts that build at once must not get each other's library.
mkdir -p "$target_dir"
exec 9<"$target_dir"
flock 9
cargo build "${quiet[@]}" --release --locked --manifest-path "$manifest" --target-dir "$target_dir"
if ! cmp --silent "$target_dir/release/libdelta_shim.a" "$library"; then
  cp --reflink=auto "$target_dir/release/libdelta_shim.a" "$library.new"
  mv -f "$library.new" "$library"
fi
