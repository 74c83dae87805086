#!/bin/sh
# Checks a release's files, or what `cargo xtask package` made: the signatures of both manifests
# when a public key is named, then every sum, and that no file is without one. Needs coreutils and,
# for signatures, openssl. Signatures of minisign are checked by minisign.
#
#   verify_artifacts.sh [DIR [FILE...]]
#
# DIR: where the files and both manifests are; dist/packages unless given.
# FILE: only these in DIR, for whoever has not fetched all of them.
# COSIGN_PUBLIC_KEY: a PEM file; then SHA256SUMS.sig and SHA512SUMS.sig must be good.
set -eu

manifests="SHA256SUMS SHA512SUMS"

fail() {
    echo "verify_artifacts: $*" >&2
    exit 1
}

dir="${1:-dist/packages}"
[ $# -eq 0 ] || shift
[ -d "$dir" ] || fail "$dir is no directory: name the one with the files"
if [ -n "${COSIGN_PUBLIC_KEY+set}" ]; then
    key=$COSIGN_PUBLIC_KEY
    [ -n "$key" ] || fail "COSIGN_PUBLIC_KEY is empty: name the key's file, or unset it"
    [ -r "$key" ] || fail "COSIGN_PUBLIC_KEY: $key cannot be read"
    # The key is named from where the caller stands.
    case "$key" in /*) ;; *) key="$PWD/$key" ;; esac
fi
CDPATH='' cd -- "$dir"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

for manifest in $manifests; do
    { [ -f "$manifest" ] && [ ! -L "$manifest" ]; } || fail "$dir/$manifest is missing"
done

# Who made the manifests, before anything is done that they say.
if [ -n "${key:-}" ]; then
    for manifest in $manifests; do
        signature="$manifest.sig"
        [ -f "$signature" ] || fail "$signature is missing"
        base64 -d "$signature" > "$scratch/raw" 2>/dev/null || fail "$signature is no base64"
        openssl dgst -sha256 -verify "$key" -signature "$scratch/raw" "$manifest" \
            >/dev/null 2>&1 ||
            fail "$signature: not signed by the owner of $key, or $manifest was changed"
    done
fi

# The files to check, between slashes, which no name has.
if [ $# -gt 0 ]; then
    is_all=no
    for file; do
        case "$file" in */*) fail "$file: name files as they are called in $dir" ;; esac
    done
else
    is_all=yes
    for file in * .[!.]* ..?*; do
        case "$file" in
            SHA256SUMS | SHA256SUMS.sig | SHA256SUMS.minisig) continue ;;
            SHA512SUMS | SHA512SUMS.sig | SHA512SUMS.minisig) continue ;;
            # A release has them beside its files; they are what checks.
            signing.pub | verify_artifacts.sh) continue ;;
        esac
        { [ -e "$file" ] || [ -L "$file" ]; } || continue # a pattern that nothing fits
        set -- "$@" "$file"
    done
fi
wanted=/
for file; do wanted="$wanted$file/"; done

for manifest in $manifests; do
    case "$manifest" in
        SHA256SUMS) sum=sha256sum digits=64 ;;
        *) sum=sha512sum digits=128 ;;
    esac
    listed=/
    while IFS= read -r line || [ -n "$line" ]; do
        hash="${line%%  *}" name="${line#*  }"
        case "$hash" in *[!0-9a-f]*) fail "$manifest: cannot be understood: $line" ;; esac
        [ "${#hash}" -eq "$digits" ] || fail "$manifest: cannot be understood: $line"
        case "$name" in "" | . | .. | */*) fail "$manifest: $name is no file beside it" ;; esac
        case "$is_all$wanted" in yes* | *"/$name/"*) ;; *) continue ;; esac
        { [ -f "$name" ] && [ ! -L "$name" ]; } ||
            fail "$name: $manifest lists it, and there is no such file: fetch it, or name the" \
                "files you have after the directory"
        listed="$listed$name/"
        printf '%s\n' "$line"
    done < "$manifest" > "$scratch/lines"
    for file; do
        case "$listed" in *"/$file/"*) ;; *) fail "$file: $manifest does not list it" ;; esac
    done
    [ $# -gt 0 ] || fail "$dir: there is nothing to check"
    "$sum" --check --strict --quiet "$scratch/lines" || fail "$manifest: files are not what it says"
done

if [ -z "${key:-}" ]; then
    echo "sums are good; signatures were not checked (set COSIGN_PUBLIC_KEY to check them)"
else
    echo "sums and signatures are good"
fi
