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
#   s3-server.sh reader DIR NAME              let `reader`, with the secret `reader-secret`, list that bucket and get what
#                                             is in it, and nothing else
#
# DIR holds everything of one server: port, data/, users/, server.log, pid. Only the process whose pid stands there, and
# whose command line names DIR, is ever signalled. Its user is `inlet`, with the secret `inlet-secret`. Nothing is ever
# put into data/ by hand: its conditional writes rest on attributes that it keeps beside the files.
set -euo pipefail

version=1.8.0
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${INLET_CACHE:-$HOME/.cache/inlet}
server=$cache/versitygw-$version/versitygw

say() { printf '%s\n' "s3: $*" >&2; }

server_name=server stop_patience=10
command_line() { echo "posix $1/data"; }
address() { echo "http://127.0.0.1:$(<"$1/port")"; }
source "$root/scripts/local-server.sh"

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

signed() { # DIR PATH CONTENT CURL-ARGUMENTS...
  local dir=$1 path=$2 content=$3
  shift 3
  command -v curl >/dev/null || fail "curl is missing"
  # curl below 8 signs the digest without sending it.
  curl --silent --show-error --fail --noproxy '*' --aws-sigv4 aws:amz:us-east-1:s3 --user inlet:inlet-secret \
    --header "x-amz-content-sha256: $(printf %s "$content" | sha256sum | cut -d ' ' -f 1)" \
    "$@" "$(address "$dir")/$path"
}

let_read() { # DIR BUCKET
  local dir=$1 bucket=$2 policy
  grep -qs '"reader"' "$dir/users/users.json" ||
    "$server" admin --access inlet --secret inlet-secret --endpoint-url "$(address "$dir")" \
      create-user --access reader --secret reader-secret --role user >&2 || fail "the user could not be made"
  policy='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["reader"]},
    "Action":["s3:GetObject","s3:ListBucket"],"Resource":["arn:aws:s3:::'$bucket'","arn:aws:s3:::'$bucket'/*"]}]}'
  signed "$dir" "$bucket?policy=" "$policy" --request PUT --data-binary "$policy"
}

listens() { ! port_is_free "$1"; }

launch() { # DIR OWNER
  local dir=$1 owner=$2 port
  port=$(<"$dir/port")
  # Its own collector may work as it likes: the tests share two cores with it.
  spawn "$dir" "$dir/server.log" env ROOT_ACCESS_KEY=inlet ROOT_SECRET_KEY=inlet-secret GOMAXPROCS=2 \
    "$server" --port "127.0.0.1:$port" --region us-east-1 --quiet --iam-dir "$dir/users" posix "$dir/data"
  wait_until "$dir" "$dir/server.log" 30 0.02 listens "$port" || return 1
  # Another may have taken the port between the look and the bind.
  running "$dir" >/dev/null || return 1
  end_with "$dir" "$owner"
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
  mkdir -p "$dir/data" "$dir/users"
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
  bucket) signed "$(absolute "${1:?DIR}")" "${2:?NAME}" "" --request PUT ;;
  reader) let_read "$(absolute "${1:?DIR}")" "${2:?NAME}" ;;
  *) usage ;;
esac
