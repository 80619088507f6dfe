# shellcheck shell=bash disable=SC2034
# Where things lie. Sourced by the other scripts; sets variables and does nothing else.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# All that set-up fetches or cargo compiles, shared by every checkout and build folder of this user.
export INLET_CACHE=${INLET_CACHE:-$HOME/.cache/inlet}

# Objects are shared by checkouts too: paths count from the checkout, and the folder it lies in does not count.
export CCACHE_DIR=$INLET_CACHE/ccache CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=3G

duckdb_version=1.5.6
# A distributor names the place of an installed DuckDB instead; nothing is fetched then.
duckdb_dir=${INLET_DUCKDB_DIR:-$INLET_CACHE/duckdb-$duckdb_version}

requirements=$root/deps/python/requirements.txt
requirements_hash=$(sha256sum "$requirements" | cut -c 1-12)
venv_dir=$INLET_CACHE/python-$requirements_hash
