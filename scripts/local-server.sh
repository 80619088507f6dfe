# shellcheck shell=bash disable=SC2154 # what whoever sources this has set
# local-server.sh: what the scripts of servers for tests share (kafka-broker.sh, s3-server.sh); sourced, not run.
#
# DIR holds everything of one server, its pid in DIR/pid. Whoever sources this has set:
#   server_name       what it is called in messages
#   command_line DIR  a function that prints a part of the server's command line that names DIR: only a process that has
#                     it is ever signalled
#   address DIR       a function that prints the server's address
#   stop_patience     seconds that it has to end before it is killed

fail() { say "$*"; exit 1; }

port_is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_port() { # below the ports the kernel hands out for outgoing connections
  local port
  while :; do
    port=$((12000 + RANDOM % 20000))
    port_is_free "$port" && { echo "$port"; return; }
  done
}

running() { # DIR: prints the pid of its server, if it runs
  local pid
  [[ -f $1/pid ]] || return 1
  pid=$(<"$1/pid")
  # A zombie has an empty command line, a process that took over the number another one.
  tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$(command_line "$1")" || return 1
  echo "$pid"
}

spawn() { # DIR LOG COMMAND...: in a session of its own, its pid in DIR/pid
  local dir=$1 log=$2
  shift 2
  setsid bash -c 'echo $$ >"$1"; shift; exec "$@"' _ "$dir/pid" "$@" </dev/null >"$log" 2>&1 &
}

wait_until() { # DIR LOG SECONDS PAUSE COMMAND...: until COMMAND succeeds; the server's end and the time are the ends of it
  local dir=$1 log=$2 deadline=$((SECONDS + $3)) pause=$4
  shift 4
  until "$@"; do
    if ((SECONDS > deadline)) || { [[ -s $dir/pid ]] && ! kill -0 "$(<"$dir/pid")" 2>/dev/null; }; then
      tail -n 20 "$log" >&2
      stop "$dir" KILL
      return 1
    fi
    sleep "$pause"
  done
}

end_with() { # DIR OWNER: the server is killed when OWNER, if there is one, is no more
  local pid
  [[ -n $2 ]] || return 0
  pid=$(<"$1/pid")
  setsid bash -c 'while kill -0 "$1" 2>/dev/null && kill -0 "$2" 2>/dev/null; do sleep 1; done
                  kill -KILL "$2" 2>/dev/null' _ "$2" "$pid" </dev/null >/dev/null 2>&1 &
}

stop() { # DIR SIGNAL
  local dir=$1 signal=$2 pid tries
  if pid=$(running "$dir"); then
    kill "-$signal" "$pid" 2>/dev/null || true
    for ((tries = 0; tries < stop_patience * 20; ++tries)); do
      running "$dir" >/dev/null || break
      sleep 0.05
    done
    if running "$dir" >/dev/null; then
      say "the $server_name in $dir did not end in $stop_patience s: SIGKILL"
      kill -KILL "$pid" 2>/dev/null || true
    fi
  fi
  rm -f "$dir/pid"
}

absolute() { mkdir -p "$1" && (cd "$1" && pwd); }

usage() { # of the script that sources this: its opening comment
  sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2
  exit 2
}
