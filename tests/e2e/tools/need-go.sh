# shellcheck shell=bash
# need-go.sh: for scripts that build Go programs of others: `need_go go1.26.8 CACHE` sees to it that
# `go` is of that release's minor version or newer.
#
# Debian 12's Go is too old for them. Go 1.21 and later fetch the release that a module asks for by
# themselves; an older one can still download that release as the module that it is, checksum
# database included.

fetch_toolchain() {
    local toolchain=$1 cache=$2 work module dir
    work=$(mktemp -d)
    module=golang.org/toolchain@v0.0.1-$toolchain.linux-$(go env GOARCH)
    dir=$(cd "$work" && go mod init x 2>/dev/null && go mod download -json "$module" |
        sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
    rm -rf "$work" "${cache:?}/${toolchain:?}"
    # A module's files are read-only and carry no executable bits.
    cp -r "$dir" "$cache/$toolchain"
    chmod -R u+w "$cache/$toolchain"
    find "$cache/$toolchain/bin" "$cache/$toolchain/pkg/tool" -type f -exec chmod +x {} +
    touch "$cache/$toolchain/complete"
}

need_go() {
    local toolchain=$1 cache=$2 have minor
    command -v go >/dev/null || {
        echo "$0: no go in PATH; install it (Debian: apt-get install golang-go)" >&2
        exit 1
    }
    have=$(GOTOOLCHAIN=local go env GOVERSION | sed 's/^go1\.\([0-9]*\).*/\1/')
    minor=${toolchain#go1.}
    minor=${minor%%.*}
    if [ "$have" -ge "$minor" ]; then
        return
    fi
    if [ "$have" -ge 21 ]; then
        export GOTOOLCHAIN=$toolchain
        return
    fi
    if [ ! -e "$cache/$toolchain/complete" ]; then
        fetch_toolchain "$toolchain" "$cache"
    fi
    export PATH=$cache/$toolchain/bin:$PATH GOTOOLCHAIN=local
}
