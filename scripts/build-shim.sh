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
# Two checkouts that build at once must not get each other's library; and cargo takes a build of delta_shim that is newer
# than the sources here for their own, whoever's it is, so that what was built last is remembered by its content.
mkdir -p "$target_dir"
exec 9<"$target_dir"
flock 9
built=$target_dir/.delta_shim.built
archive=$target_dir/release/libdelta_shim.a
sources=$(cd "$(dirname "$manifest")" && find Cargo.toml Cargo.lock src include -type f -print0 | sort -z |
  xargs -0 sha256sum | sha256sum)
as_built() { echo "$sources $(stat --format='%y %s' "$archive" 2>/dev/null)"; }
if [[ ! -f $built || $(<"$built") != "$(as_built)" ]]; then
  rm -f "$built"
  cargo clean --quiet --release --package delta_shim --manifest-path "$manifest" --target-dir "$target_dir"
fi
cargo build "${quiet[@]}" --release --locked --manifest-path "$manifest" --target-dir "$target_dir"
as_built >"$built"
if ! cmp --silent "$archive" "$library"; then
  cp --reflink=auto "$archive" "$library.new"
  mv -f "$library.new" "$library"
fi
