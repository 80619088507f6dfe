#!/usr/bin/env bash
# run_cases.sh [LAUNCHER...] PROGRAM GROUP: runs the cases that the file GROUP names, one a line, in one process of the test
# program. Leaves GROUP.xml, its report, GROUP.out, what it printed, and GROUP.code, its exit code. Cases that failed are
# tried once more, all of the group: real time and real threads. Prints a line, and the output of what failed.
set -euo pipefail
arguments=("$@")
group=${arguments[-1]} program=${arguments[-2]}
launcher=("${arguments[@]:0:${#arguments[@]}-2}")
filter=$(paste -sd : "$group")
started=$SECONDS code=0

run() {
  rm -f "$group.xml"
  code=0
  "${launcher[@]}" timeout 600 "$program" --gtest_filter="$filter" --gtest_output="xml:$group.xml" --gtest_brief=1 \
    >"$group.out" 2>&1 || code=$?
}

run
if ((code != 0)); then
  cat "$group.out"
  echo "==> trying once more: $(basename "$group")"
  run
  ((code == 0)) || cat "$group.out"
fi
echo "$code" >"$group.code"
printf '  %-8s %-24s %3d cases %4d s\n' "$( ((code == 0)) && echo ok || echo "FAILED")" "$(basename "$group")" \
  "$(wc -l <"$group")" $((SECONDS - started))
