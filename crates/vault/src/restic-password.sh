#!/bin/sh
# Prints the restic password of a repository of the vault: HMAC-SHA256 (RFC 2104) of
# "holdfast/shard/v1/<id>" under the vault secret, in lower-case hexadecimal.
#
#   RESTIC_PASSWORD_COMMAND="/path/to/restic-password.sh 1" restic -r VAULT/shards/1 snapshots
#
# <id> is the number of the shard, or "control". The secret is read from vault-secret.hex beside
# this script (or from the file named by HOLDFAST_SECRET_FILE) and never becomes an argument of a
# program. Needs sh, xxd and sha256sum (or shasum).
set -eu

id=${1:?"usage: restic-password.sh SHARD-NUMBER|control"}
file=${HOLDFAST_SECRET_FILE:-"$(dirname -- "$0")/vault-secret.hex"}
secret=$(tr -d '[:space:]' <"$file")
if [ "${#secret}" -ne 64 ]; then
    echo "restic-password.sh: $file does not hold 64 hexadecimal digits" >&2
    exit 1
fi

# The key of 32 bytes, filled up to a block of 64 and combined with $1.
pad() {
    rest=$secret
    while [ -n "$rest" ]; do
        tail=${rest#??}
        printf '%02x' "$((0x${rest%"$tail"} ^ $1))"
        rest=$tail
    done
    n=0
    while [ "$n" -lt 32 ]; do
        printf '%02x' "$(($1))"
        n=$((n + 1))
    done
}

hash() {
    if command -v sha256sum >/dev/null 2>&1; then sha256sum; else shasum -a 256; fi | cut -c1-64
}

inner=$({
    pad 0x36 | xxd -r -p
    printf '%s' "holdfast/shard/v1/$id"
} | hash)
{
    pad 0x5c
    printf '%s' "$inner"
} | xxd -r -p | hash
