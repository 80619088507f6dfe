#!/usr/bin/env bash
# test.sh [PHASE...]: every test and check of the project, or the phases named. What `make test` runs.
#
# A phase that fails does not keep the others from running. The last line counts what passed and what failed over all
# of them: every test case, and every check as one. A skipped test has not been seen to pass: it counts as failed.
# Logs stay in build/test-logs; what failed checks printed first stands before that line once more.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/paths.sh"
cd "$root"

readonly phases=(unit e2e lint page shim asan tsan)
logs=$root/build/test-logs
cores=$(nproc)

# ---- counting -------------------------------------------------------------------------------------------------

count() { printf '%d %d\n' "$1" "$2" >>"$logs/$phase.counts"; } # PASSED FAILED, of the running phase

junit_number() { # FILE ATTRIBUTE: the sum over all test suites, whose attributes ctest writes a line each; 0 where it is not given
  local terms
  terms=$(tr '\n\t' '  ' <"$1" | grep -oE '<testsuite [^>]*' | grep -oE "\b$2=\"[0-9]+\"" | tr -dc '0-9\n' | paste -sd +) || true
  echo $((${terms:-0}))
}

count_junit() { # FILE EXIT-CODE: counts of ctest's or pytest's report; an error outside of any test is a failure too
  local passed=0 failed=0 kind
  if [[ -f $1 ]]; then
    for kind in failures errors skipped disabled; do failed=$((failed + $(junit_number "$1" $kind))); done
    passed=$(($(junit_number "$1" tests) - failed))
  fi
  if (($2 != 0 && failed == 0)); then failed=1; fi
  if ((passed + failed == 0)); then
    echo "no test was run"
    failed=1
  fi
  count $passed $failed
}

check() { # NAME COMMAND...: one check, which prints only when it fails
  local name=$1 started=$SECONDS
  shift
  if "$@" >"$logs/check.out" 2>&1; then
    count 1 0
    printf '  ok      %-24s %3d s\n' "$name" $((SECONDS - started))
  else
    count 0 1
    printf '  FAILED  %-24s %3d s\n' "$name" $((SECONDS - started))
    sed 's/^/    /' "$logs/check.out"
    { echo "$phase: $name"; head -n 20 "$logs/check.out" | sed 's/^/    /'; } >>"$logs/failed"
  fi
}

# ---- phases ---------------------------------------------------------------------------------------------------

launcher=() # what the programs of a sanitizer are started through

run_ctest() { # PRESET CTEST-ARGUMENTS...
  local preset=$1 code=0
  local report=$logs/$preset.xml
  shift
  rm -f "$report"
  "${launcher[@]}" ctest --test-dir "build/$preset" --parallel "$cores" --timeout 300 --repeat until-pass:2 --output-on-failure --output-junit "$report" "$@" |
    sed -u '/^ *Start /d' || code=$?
  count_junit "$report" "$code"
}

readonly cases_a_process=30

# A sanitizer takes longer to start than most cases take to run: the cases of a program are run many to a process.
run_cases() { # PRESET: every case but those of suites named *Broker* or *Slow*
  local preset=$1 program name group
  local reports=$logs/$preset
  rm -rf "$reports"
  mkdir -p "$reports"
  for program in "build/$preset"/tests/*/*_tests; do
    name=$(basename "$program")
    "$program" --gtest_list_tests --gtest_filter='-*Broker*.*:*Slow*.*' |
      awk '/^[^ ]/ { suite = $1 } /^ / && $1 !~ /^DISABLED_/ { print suite $1 }' | split --lines=$cases_a_process - "$reports/$name."
    for group in "$reports/$name".??; do
      [[ -f $group ]] && printf '%s\0%s\0' "$program" "$group"
    done
  done | xargs -0 -n 2 -P "$cores" bash -c 'scripts/run_cases.sh "$@" || true' _ "${launcher[@]}"
  for group in "$reports"/*.??; do count_junit "$group.xml" "$(cat "$group.code")"; done
  run_ctest "$preset" --tests-regex '^fuzz[.]'
}

run_unit() {
  scripts/build.sh test
  run_ctest test
}

run_pytest() { # REPORT ARGUMENTS...
  local report=$1
  shift
  rm -f "$report"
  INLET_BIN=$root/build/test/inlet PYTHONDONTWRITEBYTECODE=1 \
    "$venv_dir/bin/python" -m pytest -o cache_dir="$logs/pytest-cache" --rootdir tests/e2e --junitxml "$report" "$@" tests/e2e
}

run_e2e() { # the whole program against a real broker and in a real browser, judged by readers that are not ours
  scripts/build.sh test
  scripts/page-packages.sh
  local report=$logs/e2e.xml again=$logs/e2e-again.xml code=0
  # Much of it waits: a file of tests at a time on every core.
  run_pytest "$report" --numprocesses "$cores" --dist loadfile || code=$?
  if ((code == 1)); then
    # Real time and real processes: a test that failed is tried once more, and both lists stand in the log.
    local total still=0
    total=$(junit_number "$report" tests)
    echo "==> trying once more what failed"
    if ! run_pytest "$again" --last-failed; then
      still=$(($(junit_number "$again" failures) + $(junit_number "$again" errors)))
      ((still)) || still=1
    fi
    count $((total - still)) "$still"
  else
    count_junit "$report" "$code"
  fi
}

check_format() { scripts/sources.sh | xargs clang-format-16 --dry-run -Werror; }
check_shell() { shellcheck --severity=warning --external-sources --source-path=scripts .ci/run scripts/*.sh; }

run_lint() {
  scripts/configure.sh test
  check "format" check_format
  check "shell scripts" check_shell
  check "includes" scripts/check_includes.py
  check "the include check itself" python3 -B -m unittest tests/lint/check_includes_test.py
  check "clang-tidy" scripts/tidy.py build/test "$INLET_CACHE/tidy"
}

run_page() { # what the live page is made of
  scripts/page-packages.sh
  check "types and tests" npm --prefix dashboard --silent test
}

run_shim() {
  scripts/setup.sh build
  local cargo=(--release --locked --manifest-path delta_shim/Cargo.toml --target-dir "$INLET_CACHE/cargo-target") code=0
  check "rustfmt" cargo fmt --check --manifest-path delta_shim/Cargo.toml
  check "clippy" cargo clippy --quiet "${cargo[@]}" --all-targets -- -D warnings
  cargo test "${cargo[@]}" 2>&1 | tee "$logs/cargo.out" || code=$?
  local passed failed
  passed=$(sum_of 's/^test result: .* \([0-9]*\) passed; .*/\1/p' "$logs/cargo.out")
  failed=$(sum_of 's/^test result: .* \([0-9]*\) failed; \([0-9]*\) ignored; .*/\1+\2/p' "$logs/cargo.out")
  if ((code != 0 && failed == 0)) || ((passed + failed == 0)); then failed=$((failed + 1)); fi
  count "$passed" "$failed"
}

sum_of() { # SED-SCRIPT FILE: of the numbers that the script prints
  local terms
  terms=$(sed -n "$1" "$2" | paste -sd +)
  echo $((${terms:-0}))
}

run_asan() {
  scripts/build.sh asan test_programs
  ASAN_OPTIONS=halt_on_error=1:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 \
    LSAN_OPTIONS=suppressions=$root/tests/lsan.supp:print_suppressions=0 \
    run_cases asan
}

run_tsan() {
  scripts/build.sh tsan test_programs
  # ThreadSanitizer wants its own part of the address space, which it gets for sure where nothing is randomised.
  if setarch -R true 2>/dev/null; then launcher=(setarch -R); fi
  # Our own loads and stores are judged. DuckDB, librdkafka and the Rust of delta_shim are not compiled with the
  # sanitizer: their memcpy and free would look like races, and their threads, which run to the end, like leaks.
  local options=suppressions=$root/tests/tsan.supp:ignore_interceptors_accesses=1:report_thread_leaks=0
  TSAN_OPTIONS=$options:halt_on_error=1:second_deadlock_stack=1 \
    run_cases tsan
}

# ---- the run --------------------------------------------------------------------------------------------------

chosen=("$@")
((${#chosen[@]})) || chosen=("${phases[@]}")
for phase in "${chosen[@]}"; do
  [[ " ${phases[*]} " == *" $phase "* ]] || { echo "no phase $phase; there are: ${phases[*]}" >&2; exit 2; }
done

mkdir -p "$logs"
: >"$logs/failed"
trap 'exit 130' INT TERM
summary=() passed=0 failed=0
for phase in "${chosen[@]}"; do
  printf '==> %s\n' "$phase"
  started=$SECONDS phase_passed=0 phase_failed=0 code=0
  : >"$logs/$phase.counts"
  # A subshell of its own, in which `set -e` holds: it does not inside a condition.
  set +e
  (set -e; "run_$phase") 2>&1 | tee "$logs/$phase.log"
  code=${PIPESTATUS[0]}
  set -e
  while read -r p f; do phase_passed=$((phase_passed + p)) phase_failed=$((phase_failed + f)); done <"$logs/$phase.counts"
  # A phase that ended early, or that counted nothing, has not passed.
  if ((code != 0 || phase_passed + phase_failed == 0)); then phase_failed=$((phase_failed + 1)); fi
  summary+=("$(printf '%-6s %5d passed %4d failed %5d s' "$phase" $phase_passed $phase_failed $((SECONDS - started)))")
  passed=$((passed + phase_passed)) failed=$((failed + phase_failed))
done

printf '\n'
printf '%s\n' "${summary[@]}"
if ((failed)); then
  cat "$logs/failed"
  printf 'logs: %s\n' "$logs"
fi
printf '\n%d passed, %d failed\n' $passed $failed
((failed == 0))
