#!/usr/bin/env bash
# Runs every benchmark; the figures also land as JSON in the bench directory of cargo's target directory.
# They mean something on a machine that does nothing else.
set -euo pipefail

target_dir="${CARGO_TARGET_DIR:-target}"
programs="$target_dir/release"
figures="$target_dir/bench"
mkdir -p "$figures"

echo "== raft-core alone"
"$programs/core-bench" --json "$figures/core.json"
echo
echo "== raft-storage beside plain RocksDB"
"$programs/storage-bench" --json "$figures/storage.json"
echo
echo "== raft-testkit, events a second with every check on"
"$programs/testkit-bench"
echo
echo "== a cluster of three processes"
"$programs/load" --json "$figures/load.json"
