#!/bin/bash
# Runs SCRIPT beside a systemd that can do no harm:
#     isolated.sh FOLDER SCRIPT
#         beside a user instance that knows the units in FOLDER/units and no others; a copy of FOLDER is at /mnt
#     isolated.sh --machine FOLDER SCRIPT
#         as root of a copy of this machine that is run by systemd, with its own loopback and FOLDER at /packages
# Exits as the script does, or with 77 and the reason where that can't be done.
#
# In namespaces of its own, the whole disk is read-only, or an overlay lies over it and what is written goes to memory;
# which is tried out before anything is started. /tmp, /run and /var/tmp are empty. Never without that: systemd, given the
# machine's own units, would clean up the machine's own /tmp.
set -u
skip() { echo "skipped: $1"; exit 77; }

if [ "${1:-}" != --inside ]; then
    mode=user more=()
    [ "${1:-}" = --machine ] && { mode=machine more=(--uts --ipc --net); shift; }
    [ "$(id -u)" = 0 ] || skip "only root can make the namespaces"
    command -v unshare systemctl /lib/systemd/systemd >/dev/null || skip "no unshare, or no systemd"
    groups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
    group=$groups/tidemill-test-$$
    [ -n "$groups" ] && mkdir "$group" 2>/dev/null || skip "no control group can be made"
    (
        echo $BASHPID >"$group/cgroup.procs" || skip "the control group can't be entered"
        exec unshare --mount --pid --fork --kill-child --cgroup "${more[@]}" --mount-proc \
            bash "$0" --inside "$mode" "$@"
    )
    code=$?
    # Its processes have been killed with their namespace, and are gone in a moment.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
        [ -d "$group" ] || break
        sleep 0.1
    done
    if [ "$mode" = machine ] && [ "$code" != 77 ]; then
        cat "$1/said" 2>/dev/null || skip "systemd doesn't come up here"
    fi
    exit $code
fi

mode=$2
folder=$3
script=$4
mount --make-rprivate / || skip "the namespace can't be set up"

if [ "$mode" = machine ]; then
    copy=/mnt/copy
    {
        mount -t tmpfs tmpfs /mnt && mkdir /mnt/upper /mnt/work "$copy" &&
            mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work "$copy" &&
            mkdir -p "$copy/packages" "$copy/old" && mount --bind "$folder" "$copy/packages" &&
            mount -t tmpfs tmpfs "$copy/run" && mount -t tmpfs tmpfs "$copy/tmp" && mount -t tmpfs tmpfs "$copy/var/tmp" &&
            mount -t proc proc "$copy/proc" &&
            mount --bind "$copy/proc/sys" "$copy/proc/sys" && mount -o remount,bind,ro "$copy/proc/sys" &&
            mount -t sysfs -o ro sysfs "$copy/sys" && mount -t cgroup2 none "$copy/sys/fs/cgroup" &&
            mount -t tmpfs -o mode=755 tmpfs "$copy/dev" && mkdir "$copy/dev/pts" "$copy/dev/shm" &&
            mount -t devpts -o newinstance devpts "$copy/dev/pts" && ln -s pts/ptmx "$copy/dev/ptmx" &&
            mount -t tmpfs tmpfs "$copy/dev/shm"
    } || skip "the copy can't be set up"
    for node in null zero full random urandom tty; do
        touch "$copy/dev/$node" && mount --bind "/dev/$node" "$copy/dev/$node" || skip "no /dev/$node"
    done
    for place in / /etc /var /var/lib /usr /home /root; do
        touch "$copy$place/tidemill-probe" || skip "the copy's $place can't be written to"
        [ ! -e "$place/tidemill-probe" ] || { rm "$place/tidemill-probe"; skip "$place is the machine's"; }
        rm "$copy$place/tidemill-probe"
    done
    # Of the machine's own units as few as can be.
    mkdir "$copy/run/units" "$copy/run/none"
    for target in sysinit basic network-online multi-user shutdown umount; do
        printf '[Unit]\nDefaultDependencies=no\n' >"$copy/run/units/$target.target"
    done
    cat >"$copy/run/units/script.service" <<END
[Unit]
DefaultDependencies=no
SuccessAction=exit-force
FailureAction=exit-force
FailureActionExitStatus=1
[Service]
Type=oneshot
ExecStart=/bin/bash $script
StandardOutput=file:/packages/said
StandardError=file:/packages/said
END
    cd "$copy" && pivot_root . old && cd / && umount -l /old && rmdir /old || skip "the copy can't be entered"
    # With `container` it leaves alone what belongs to a machine. No generators: they would read its file systems.
    export container=tidemill-test SYSTEMD_UNIT_PATH=/run/units:/etc/systemd/system:/usr/lib/systemd/system
    export SYSTEMD_GENERATOR_PATH=/run/none SYSTEMD_ENVIRONMENT_GENERATOR_PATH=/run/none
    exec /lib/systemd/systemd --system --unit=script.service --log-target=journal --show-status=no </dev/null
fi

{
    mount -t tmpfs tmpfs /mnt && cp -r "$folder/." /mnt &&
        mount -o remount,bind,ro / &&
        mount -t tmpfs tmpfs /run && mount -t tmpfs tmpfs /var/tmp &&
        mount --bind /dev /dev && mount -o remount,bind,ro /dev &&
        mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys &&
        umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup &&
        mount -t tmpfs tmpfs /tmp
} || skip "the namespace can't be set up"
for place in / /etc /var /usr /home /root /dev; do
    [ -d "$place" ] && touch "$place/tidemill-probe" 2>/dev/null && {
        rm -f "$place/tidemill-probe"
        skip "$place could be written to"
    }
done
[ -z "$(ls -A /tmp)" ] || skip "/tmp is the machine's"

cd /mnt || exit 1
# It looks whether systemd runs the machine, and isn't needed to.
mkdir -p /run/user /run/systemd/system /mnt/none
export XDG_RUNTIME_DIR=/run/user HOME=/mnt SYSTEMD_UNIT_PATH=/mnt/units
export SYSTEMD_GENERATOR_PATH=/mnt/none SYSTEMD_ENVIRONMENT_GENERATOR_PATH=/mnt/none
export SYSTEMD_USER_ENVIRONMENT_GENERATOR_PATH=/mnt/none SYSTEMD_PAGER=cat
/lib/systemd/systemd --user --unit=nothing.target </dev/null &
manager=$!
for _ in $(seq 100); do
    systemctl --user is-active --quiet nothing.target 2>/dev/null && break
    kill -0 $manager 2>/dev/null || skip "systemd doesn't start here"
    sleep 0.1
done
systemctl --user is-active --quiet nothing.target || skip "systemd doesn't come up here"
bash "$script"
