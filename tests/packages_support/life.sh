# What becomes of a machine on which the packages are installed, upgraded, removed and purged; each line is looked at by
# the test.
cd /
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive
state=/var/lib/tidemill
act() { dpkg --force-unsafe-io --no-triggers "$@" </dev/null >/tmp/dpkg.log 2>&1 || { cat /tmp/dpkg.log; exit 1; }; }
there() { [ -e "$1" ] && echo "there" || echo "gone"; }
# As the unit does: its user, its folder, its command. Takes the shell's place.
unit() { sed -n "s/^$1=//p" /usr/lib/systemd/system/tidemill@.service; }
as_the_unit() {
    cd "$(unit WorkingDirectory)" && exec setpriv --reuid="$(unit User)" --regid="$(unit Group)" --clear-groups "$@"
}
wait_for() { # WHAT COMMAND...
    for _ in $(seq 600); do
        "${@:2}" >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "waited too long until $1"
    cat /tmp/daemon.log
    exit 1
}
start() {
    command=$(unit ExecStart)
    as_the_unit ${command//%i/wordcount} >/tmp/out.log 2>/tmp/daemon.log &
    daemon=$!
    wait_for "it is ready" grep -q 'ready: ' /tmp/daemon.log
    url=$(sed -n 's/.*answers on \(http:[^ ]*\).*/\1/p' /tmp/daemon.log)
}
stop() {
    kill -TERM $daemon
    wait $daemon
    echo "stopped $?"
}
feed() { printf '%s\n' "$1" | curl -sS --data-binary @- "$url/ingest/lines"; echo; }
counted() { cat $state/data/wordcount/out/counts-*/part-* 2>/dev/null | sort | tr '\n' ' '; }
has_counted() { counted | grep -qF "$1"; }

# Whatever this machine has.
act --purge tidemill
rm -rf $state /etc/tidemill

act -i /packages/one/*.deb
echo "installed $(dpkg-query -W -f '${db:Status-Status} ${Version}' tidemill)"
echo "user $(getent passwd tidemill | cut -d: -f 6,7)"
echo "state $(stat -c '%U:%G %a' $state)"
echo "configuration $(stat -c '%U:%G %a' /etc/tidemill/wordcount.toml)"
echo "manual $(man -w tidemill 2>/dev/null || there /usr/share/man/man1/tidemill.1.gz)"
echo "completions $(bash -c '. /usr/share/bash-completion/completions/tidemill && complete -p tidemill' | wc -l)"
tidemill check /etc/tidemill/wordcount.toml >/tmp/check.log 2>&1
echo "check $?"
dpkg --verify tidemill && echo "verified"

# Any free port, in the way that operators set things.
mkdir /etc/tidemill/wordcount.toml.d
printf '[admin]\nlisten = "127.0.0.1:0"\n' >/etc/tidemill/wordcount.toml.d/port.toml
echo '# An operator was here.' >>/etc/tidemill/wordcount.toml

start
echo "runs as $(stat -c %U /proc/$daemon)"
echo "ready $(curl -sS -o /dev/null -w '%{http_code}' "$url/readyz")"
echo "took $(feed 'to be or not to be')"
wait_for "it is counted" has_counted '(be,2)'
stop
before=$(counted)

act --force-confdef -i /packages/two/*.deb
echo "upgraded $(dpkg-query -W -f '${db:Status-Status} ${Version}' tidemill)"
echo "operator $(tail -n 1 /etc/tidemill/wordcount.toml)"
echo "state $(stat -c '%U:%G %a' $state)"
start
echo "took $(feed 'that is the question')"
wait_for "it is counted" has_counted '(question,1)'
stop
after=$(counted)
[ "$(echo "$after" | grep -oF '(be,2)' | wc -l)" = 1 ] && [ -n "$before" ] && echo "counted once"
echo "went on $( (as_the_unit tidemill checkpoint list /etc/tidemill/wordcount.toml) >/tmp/list.log 2>&1; echo $?)"

act --remove tidemill
echo "removed: program $(there /usr/bin/tidemill), unit $(there /usr/lib/systemd/system/tidemill@.service)," \
    "configuration $(there /etc/tidemill/wordcount.toml), state $(there $state/data/wordcount/checkpoint)"
act --purge tidemill
echo "purged: configuration $(there /etc/tidemill/wordcount.toml), one's own $(there /etc/tidemill/wordcount.toml.d/port.toml)," \
    "state $(there $state), user $(getent passwd tidemill >/dev/null && echo there || echo gone)"
echo "left $(dpkg-query -W -f '${db:Status-Status}' tidemill 2>/dev/null)"
