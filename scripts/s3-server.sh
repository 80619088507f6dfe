#!/usr/bin/env bash
# A real S3 server (versitygw over a folder, loopback only) for the tests and for trying a lake in an object store.
#
#   s3-server.sh install                      build it by deps/versitygw, once
#   s3-server.sh start DIR [--port P] [--owner PID]
#                                             start in the background, wait until it serves, print its address.
#                                             P = 0 (the default): a free port. With --owner it ends when PID does.
#   s3-server.sh stop DIR | kill DIR          end that server, cleanly or by SIGKILL
#   s3-server.sh restart DIR                  the same port and data again, after a stop or a kill
#   s3-server.sh address DIR                  print its address
#   s3-server.sh bucket DIR NAME              make a bucket
#
# DIR holds everything of one server: port, data/, server.log, pid. Only the process whose pid stands there, and whose
# command line names DIR, is ever signalled. Its one user is `inlet`, with the secret `inlet-secret`. Nothing is ever put
# into data/ by hand: its conditional writes rest on attributes that it keeps beside the files.
set -euo pipefail

version=1.8.0
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${INLET_CACHE:-$HOME/.cache/inlet}
server=$cache/versitygw-$version/versitygw

say() { printf '%s\n' "s3: $*" >&2; }
fail() { say "$*"; exit 1; }

install_server() {
  [[ -x $server ]] && return
  command -v go >/dev/null || fail "go is missing (version 1.25 or later); see https://go.dev/dl"
  say "building versitygw $version, once"
  mkdir -p "$cache"
  local aside
  aside=$(mktemp -d "$cache/versitygw.XXXXXX")
  if ! (cd "$root/deps/versitygw" && GOFLAGS=-mod=readonly CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' \
      -o "$aside/versitygw" github.com/versity/versitygw/cmd/versitygw) >"$aside.log" 2>&1; then
    cat "$aside.log" >&2
    rm -rf "$aside" "$aside.log"
    fail "versitygw $version could not be built"
  fi
  rm -f "$aside.log"
  # Whoever renames first wins; the other's copy is the same.
  mv -T "$aside" "$(dirname "$server")" 2>/dev/null || rm -rf "$aside"
}

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() { # below the ports the kernel hands out for outgoing connections
  local port
  while :; do
    port=$((12000 + RANDOM % 20000))
    port_is_free "$port" && { echo "$port"; return; }
  done
}

address() { echo "http://127.0.0.1:$(<"$1/port")"; }

running() { # DIR: prints the pid of its server, if it runs
  local pid
  [[ -f $1/pid ]] || return 1
  pid=$(<"$1/pid")
  # A zombie has an empty command line, a process that took over the number another one.
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "posix $1/data" || return 1
  echo "$pid"
}

launch() { # DIR OWNER
  local dir=$1 owner=$2 port pid
  port=$(<"$dir/port")
  # Its own collector may work as it likes: the tests share two cores with it.
  setsid bash -c 'echo $$ >"$1"; shift; exec "$@"' _ "$dir/pid" \
    env ROOT_ACCESS_KEY=inlet ROOT_SECRET_KEY=inlet-secret GOMAXPROCS=2 \
    "$server" --port "127.0.0.1:$port" --region us-east-1 --quiet posix "$dir/data" \
    </dev/null >"$dir/server.log" 2>&1 &
  local deadline=$((SECONDS + 30))
  while port_is_free "$port"; do
    if ((SECONDS > deadline)) || { [[ -s $dir/pid ]] && ! kill -0 "$(<"$dir/pid")" 2>/dev/null; }; then
      tail -n 20 "$dir/server.log" >&2
      stop "$dir" KILL
      return 1
    fi
    sleep 0.02
  done
  # Another may have taken the port between the look and the bind.
  running "$dir" >/dev/null || return 1
  if [[ -n $owner ]]; then
    pid=$(<"$dir/pid")
    setsid bash -c 'while kill -0 "$1" 2>/dev/null && kill -0 "$2" 2>/dev/null; do sleep 1; done
                    kill -KILL "$2" 2>/dev/null' _ "$owner" "$pid" </dev/null >/dev/null 2>&1 &
  fi
  address "$dir"
}

start() { # DIR [--port P] [--owner PID]
  local dir=$1 port=0 owner="" attempt
  shift
  while (($#)); do
    case $1 in
      --port) port=$2; shift 2 ;;
      --owner) owner=$2; shift 2 ;;
      *) fail "unknown argument $1" ;;
    esac
  done
  install_server
  running "$dir" >/dev/null && fail "a server already runs in $dir, at $(address "$dir")"
  mkdir -p "$dir/data"
  for attempt in 1 2 3; do
    if [[ $port != 0 ]]; then
      echo "$port" >"$dir/port"
    elif [[ ! -f $dir/port || $attempt -gt 1 ]]; then
      free_port >"$dir/port"
    fi
    launch "$dir" "$owner" && return
    [[ $port == 0 ]] || break
  done
  fail "the server in $dir did not start"
}

stop() { # DIR SIGNAL
  local dir=$1 signal=$2 pid tries
  if pid=$(running "$dir"); then
    kill "-$signal" "$pid" 2>/dev/null || true
    for ((tries = 0; tries < 200; ++tries)); do
      running "$dir" >/dev/null || break
      sleep 0.05
    done
    if running "$dir" >/dev/null; then kill -KILL "$pid" 2>/dev/null || true; fi
  fi
  rm -f "$dir/pid"
}

absolute() { mkdir -p "$1" && (cd "$1" && pwd); }

command=${1:-}
[[ -n $command ]] && shift
case $command in
  install) install_server ;;
  start) dir=$(absolute "${1:?DIR}"); shift; start "$dir" "$@" ;;
  stop) stop "$(absolute "${1:?DIR}")" TERM ;;
  kill) stop "$(absolute "${1:?DIR}")" KILL ;;
  restart)
    dir=$(absolute "${1:?DIR}"); shift
    [[ -f $dir/port ]] || fail "no server was ever started in $dir"
    stop "$dir" TERM
    start "$dir" --port "$(<"$dir/port")" "$@"
    ;;
  address) address "$(absolute "${1:?DIR}")" ;;
  bucket)
    command -v curl >/dev/null || fail "curl is missing"
    dir=$(absolute "${1:?DIR}")
    curl --silent --show-error --fail --noproxy '*' --aws-sigv4 aws:amz:us-east-1:s3 --user inlet:inlet-secret \
      --request PUT "$(address "$dir")/${2:?NAME}"
    ;;
  *) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
