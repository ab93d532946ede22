#!/usr/bin/env bash
# Checks that raft-core needs no operating system: it builds for a target without one. Where no such
# target is installed, neither raft-core nor a dependency may use std.
set -euo pipefail

cargo="${CARGO:-cargo}"

if grep -rnE '\bstd::|extern crate std' raft-core/src --include='*.rs' | grep -vE '^[^:]+:[0-9]+: *//'; then
    echo "raft-core uses std (above); use core or alloc" >&2
    exit 1
fi
grep -q '^#!\[no_std\]' raft-core/src/lib.rs || {
    echo "raft-core/src/lib.rs has no #![no_std]" >&2
    exit 1
}
if "$cargo" tree --quiet -p raft-core -e normal,features --prefix none | grep -E 'feature "std"'; then
    echo "a dependency of raft-core is built with std (above)" >&2
    exit 1
fi

for target in wasm32-unknown-unknown thumbv7em-none-eabi; do
    if rustup target list --installed 2>/dev/null | grep -qx "$target"; then
        "$cargo" check --release -p raft-core --target "$target"
        echo "raft-core builds for $target"
        exit 0
    fi
done
"$cargo" check --release -p raft-core
echo "raft-core is no_std down to its dependencies (install wasm32-unknown-unknown to build for it)"
