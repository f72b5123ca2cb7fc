#!/bin/bash
# Builds the image of ops/Containerfile and runs it by podman:
#     container.sh FOLDER
# FOLDER has base.tar (what it runs on), context/ (what it is built of), pipeline.toml and token. Prints lines that the
# test looks at. Exits with 77 and the reason where it can't be done.
#
# It leaves nothing: images, containers and volumes lie in memory, in namespaces of its own, and containers have no
# network but their own loopback.
set -u
skip() { echo "skipped: $1"; exit 77; }

if [ "${1:-}" != --inside ]; then
    [ "$(id -u)" = 0 ] || skip "only root can make the namespaces"
    command -v unshare nsenter podman crun curl >/dev/null || skip "no unshare, nsenter, podman, crun or curl"
    exec unshare --mount --pid --fork --kill-child --mount-proc bash "$0" --inside "$@"
fi

cd "$2" || exit 1
{
    mount --make-rprivate / &&
        mount -t tmpfs tmpfs /mnt && mount -t tmpfs tmpfs /run &&
        # crun wants control groups of one kind.
        umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup
} || skip "the namespace can't be set up"
export HOME=/mnt TMPDIR=/mnt
podman() {
    command podman --root /mnt/store --runroot /run/store --storage-driver overlay --cgroup-manager cgroupfs \
        --events-backend file --runtime crun "$@"
}
# No more than this process has: not everybody may raise them.
limits=(--ulimit "nofile=$(ulimit -Sn):$(ulimit -Hn)" --ulimit "nproc=$(ulimit -Su):$(ulimit -Hu)")
run() { # ARGUMENTS...: with the pipeline and a volume
    podman run --cgroups=disabled --network=none --pull=never "${limits[@]/unlimited/-1}" \
        -v "$PWD/pipeline.toml:/etc/tidemill/pipeline.toml:ro" -v wordcount:/var/lib/tidemill "$@"
}
podman import -q base.tar localhost/base >/mnt/log 2>&1 || skip "podman can't work here: $(tail -n 1 /mnt/log)"
podman run --rm --cgroups=disabled --network=none "${limits[@]/unlimited/-1}" localhost/base /bin/true >/mnt/log 2>&1 ||
    skip "no container can run here: $(tail -n 1 /mnt/log)"

podman build -q --isolation chroot --format docker --pull=never -t tidemill -f context/ops/Containerfile \
    --build-arg BINARY=built --build-arg RUST=localhost/base --build-arg BASE=localhost/base context >/mnt/log 2>&1 || { cat /mnt/log; exit 1; }
echo "built"
run --rm tidemill >/mnt/log 2>&1
echo "without a token: $? $(tail -n 1 /mnt/log)"

start() { # NAME ARGUMENTS...
    run -d --name "$1" "${@:2}" -v "$PWD/token:/run/secrets/tidemill-token:ro" tidemill >/mnt/log 2>&1 || { cat /mnt/log; exit 1; }
    for _ in $(seq 300); do
        podman healthcheck run "$1" >/mnt/health 2>&1 && break
        sleep 0.2
    done
    pid=$(podman inspect -f '{{.State.Pid}}' "$1")
    podman healthcheck run "$1" >/mnt/health 2>&1
    echo "healthy $? as $(stat -c %u:%g "/proc/$pid")"
    for _ in $(seq 300); do
        ready=$(asked /readyz -o /dev/null -w '%{http_code}')
        [ "$ready" = 200 ] && break
        sleep 0.2
    done
    echo "ready $ready"
}
asked() { # PATH CURL_ARGUMENTS...
    nsenter --target "$pid" --net curl -sS -H "Authorization: Bearer $(cat token)" "${@:2}" "http://127.0.0.1:4040$1"
    echo
}
counted() { cat /mnt/store/volumes/wordcount/_data/data/wordcount/out/counts-*/part-* 2>/dev/null | sort | tr '\n' ' '; }
expect() {
    for _ in $(seq 300); do
        [[ "$(counted)" == *"$1"* ]] && return
        sleep 0.2
    done
    echo "waited too long for $1 in $(counted)"
    podman logs "$2"
}
stop() {
    podman stop --time 90 "$1" >/dev/null
    echo "stopped $(podman inspect -f '{{.State.ExitCode}}' "$1")"
}
start one
echo "took $(asked /ingest/lines --data-binary 'to be or not to be')"
expect '(be,2)' one
stop one
# Another container on the same volume: an upgrade.
podman rm one >/dev/null
start two --read-only
echo "took $(asked /ingest/lines --data-binary 'that is the question')"
expect '(question,1)' two
stop two
echo "counted $(counted)"
