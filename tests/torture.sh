#!/usr/bin/env bash
# The long form of the fault matrix; `make torture` runs it. Seeds are printed, TIDEMILL_SEED repeats one.
# Suites add what they injected to a report; its table is printed at the end, also when one has failed.
#
# How much of each, all of it settable: TIDEMILL_TORTURE=short is a run of minutes through every step.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

case ${TIDEMILL_TORTURE:-long} in
long) amounts='10000 all all 40 20000 3000 all release 300 60' ;;
short) amounts='60 6 2 4 200 100 sample dev 20 3' ;;
*) echo "TIDEMILL_TORTURE is long or short, not $TIDEMILL_TORTURE" >&2; exit 2 ;;
esac
read -r kills points bucket_points moves cases cuts operations profile requests minutes <<<"$amounts"
export TIDEMILL_TORTURE_KILLS=${TIDEMILL_TORTURE_KILLS:-$kills} # at random moments, of all pipelines together
points=${TIDEMILL_TORTURE_POINTS:-$points}                      # failpoints on sled and files, drawn if fewer
bucket_points=${TIDEMILL_TORTURE_BUCKET_POINTS:-$bucket_points} # the same in a bucket
export TIDEMILL_TORTURE_MOVES=${TIDEMILL_TORTURE_MOVES:-$moves} # hand-overs by each protocol
cases=${TIDEMILL_CASES:-$cases}                                 # histories of each suite with power cuts
cuts=${TIDEMILL_TORTURE_CUTS:-$cuts}                            # cuts of the process that sled writes in
operations=${TIDEMILL_TORTURE_OPERATIONS:-$operations}          # of a disk, and bytes of files: all, or sample
export TIDEMILL_TORTURE_MINUTES=${TIDEMILL_TORTURE_MINUTES:-$minutes} # of the soak
profile=${TIDEMILL_TORTURE_PROFILE:-$profile}                   # the daemon's: release, or dev
requests=${TIDEMILL_API_EXAMPLES:-$requests}                    # made up for each operation of the HTTP API

cargo=${CARGO:-cargo}
features=${FEATURES:-full,failpoints}
target=${CARGO_TARGET_DIR:-$PWD/target}
export TIDEMILL_TORTURE_REPORT=$target/torture.jsonl
export TIDEMILL_BINARY=$target/${profile/#dev/debug}/tidemill
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

# ledger TEST [POINTS]
ledger() {
    TIDEMILL_TORTURE_POINTS=${2:-all} \
        "$cargo" test -p tidemill --features "$features" --test ledger -- --ignored --nocapture "$1"
}

"$cargo" build --profile "$profile" -p tidemill --features "$features" || exit 1

suite 'daemon' 'random kills' '' ledger torture_random_kills
suite 'daemon' 'every failpoint' '' ledger torture_failpoints "$points"
suite 'daemon' 'every failpoint, in a bucket' '' ledger torture_bucket_failpoints "$bucket_points"
suite 'daemon' 'hand-overs' '' ledger torture_moves
suite 'daemon' 'an hour under load, killed each minute' '' ledger torture_soak

suite 'objects on a disk' 'histories with torn power cuts, kills, full disks' "$cases" env TIDEMILL_CASES="$cases" \
    "$cargo" test -p tidemill-storage --features failpoints --test sim_objects -- --nocapture
suite 'write-ahead log' 'histories with torn power cuts, kills, failed syncs' "$cases" env TIDEMILL_CASES="$cases" \
    "$cargo" test -p tidemill-wal --features failpoints --test power -- --nocapture
suite 'checkpoints in files' 'histories with torn power cuts, kills, full disks' "$cases" env TIDEMILL_CASES="$cases" \
    "$cargo" test -p tidemill-checkpoint --features failpoints --test power_histories -- --nocapture
suite 'file sink' 'histories with torn power cuts' "$cases" env TIDEMILL_CASES="$cases" \
    "$cargo" test -p tidemill --features "$features" --lib -- --nocapture text_files_power
suite 'checkpoints in sled' 'power cuts of a recorded process' '' env TIDEMILL_CASES="$cuts" \
    "$cargo" test -p tidemill-checkpoint --features failpoints --test sled_power -- --nocapture
suite 'engine' 'each operation of a disk fails' '' env TIDEMILL_CASES="$operations" \
    "$cargo" test -p tidemill --features "$features" --test storage_faults -- --nocapture whatever_operation
suite 'engine' 'each byte of logs and checkpoints is damaged' '' env TIDEMILL_CASES="$operations" \
    "$cargo" test -p tidemill --features "$features" --test damage -- --nocapture any

suite 'HTTP API' 'requests made up from its description' "$requests" env TIDEMILL_API_EXAMPLES="$requests" \
    "$cargo" test -p tidemill --features "$features" --test openapi -- --nocapture whatever

suite 'all' 'summary' '' ledger torture_summary
exit "$failed"
