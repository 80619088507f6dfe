#!/usr/bin/env bash
# build-page.sh OUT.cc: bundles the live page and writes it as C++, for the program to embed.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/paths.sh"
out=$(realpath "${1:?usage: build-page.sh OUT.cc}")

# Builds of several presets share dashboard/dist.
exec 9<"$root/dashboard"
flock 9
"$root/scripts/page-packages.sh"
cd "$root/dashboard"
node build.mjs
node embed.mjs "$root/docs/openapi.json" "$out.new"
mv -f "$out.new" "$out"
