#!/usr/bin/env bash
# Runs every benchmark. Writes figures as JSON to the bench directory of cargo's target directory.
# Run it on an idle machine.
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
echo "== raft-server's node alone"
"$programs/node-bench"
echo
echo "== raft-transport-quic on the loopback interface"
"$programs/transport-bench"
echo
echo "== raft-testkit, events a second with all rules checked"
"$programs/testkit-bench"
echo
echo "== a cluster of three processes"
"$programs/load" --json "$figures/load.json"
