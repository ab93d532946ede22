#!/usr/bin/env bash
# Runs every benchmark of the bench package; the figures also land as JSON in TARGET_DIR/bench.
set -euo pipefail

target_dir="${CARGO_TARGET_DIR:-target}"
mkdir -p "$target_dir/bench"
for program in "$target_dir"/release/bench-*; do
    [ -x "$program" ] && [ -f "$program" ] || continue
    case "$program" in *.d) continue ;; esac
    echo "== $(basename "$program")"
    "$program" --json "$target_dir/bench/$(basename "$program").json"
done
