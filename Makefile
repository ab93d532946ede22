# Every way to build, try and test this repository. `make help` lists them.
#
# One profile (release) serves the demo, the tests, the lints and CI, so that RocksDB is compiled
# once, and one directory holds what was built: CARGO_TARGET_DIR, or target.

CARGO ?= cargo
ROUNDS ?= 1000
KILLS ?= 100
TARGET_DIR := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
export CARGO_TARGET_DIR := $(TARGET_DIR)
SCENARIO_DOCS := $(TARGET_DIR)/scenario-docs
SERVER := $(TARGET_DIR)/release/raft-server

.DEFAULT_GOAL := help
.PHONY: help prerequisites build demo test check fmt clippy docs no-std tidy bench bounded-disk failover install-bench crashloop replacements scenario-docs

help: ## What can be made
	@echo "usage: make TARGET"
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

prerequisites:
	@scripts/prerequisites.sh

build: prerequisites ## Build everything
	$(CARGO) build --release --workspace --bins --examples

demo: build ## Start three nodes, kill the leader, show that no write is lost
	@scripts/demo.sh "$(SERVER)"

test: prerequisites ## Run every test
	$(CARGO) test --release --workspace --doc
	cd raft-testkit/downstream-example && \
		CARGO_TARGET_DIR="$(TARGET_DIR)/downstream" $(CARGO) test --release
	$(CARGO) test --release --workspace --lib --bins --examples
	$(CARGO) test --release --workspace --test '*'

check: fmt clippy docs no-std tidy ## Format, lints, documentation, raft-core without std, rules of the repository

fmt:
	$(CARGO) fmt --all -- --check

clippy: prerequisites
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings

docs: prerequisites
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --workspace --no-deps

tidy: prerequisites
	$(CARGO) test --release --workspace --test main -- tidy::

no-std:
	@scripts/no_std.sh

bench: build ## Run every benchmark; figures also as JSON in bench/ of the target directory
	@scripts/bench.sh

bounded-disk: build ## Write 2,000,000 values; show that log and snapshots stay within their budget
	"$(TARGET_DIR)/release/bounded-disk"

failover: build ## Kill the leader KILLS times under load; measure each failover
	"$(TARGET_DIR)/release/load" --failovers-only --failovers $(KILLS) \
		--json "$(TARGET_DIR)/bench/failover.json"

install-bench: build ## Install a 1 GiB snapshot under load, over a connection that is cut three times
	"$(TARGET_DIR)/release/install-bench"

crashloop: prerequisites ## Kill leaders, wipe and change members ROUNDS times under load; count what was lost
	CRASH_LOOP_ROUNDS=$(ROUNDS) $(CARGO) test --release --workspace --test main -- \
		--nocapture --exact process::crash_loop::no_acknowledged_write_is_lost

replacements: prerequisites ## Replace wiped members, and all members one by one under load
	$(CARGO) test --release --workspace --test main -- --nocapture --ignored process::membership::

scenario-docs: prerequisites ## Index, pages, diagrams and the matrix of features, made from all scenarios
	rm -rf "$(SCENARIO_DOCS)"
	RAFT_SAVE_TRACES=1 RAFT_TRACES="$(SCENARIO_DOCS)/traces" \
		$(CARGO) test --release -p raft-core -p raft-testkit --test main -- \
		--skip seeds:: --skip swarm:: --skip trace:: --skip scenario_grammar::
	$(CARGO) run --release -p raft-testkit -- docs \
		--traces "$(SCENARIO_DOCS)/traces" --out "$(SCENARIO_DOCS)"
