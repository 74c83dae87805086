#!/bin/sh
# Checks what `cargo xtask package` made, or a release's files: every sum of both manifests, that
# no file is without one, and the manifests' signatures when a public key is named. Needs coreutils
# and, for signatures, openssl.
#
#   verify_artifacts.sh [DIR]
#
# DIR: where the files are; dist/packages unless given.
# COSIGN_PUBLIC_KEY: a PEM file; then SHA256SUMS.sig and SHA512SUMS.sig must be good.
set -eu

dir="${1:-dist/packages}"
key="${COSIGN_PUBLIC_KEY:-}"
manifests="SHA256SUMS SHA512SUMS"

fail() {
    echo "verify_artifacts: $*" >&2
    exit 1
}

[ -d "$dir" ] || fail "$dir is no directory: name the one with the files"
[ -z "$key" ] || [ -r "$key" ] || fail "COSIGN_PUBLIC_KEY: $key cannot be read"
# The key is named from where the caller stands.
case "$key" in "" | /*) ;; *) key="$PWD/$key" ;; esac
cd "$dir"

for manifest in $manifests; do
    [ -f "$manifest" ] || fail "$dir/$manifest is missing"
    case "$manifest" in
        SHA256SUMS) sum=sha256sum digits=64 ;;
        *) sum=sha512sum digits=128 ;;
    esac
    "$sum" --check --strict --quiet "$manifest" || fail "$manifest: files are not what it says"
    for file in *; do
        case "$file" in SHA256SUMS* | SHA512SUMS* | *.sig | *.minisig) continue ;; esac
        cut -c "$((digits + 3))-" "$manifest" | grep -qxF -- "$file" ||
            fail "$file: $manifest does not list it"
    done
done

if [ -z "$key" ]; then
    echo "sums are good; signatures were not checked (set COSIGN_PUBLIC_KEY to check them)"
    exit 0
fi
for manifest in $manifests; do
    signature="$manifest.sig"
    [ -f "$signature" ] || fail "$signature is missing"
    raw=$(mktemp)
    trap 'rm -f "$raw"' EXIT
    base64 -d "$signature" > "$raw" 2>/dev/null || fail "$signature is no base64"
    openssl dgst -sha256 -verify "$key" -signature "$raw" "$manifest" >/dev/null 2>&1 ||
        fail "$signature: not signed by the owner of $key, or $manifest was changed"
    rm -f "$raw"
done
echo "sums and signatures are good"
