#!/bin/bash
# Runs FOLDER/life.sh as root of a copy of this machine, in which FOLDER is /packages:
#     copied.sh FOLDER
# Exits as the script does, or with 77 and the reason where that can't be done.
#
# It can do no harm: in namespaces of its own an overlay lies over the machine's disk, what is written goes to memory,
# and the script sees nothing but that. Whether this is so is tried out before anything is started.
set -u
skip() { echo "skipped: $1"; exit 77; }

if [ "${1:-}" != --inside ]; then
    [ "$(id -u)" = 0 ] || skip "only root can make the namespaces"
    command -v unshare dpkg setpriv systemd-sysusers >/dev/null || skip "no unshare, dpkg, setpriv or systemd-sysusers"
    exec unshare --mount --pid --fork --kill-child --mount-proc bash "$0" --inside "$@"
fi

copy=/mnt/copy
{
    mount --make-rprivate / &&
        mount -t tmpfs tmpfs /mnt && mkdir /mnt/upper /mnt/work "$copy" &&
        mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work "$copy" &&
        mount -t tmpfs tmpfs "$copy/run" && mount -t tmpfs tmpfs "$copy/tmp" &&
        mount -t proc proc "$copy/proc" &&
        mount --bind /dev "$copy/dev" && mount -o remount,bind,ro "$copy/dev" &&
        mkdir "$copy/packages" && cp -r "$2/." "$copy/packages"
} || skip "the copy can't be set up"
for place in / /etc /var/lib /usr; do
    touch "$copy$place/tidemill-probe" || skip "the copy's $place can't be written to"
    [ ! -e "$place/tidemill-probe" ] || skip "$place is the machine's"
    rm "$copy$place/tidemill-probe"
done
exec chroot "$copy" bash /packages/life.sh
