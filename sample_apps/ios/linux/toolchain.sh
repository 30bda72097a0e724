#!/bin/sh
# Set up Swift for Linux in a folder, and run a command there. The folder is a Debian trixie with its package
# swiftlang, and is entered by chroot.
#
# Usage: toolchain.sh DIR [COMMAND…]       as root, on Debian, with 4 GB of disk space
#
# DIR is set up completely or not at all, and only if it does not exist. COMMAND sees DIR as its root folder:
#
#   cp -r ../MobileSAMKit DIR/root/
#   ./toolchain.sh DIR swift test --package-path /root/MobileSAMKit
set -eu

suite=trixie
packages=ca-certificates,git,libc6-dev,libstdc++-14-dev,swiftlang

if [ $# -eq 0 ]; then
    echo "usage: toolchain.sh DIR [COMMAND...]" >&2
    exit 2
fi
directory=$1
shift
if [ "$(id -u)" -ne 0 ]; then
    echo "toolchain.sh: only root can enter a chroot: run this as root, or install Swift 6" >&2
    exit 2
fi

# Swift finds its libraries through /proc. The mount namespace removes /proc again at the end.
enter() {
    unshare --mount sh -c 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"' "$@"
}

set_up() {
    if ! command -v apt-get >/dev/null; then
        echo "toolchain.sh: this is not Debian: install Swift 6 yourself, so that 'swift' is found" >&2
        exit 2
    fi
    if ! command -v debootstrap >/dev/null; then
        apt-get update -qq
        apt-get install -qq -y debootstrap >/dev/null
    fi
    # The mirror that this system's own packages come from.
    mirror=$(apt-get indextargets --format '$(REPO_URI)' "Origin: Debian" "Label: Debian" | head -n 1)
    if [ -z "$mirror" ]; then
        echo "toolchain.sh: apt has no mirror of Debian: run 'apt-get update' first" >&2
        exit 1
    fi
    mkdir -p "$(dirname "$directory")"
    partial=$(mktemp -d "$directory.partial.XXXXXX")
    trap 'rm -rf "$partial" "$partial.log"' EXIT
    trap 'exit 1' HUP INT TERM
    chmod 755 "$partial"
    debootstrap --variant=minbase --include="$packages" "$suite" "$partial" "$mirror" \
        >"$partial.log" 2>&1 || {
        tail -n 5 "$partial.log" >&2
        exit 1
    }
    rm -f "$partial"/var/cache/apt/archives/*.deb "$partial.log"
    enter "$partial" swift --version >&2
    mv -T "$partial" "$directory"
    trap - EXIT HUP INT TERM
}

[ -d "$directory" ] || set_up
[ $# -eq 0 ] || enter "$directory" "$@"
