#!/usr/bin/env bash
# page-packages.sh: the packages the live page is made with and tested by, as package-lock.json pins them. Silent where
# they are there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/paths.sh"
cd "$root/dashboard"
[[ node_modules/.package-lock.json -nt package-lock.json ]] ||
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
