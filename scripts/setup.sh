#!/usr/bin/env bash
# setup.sh [build|test]: puts in place what a build, or the tests, need beyond git, make and the language toolchains:
# Debian packages, DuckDB, and for the tests a Python environment, Kafka and an S3 server. Silent where everything is there.
#
# Everything fetched is pinned in deps/ and lands in $INLET_CACHE (~/.cache/inlet), whole or not at all: it is put
# together aside and renamed, so a set-up that was killed is simply run again.
# Exit: 0 ready, 69 something is missing that this script may not or cannot install (it says what).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/paths.sh"

readonly unavailable=69
purpose=${1:-build}
case $purpose in build | test) ;; *) echo "usage: setup.sh [build|test]" >&2; exit 2 ;; esac

say() { printf '%s\n' "setup: $*" >&2; }

# ---- language toolchains: checked, never installed ------------------------------------------------------------

toolchain_complaints=()

at_least() { # FOUND WANTED: dotted versions
  [[ $(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1) == "$2" ]]
}

require_tool() { # PROGRAM WANTED HOW-TO-GET-IT VERSION-COMMAND...: the version is the first dotted number it prints
  local program=$1 wanted=$2 how=$3 found
  shift 3
  if ! command -v "$program" >/dev/null; then
    toolchain_complaints+=("$program (version $wanted or later) is not installed. $how")
    return
  fi
  [[ $wanted == any ]] && return
  found=$("$@" 2>&1 | grep -oE '[0-9]+(\.[0-9]+)*' | head -n 1) || found=unknown
  at_least "$found" "$wanted" ||
    toolchain_complaints+=("$program is version $found; $wanted or later is needed. $how")
}

check_toolchains() {
  require_tool g++ 12 "On Debian 12: apt-get install g++" g++ -dumpfullversion
  require_tool cargo 1.88 "See https://rustup.rs (Debian's own is too old)" cargo --version
  if ! duckdb_is_there; then
    require_tool node 20 "See https://nodejs.org/en/download (Debian's own is too old)" node --version
    require_tool npm any "It comes with Node.js: https://nodejs.org/en/download"
  fi
  if [[ $purpose == test ]]; then
    require_tool python3 3.11 "On Debian 12: apt-get install python3 python3-venv" python3 --version
    require_tool java 17 "On Debian 12: apt-get install openjdk-17-jdk-headless" java -version
    require_tool mvn any "On Debian 12: apt-get install maven"
    require_tool go 1.25 "See https://go.dev/dl (Debian's own is too old)" env GOTOOLCHAIN=local go version
  fi
  ((${#toolchain_complaints[@]} == 0)) && return
  say "these toolchains are missing or too old:"
  printf '  - %s\n' "${toolchain_complaints[@]}" >&2
  exit $unavailable
}

# ---- Debian packages ------------------------------------------------------------------------------------------

upstream_version() { # strips Debian's epoch and revision
  local version=${1#*:}
  printf '%s' "${version%-*}"
}

missing_packages=()
version_remarks=()

look_at_packages() { # fills missing_packages and version_remarks
  local -A installed=() known=()
  local wanted=() group package version status
  while read -r group package version; do
    [[ -z $group || $group == \#* ]] && continue
    [[ $group == build || $group == "$purpose" ]] || continue
    wanted+=("$package")
    known[$package]=$version
  done <"$root/deps/system-packages.txt"
  # The venv module is part of Python except on Debian, where it is a package of its own.
  if [[ $purpose == test ]] && ! venv_is_there && ! python3 -c 'import ensurepip' 2>/dev/null; then
    wanted+=(python3-venv)
  fi
  while read -r status package version; do
    [[ $status == installed ]] && installed[$package]=$version
  done < <(dpkg-query -W -f '${db:Status-Status} ${Package} ${Version}\n' "${wanted[@]}" 2>/dev/null)
  for package in "${wanted[@]}"; do
    if [[ -z ${installed[$package]:-} ]]; then
      missing_packages+=("$package")
    elif [[ -n ${known[$package]:-} && $(upstream_version "${installed[$package]}") != "${known[$package]}" ]]; then
      version_remarks+=("$package ${installed[$package]} (known to work: ${known[$package]})")
    fi
  done
}

# A difference that may or may not matter is told once, not at every build.
say_once() { # TEXT
  local told=$INLET_CACHE/setup-remarks
  [[ -f $told ]] && grep -qxF -- "$1" "$told" && return
  say "$1"
  mkdir -p "$INLET_CACHE"
  printf '%s\n' "$1" >>"$told"
}

install_packages() {
  if ! command -v dpkg-query >/dev/null; then
    say_once "this is not a Debian system; CMake names what it does not find. The packages on Debian 12: $(
      awk '!/^#/ && NF { printf "%s ", $2 }' "$root/deps/system-packages.txt")"
    return
  fi
  look_at_packages
  local remark
  for remark in "${version_remarks[@]}"; do say_once "another version than the tested one: $remark"; done
  ((${#missing_packages[@]} == 0)) && return

  local as_root=()
  if ((EUID != 0)); then
    if sudo -n true 2>/dev/null; then
      as_root=(sudo)
    else
      say "these packages are missing and installing them needs root. Ask for them:"
      printf '  apt-get install --no-install-recommends %s\n' "${missing_packages[*]}" >&2
      exit $unavailable
    fi
  fi
  say "installing ${missing_packages[*]}"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
  # An installation that was interrupted leaves packages unpacked; apt refuses to go on until they are configured.
  [[ -z $(dpkg --audit) ]] || "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive dpkg --configure -a
  "${apt[@]}" update
  if ! "${apt[@]}" install -y --no-install-recommends "${missing_packages[@]}"; then
    say "apt could not install them; the names and versions are those of Debian 12 (bookworm)"
    exit $unavailable
  fi
}

# ---- DuckDB: the library out of an npm package, its header out of a crate ----------------------------------------

duckdb_is_there() {
  [[ -n ${INLET_DUCKDB_DIR:-} || (-f $duckdb_dir/duckdb.h && -f $duckdb_dir/libduckdb.so) ]]
}

fetch_duckdb() {
  duckdb_is_there && return
  if [[ $(uname -sm) != "Linux x86_64" ]]; then
    say "DuckDB's library is fetched for Linux on x86_64 only, and $(uname -sm) is untested." \
      "Install DuckDB $duckdb_version yourself and name its place: make build INLET_DUCKDB_DIR=/usr"
    exit $unavailable
  fi
  say "fetching DuckDB $duckdb_version"
  local library=$aside/duckdb-npm whole=$aside/duckdb crate
  mkdir -p "$library" "$whole"
  cp "$root/deps/duckdb/package.json" "$root/deps/duckdb/package-lock.json" "$library"
  (cd "$library" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
  mv "$library/node_modules/@duckdb/node-bindings-linux-x64/libduckdb.so" "$whole/"

  local crate_of=(--locked --manifest-path "$root/deps/duckdb-header/Cargo.toml")
  local host=x86_64-unknown-linux-gnu
  cargo fetch --quiet "${crate_of[@]}" --target $host
  crate=$(cargo metadata --format-version 1 --offline "${crate_of[@]}" --filter-platform $host |
    grep -oE '"manifest_path":"[^"]*/libduckdb-sys-[^"]*/Cargo.toml"' | head -n 1 | cut -d '"' -f 4)
  tar -xzOf "${crate%/*}/duckdb.tar.gz" duckdb/src/include/duckdb.h >"$whole/duckdb.h"

  (cd "$whole" && sha256sum --check --quiet "$root/deps/duckdb/SHA256SUMS")
  rm -rf "$duckdb_dir"
  mv -T "$whole" "$duckdb_dir"
}

# ---- for the tests: Python packages; Kafka and the S3 server have scripts of their own --------------------------------------------------------------------

# An environment cannot be moved, so it is made in place and is there once its last file is.
venv_is_there() { [[ -f $venv_dir/complete ]]; }

make_venv() {
  venv_is_there && return
  say "fetching the Python packages of the tests"
  rm -rf "$venv_dir"
  python3 -m venv "$venv_dir"
  "$venv_dir/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
    --require-hashes -r "$requirements"
  "$venv_dir/bin/python" -m pip check --disable-pip-version-check >&2
  touch "$venv_dir/complete"
}

# -----------------------------------------------------------------------------------------------------------------

check_toolchains
mkdir -p "$INLET_CACHE"
exec 9>"$INLET_CACHE/setup.lock"
flock --nonblock 9 || { say "waiting for another set-up to end"; flock 9; }
aside=$INLET_CACHE/setup-aside # of one set-up at a time; what a killed one left in it is thrown away
rm -rf "$aside"
trap 'rm -rf "$aside"' EXIT

install_packages
fetch_duckdb
if [[ $purpose == test ]]; then
  # The first build takes two minutes of a core, in which the others are fetched.
  "$root/scripts/s3-server.sh" install &
  s3_server=$!
  make_venv
  "$root/scripts/kafka-broker.sh" install
  wait "$s3_server" || exit $unavailable
fi
