#!/usr/bin/env bash
# Starts three nodes, kills the leader and shows that no write is lost. In a terminal the cluster
# then runs until Ctrl-C; without a terminal it stops.
set -euo pipefail

server="$1"
directory="${DEMO_DIR:-${CARGO_TARGET_DIR:-target}/demo}"

keep=(--exit)
if [ -t 0 ] && [ -t 1 ]; then
    keep=()
fi
exec "$server" dev --dir "$directory" --demo "${keep[@]}"
