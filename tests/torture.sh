#!/usr/bin/env bash
# The long form of the fault matrix; `make torture` runs it. Seeds are printed, TIDEMILL_SEED repeats one.
# Suites add what they injected to a report; its table is printed at the end, also when one has failed.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo=${CARGO:-cargo}
features=${FEATURES:-full,failpoints}
target=${CARGO_TARGET_DIR:-$PWD/target}
export TIDEMILL_TORTURE_REPORT=$target/torture.jsonl
export TIDEMILL_BINARY=$target/release/tidemill
rm -f "$TIDEMILL_TORTURE_REPORT"
failed=0

# suite NAME FAULT COUNT COMMAND...: runs it; COUNT is what it injects, empty when it reports by itself.
suite() {
    local name=$1 fault=$2 count=$3 started=$SECONDS violations=0
    shift 3
    echo "=== $name: $fault" >&2
    "$@" || { violations=1; failed=1; }
    echo "=== $name: $((SECONDS - started)) s" >&2
    if [ -n "$count" ]; then
        printf '{"suite":"%s","fault":"%s","faults":%s,"violations":%s}\n' \
            "$name" "$fault" "$count" "$violations" >>"$TIDEMILL_TORTURE_REPORT"
    fi
}

ledger() { "$cargo" test --features "$features" --test ledger -- --ignored --nocapture "$1"; }

"$cargo" build --release --features "$features" || exit 1

suite 'daemon' 'random kills' '' ledger torture_random_kills
suite 'daemon' 'every failpoint' '' ledger torture_failpoints
suite 'daemon' 'every failpoint, in a bucket' '' ledger torture_bucket_failpoints
suite 'daemon' 'hand-overs' '' ledger torture_moves

cases=${TIDEMILL_CASES:-20000}
suite 'objects on a disk' 'histories with torn power cuts, kills, full disks' "$cases" env TIDEMILL_CASES="$cases" \
    "$cargo" test -p tidemill-storage --features failpoints --test sim_objects -- --nocapture
suite 'write-ahead log' 'histories with torn power cuts, kills, failed syncs' "$cases" env TIDEMILL_CASES="$cases" \
    "$cargo" test -p tidemill-wal --features failpoints --test power -- --nocapture
suite 'checkpoints in files' 'histories with torn power cuts, kills, full disks' "$cases" env TIDEMILL_CASES="$cases" \
    "$cargo" test -p tidemill-checkpoint --features failpoints --test power_histories -- --nocapture
suite 'file sink' 'histories with torn power cuts' "$cases" env TIDEMILL_CASES="$cases" \
    "$cargo" test --features "$features" --lib -- --nocapture text_files_power
suite 'checkpoints in sled' 'power cuts of a recorded process' '' env TIDEMILL_CASES=3000 \
    "$cargo" test -p tidemill-checkpoint --features failpoints --test sled_power -- --nocapture
suite 'engine' 'each operation of a disk fails' '' env TIDEMILL_CASES=all \
    "$cargo" test --features "$features" --test storage_faults -- --nocapture whatever_operation
suite 'engine' 'each byte of logs and checkpoints is damaged' '' env TIDEMILL_CASES=all \
    "$cargo" test --features "$features" --test damage -- --nocapture any

suite 'all' 'summary' '' ledger torture_summary
exit "$failed"
