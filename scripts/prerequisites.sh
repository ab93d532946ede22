#!/usr/bin/env bash
# Installs what is missing to build this repository where no password is needed (Debian, as root or
# with passwordless sudo), names it elsewhere, and warns before a long build.
set -euo pipefail

target_dir="${CARGO_TARGET_DIR:-target}"

if ! command -v cargo >/dev/null 2>&1; then
    cat >&2 <<'TEXT'
cargo is missing. Install Rust from https://rustup.rs, or with:
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh
then open a new terminal and run the same command again.
TEXT
    exit 1
fi

wanted="$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)"
found="$(rustc --version | cut -d ' ' -f 2)"
oldest="$(printf '%s\n%s\n' "$wanted" "$found" | sort -V | head -n 1)"
if [ "$oldest" != "$wanted" ]; then
    echo "rustc is $found, this repository needs $wanted or newer: rustup update stable" >&2
    exit 1
fi

has_libclang() {
    local directory
    for directory in ${LIBCLANG_PATH:-} /usr/lib/llvm-*/lib /usr/lib/*-linux-gnu /usr/lib64 /usr/lib \
        /usr/local/lib /opt/homebrew/opt/llvm/lib /usr/local/opt/llvm/lib; do
        # Not libclang-cpp, which is another library that is often installed without libclang.
        compgen -G "$directory/libclang.so*" >/dev/null && return 0
        compgen -G "$directory/libclang-[0-9]*.so*" >/dev/null && return 0
        compgen -G "$directory/libclang.dylib" >/dev/null && return 0
    done
    return 1
}

# RocksDB is C++, and its Rust bindings are generated with libclang.
packages=()
if ! command -v c++ >/dev/null 2>&1 && ! command -v g++ >/dev/null 2>&1; then
    packages+=(g++)
fi
has_libclang || packages+=(libclang-dev)

if [ "${#packages[@]}" -gt 0 ]; then
    echo "missing to compile RocksDB: ${packages[*]}" >&2
    install="apt-get install -y ${packages[*]}"
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "install a C++ compiler and libclang with this system's package manager" >&2
        exit 1
    elif [ "$(id -u)" = 0 ]; then
        echo "installing: $install" >&2
        apt-get update -q && DEBIAN_FRONTEND=noninteractive $install
    elif sudo -n true 2>/dev/null; then
        echo "installing: sudo $install" >&2
        sudo apt-get update -q && sudo DEBIAN_FRONTEND=noninteractive $install
    else
        echo "install it and try again: sudo apt-get update && sudo $install" >&2
        exit 1
    fi
fi

if ! compgen -G "$target_dir/release/build/librocksdb-sys-*/out/librocksdb.a" >/dev/null; then
    cores="$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)"
    minutes=$((30 / cores + 1))
    echo "The first build compiles RocksDB and takes about $minutes minutes on this machine's" \
        "$cores cores; later ones reuse it (in $target_dir)."
fi
