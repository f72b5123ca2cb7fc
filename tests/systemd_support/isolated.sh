#!/bin/bash
# Runs SCRIPT beside a user instance of systemd that knows the units in FOLDER/units and no others:
#     isolated.sh FOLDER SCRIPT
# Exits as the script does, or with 77 and the reason where that can't be done.
#
# It can do no harm: in namespaces of its own, the whole disk is read-only (which is tried out before anything is
# started), a copy of the folder lies in memory at /mnt, and /tmp, /run and /var/tmp are empty. Never without that:
# systemd, given the machine's own units, would clean up the machine's own /tmp.
set -u
skip() { echo "skipped: $1"; exit 77; }

if [ "${1:-}" != --inside ]; then
    [ "$(id -u)" = 0 ] || skip "only root can make the namespaces"
    command -v unshare systemctl /lib/systemd/systemd >/dev/null || skip "no unshare, or no systemd"
    groups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
    group=$groups/tidemill-test-$$
    [ -n "$groups" ] && mkdir "$group" 2>/dev/null || skip "no control group can be made"
    (
        echo $BASHPID >"$group/cgroup.procs" || skip "the control group can't be entered"
        exec unshare --mount --pid --fork --kill-child --cgroup --mount-proc bash "$0" --inside "$@"
    )
    code=$?
    # Its processes have been killed with their namespace, and are gone in a moment.
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
        [ -d "$group" ] || break
        sleep 0.1
    done
    exit $code
fi

folder=$2
script=$3
{
    mount --make-rprivate / &&
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
