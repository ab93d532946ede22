#!/usr/bin/env bash
# Starts three nodes, kills the leader and shows that nothing is lost. In a terminal the cluster
# then stays up until Ctrl-C, to be tried out; elsewhere it ends.
set -euo pipefail

server="$1"
directory="${DEMO_DIR:-${CARGO_TARGET_DIR:-target}/demo}"

keep=(--exit)
if [ -t 0 ] && [ -t 1 ]; then
    keep=()
fi
exec "$server" dev --dir "$directory" --tour "${keep[@]}"
