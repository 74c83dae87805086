#!/bin/sh
# Signs the sums of what `cargo xtask package` made, by whichever keys there are. Needs coreutils
# and openssl, and minisign where there is a key for it.
#
#   sign_artifacts.sh [DIR]
#
# DIR: where the files are; dist/packages unless given.
# SIGNING_KEY: an ECDSA P-256 key in PEM; what it signs, cosign verify-blob takes too.
# MINISIGN_KEY: a minisign key without a password. What it signed is verified with its public key,
#   which is not left beside the files: a key that comes with them proves nothing.
set -eu

dir="${1:-dist/packages}"
key="${SIGNING_KEY:-}"
minisign="${MINISIGN_KEY:-}"

fail() {
    echo "sign_artifacts: $*" >&2
    exit 1
}

if [ -z "$key$minisign" ]; then
    echo "not signed: neither SIGNING_KEY nor MINISIGN_KEY names a key"
    exit 0
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if [ -n "$minisign" ]; then
    minisign -R -s "$minisign" -p "$scratch/minisign.pub" </dev/null >/dev/null ||
        fail "MINISIGN_KEY: install minisign, name a key without a password (minisign -G -W)"
fi
for manifest in "$dir/SHA256SUMS" "$dir/SHA512SUMS"; do
    [ -f "$manifest" ] || fail "$manifest is missing"
    if [ -n "$key" ]; then
        openssl dgst -sha256 -sign "$key" -out "$scratch/raw" "$manifest" ||
            fail "SIGNING_KEY: install openssl, check the key"
        base64 --wrap=0 "$scratch/raw" > "$manifest.sig"
    fi
    if [ -n "$minisign" ]; then
        # Its own comment would tell the time, and no two signatures of a build would be the same.
        minisign -S -s "$minisign" -m "$manifest" -t clusterrebootd </dev/null >/dev/null ||
            fail "MINISIGN_KEY: install minisign, check the key"
        minisign -V -q -m "$manifest" -p "$scratch/minisign.pub" ||
            fail "$manifest.minisig: the public key of MINISIGN_KEY does not verify it"
    fi
done
echo "sums are signed"
