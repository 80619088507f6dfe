# The commands of a working day. Each does all the set-up it needs; `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build demo test kafka bench-ingest bench-views bench-live bench-long lint format clean

# An installed DuckDB instead of the fetched one: make build INLET_DUCKDB_DIR=/usr
export INLET_DUCKDB_DIR
# How long the demo runs, for instance FOR=20s; until Ctrl-C when empty.
FOR ?=

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## build the program: build/inlet, with what it loads beside it
	@scripts/build.sh release

demo: build ## run the sales pipeline on made-up events into ./inlet-data until Ctrl-C (or FOR=20s), then query it
	@exec build/inlet demo pipelines/ventes.toml --lake ./inlet-data $(if $(FOR),--for $(FOR))

test: ## run every test and check, against a real Kafka broker too
	@exec scripts/test.sh

kafka: ## run a Kafka broker on 127.0.0.1:9092 until Ctrl-C
	@exec scripts/kafka-broker.sh run

lint: ## check format, includes, shell scripts and clang-tidy's allow-list
	@exec scripts/test.sh lint

bench-ingest: build ## measure ingest beside the limit program: events/s, CPU, memory, latency
	@scripts/build.sh bench limit_program
	@source scripts/paths.sh && exec "$$venv_dir/bin/python" bench/ingest.py $(ARGS)

bench-views: build ## measure the views: events/s, share of each stage, state, publish and restart times
	@python3 bench/views.py $(ARGS)

bench-live: build ## measure what serving costs: CPU without it, with it, and watched by many; /livez and event latency
	@python3 bench/live.py $(ARGS)

bench-long: build ## measure a long life of a lake, 20,000 commits with maintenance on: files, log, load, query and RSS over time
	@scripts/build.sh bench snapshot_load
	@source scripts/paths.sh && exec "$$venv_dir/bin/python" bench/long_run.py $(ARGS)

format: ## format every C++ file
	@scripts/sources.sh | xargs -r clang-format-16 -i

clean: ## remove the build folder; what was fetched and the compiled crates stay in ~/.cache/inlet
	rm -rf build
