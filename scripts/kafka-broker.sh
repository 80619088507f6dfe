#!/usr/bin/env bash
# A real Kafka broker (one KRaft node, one JVM, loopback only) for the tests and for `make kafka`.
#
#   kafka-broker.sh install                    fetch Kafka through Maven, once
#   kafka-broker.sh start DIR [--port P] [--sasl-port P] [--owner PID]
#                                              start in the background, wait until it serves, print its address.
#                                              P = 0 (the default): a free port. With --owner it ends when PID does.
#                                              With --sasl-port it listens there too, for user inlet, password secret.
#   kafka-broker.sh stop DIR | kill DIR        end that broker, cleanly or by SIGKILL
#   kafka-broker.sh restart DIR                the same port and data again, after a stop or a kill
#   kafka-broker.sh address DIR                print its address
#   kafka-broker.sh run [DIR] [--port P]       in the foreground until Ctrl-C; port 9092, data in build/kafka
#   kafka-broker.sh topics ADDRESS ARGS...     Kafka's topic tool: topics 127.0.0.1:9092 --list
#
# DIR holds everything of one broker: server.properties, data/, broker.log, pid. Only the process whose pid stands
# there, and whose command line names DIR, is ever signalled.
set -euo pipefail

version=4.3.1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jars=${INLET_CACHE:-$HOME/.cache/inlet}/kafka-$version
jvm_options=${INLET_KAFKA_JVM_OPTIONS:--Xms128m -Xmx512m -XX:+UseSerialGC}
cluster_id=aW5sZXQta2Fma2Etbm9kZQ

say() { printf '%s\n' "kafka: $*" >&2; }

server_name=broker stop_patience=20
command_line() { echo "kafka.Kafka $1/server.properties"; }
source "$root/scripts/local-server.sh"

need_toolchain() {
  command -v java >/dev/null || fail "java is missing; on Debian: apt-get install openjdk-17-jre-headless"
}

install_kafka() {
  [[ -d $jars ]] && return
  need_toolchain
  command -v mvn >/dev/null || fail "mvn is missing; on Debian: apt-get install maven"
  say "fetching Kafka $version through Maven into $jars"
  mkdir -p "$(dirname "$jars")"
  local aside
  aside=$(mktemp -d "$jars.XXXXXX")
  if ! mvn -B -q -f "$root/deps/kafka/pom.xml" dependency:copy-dependencies \
      -DincludeScope=runtime "-DoutputDirectory=$aside" >"$aside.log" 2>&1; then
    cat "$aside.log" >&2
    rm -rf "$aside" "$aside.log"
    fail "Maven could not fetch Kafka $version"
  fi
  rm -f "$aside.log"
  # Whoever renames first wins; the other's copy is the same.
  mv -T "$aside" "$jars" 2>/dev/null || rm -rf "$aside"
}

java_main() { # CLASS ARGS...
  # shellcheck disable=SC2086 # options are words
  exec java $jvm_options -cp "$jars/*" "-Dlog4j2.configurationFile=$root/deps/kafka/log4j2.properties" \
    -Djava.awt.headless=true "$@"
}

property() { sed -n "s/^$2=//p" "$1/server.properties"; }
address() { property "$1" inlet.address; }

write_properties() { # DIR PORT CONTROLLER-PORT SASL-PORT
  local sasl=${4:+,SASL://127.0.0.1:$4}
  cat >"$1/server.properties" <<END
inlet.address=127.0.0.1:$2
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$3
listeners=PLAINTEXT://127.0.0.1:$2,CONTROLLER://127.0.0.1:$3$sasl
advertised.listeners=PLAINTEXT://127.0.0.1:$2$sasl
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT
listener.name.sasl.sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_inlet="secret";
controller.listener.names=CONTROLLER
log.dirs=$1/data
auto.create.topics.enable=false
num.partitions=1
num.network.threads=2
num.io.threads=4
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
log.cleaner.dedupe.buffer.size=8388608
log.retention.check.interval.ms=1000
log.segment.delete.delay.ms=1000
END
}

prepare() { # DIR PORT SASL-PORT: properties and formatted storage, unless they are there
  local dir=$1 port=$2 sasl=$3 controller
  if [[ ! -f $dir/server.properties ]]; then
    mkdir -p "$dir"
    [[ $port == 0 ]] && port=$(free_port)
    controller=$(free_port)
    while [[ $controller == "$port" ]]; do controller=$(free_port); done
    [[ $sasl == 0 ]] && sasl=$(free_port)
    write_properties "$dir" "$port" "$controller" "$sasl"
  fi
  if [[ ! -f $dir/data/meta.properties ]]; then
    jvm_options="$jvm_options -XX:TieredStopAtLevel=1"
    (java_main kafka.tools.StorageTool format -t "$cluster_id" -c "$dir/server.properties") \
      >"$dir/format.log" 2>&1 || { cat "$dir/format.log" >&2; fail "the storage in $dir could not be formatted"; }
    jvm_options=${jvm_options% -XX:TieredStopAtLevel=1}
  fi
}

launch() { # DIR OWNER
  local dir=$1 owner=$2
  [[ -f $dir/broker.log ]] && mv -f "$dir/broker.log" "$dir/broker.log.1"
  spawn "$dir" "$dir/broker.log" bash "${BASH_SOURCE[0]}" java "$dir"
  wait_until "$dir" "$dir/broker.log" 60 0.05 grep -qs 'Kafka Server started' "$dir/broker.log" || return 1
  end_with "$dir" "$owner"
  address "$dir"
}

start() { # DIR [--port P] [--owner PID]
  local dir=$1 port=0 sasl="" owner=""
  shift
  while (($#)); do
    case $1 in
      --port) port=$2; shift 2 ;;
      --sasl-port) sasl=$2; shift 2 ;;
      --owner) owner=$2; shift 2 ;;
      *) fail "unknown argument $1" ;;
    esac
  done
  install_kafka
  need_toolchain
  running "$dir" >/dev/null && fail "a broker already runs in $dir, at $(address "$dir")"
  local attempt
  for attempt in 1 2 3; do
    [[ $port == 0 && $attempt -gt 1 ]] && rm -rf "$dir/server.properties" "$dir/data"
    prepare "$dir" "$port" "$sasl"
    launch "$dir" "$owner" && return
    # A free port can be taken by somebody else between the look and the bind.
    grep -q 'Address already in use' "$dir/broker.log" && [[ $port == 0 ]] || break
  done
  fail "the broker in $dir did not start"
}

command=${1:-}
[[ -n $command ]] && shift
case $command in
  install) install_kafka ;;
  start) dir=$(absolute "${1:?DIR}"); shift; start "$dir" "$@" ;;
  stop) stop "$(absolute "${1:?DIR}")" TERM ;;
  kill) stop "$(absolute "${1:?DIR}")" KILL ;;
  restart)
    dir=$(absolute "${1:?DIR}"); shift
    [[ -f $dir/server.properties ]] || fail "no broker was ever started in $dir"
    stop "$dir" TERM
    start "$dir" "$@"
    ;;
  address) address "$(absolute "${1:?DIR}")" ;;
  java) java_main kafka.Kafka "$1/server.properties" ;; # the broker process itself, used by launch
  run)
    dir=$root/build/kafka port=9092
    while (($#)); do
      case $1 in
        --port) port=$2; shift 2 ;;
        *) dir=$1; shift ;;
      esac
    done
    dir=$(absolute "$dir")
    install_kafka
    need_toolchain
    if pid=$(running "$dir"); then fail "a broker already runs in $dir, at $(address "$dir") (pid $pid)"; fi
    # The port may be another one than last time; the data stay.
    [[ -f $dir/server.properties && $(address "$dir") != "127.0.0.1:$port" ]] && rm -f "$dir/server.properties"
    port_is_free "$port" || fail "port $port is taken; choose another one with --port"
    prepare "$dir" "$port" ""
    echo $$ >"$dir/pid"
    say "broker at $(address "$dir"), data in $dir; Ctrl-C ends it"
    java_main kafka.Kafka "$dir/server.properties"
    ;;
  topics) install_kafka; need_toolchain; server=${1:?ADDRESS}; shift
    java_main org.apache.kafka.tools.TopicCommand --bootstrap-server "$server" "$@" ;;
  *) usage ;;
esac
