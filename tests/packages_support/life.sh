# What becomes of a machine on which the packages are installed, upgraded, removed and purged, with systemd running it;
# each line is looked at by the test.
cd /
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive SYSTEMD_PAGER=cat
state=/var/lib/tidemill
service=tidemill@wordcount.service
url=http://127.0.0.1:4040
fail() { echo "$1"; systemctl status $service; journalctl -u $service; exit 1; }
act() { dpkg --force-unsafe-io --no-triggers "$@" </dev/null >/tmp/dpkg.log 2>&1 || fail "$(cat /tmp/dpkg.log)"; }
there() { [ -e "$1" ] && echo "there" || echo "gone"; }
shown() { systemctl show $service -p "$1" --value; }
feed() { printf '%s\n' "$1" | curl -sS --data-binary @- "$url/ingest/lines"; }
counted() { cat $state/data/wordcount/out/counts-*/part-* 2>/dev/null | sort | tr '\n' ' '; }
expect() { # WORDS
    for _ in $(seq 600); do
        [[ "$(counted)" == *"$1"* ]] && return
        sleep 0.1
    done
    fail "waited too long for $1 in $(counted)"
}

# Whatever this machine has, and has against starting services.
rm -f /usr/sbin/policy-rc.d
act --purge tidemill
rm -rf $state /etc/tidemill

act -i /packages/one/*.deb
echo "installed $(dpkg-query -W -f '${db:Status-Status} ${Version}' tidemill), $(shown ActiveState)"
echo "user $(getent passwd tidemill | cut -d: -f 6,7)"
echo "state $(stat -c '%U:%G %a' $state)"
echo "configuration $(stat -c '%U:%G %a' /etc/tidemill/wordcount.toml)"
echo "manual $(there /usr/share/man/man1/tidemill.1.gz)"
echo "completions $(bash -c '. /usr/share/bash-completion/completions/tidemill && complete -p tidemill' | wc -l)"
tidemill check /etc/tidemill/wordcount.toml >/tmp/check.log 2>&1
echo "check $?"
dpkg --verify tidemill && echo "verified"

systemctl enable --quiet --now $service || fail "it doesn't start"
first=$(shown MainPID)
echo "runs $(shown ActiveState) as $(stat -c %U "/proc/$first")"
echo "ready $(curl -sS -o /dev/null -w '%{http_code}' $url/readyz)"
echo "took $(feed 'to be or not to be')"
expect '(be,2)'

echo '# An operator was here.' >>/etc/tidemill/wordcount.toml
act --force-confdef -i /packages/two/*.deb
second=$(shown MainPID)
echo "upgraded $(dpkg-query -W -f '${db:Status-Status} ${Version}' tidemill), $(shown ActiveState) $(shown Result)"
[ "$second" != "$first" ] && [ "$second" != 0 ] && echo "another process"
journalctl -o cat _PID="$first" | grep -c '^stopped' | sed 's/^/the first stopped gracefully: /'
echo "operator $(tail -n 1 /etc/tidemill/wordcount.toml)"
echo "state $(stat -c '%U:%G %a' $state)"
echo "took $(feed 'that is the question')"
expect '(question,1)'
echo "counted $(counted)"

# One that doesn't run isn't started by an upgrade.
systemctl stop $service
act --force-confdef -i /packages/one/*.deb
echo "while stopped: $(shown ActiveState)"
systemctl start $service || fail "it doesn't start again"

act --remove tidemill
echo "removed: process $(there "/proc/$(pgrep -x tidemill || echo none)"), program $(there /usr/bin/tidemill)," \
    "unit $(there /usr/lib/systemd/system/tidemill@.service), configuration $(there /etc/tidemill/wordcount.toml)," \
    "state $(there $state/data/wordcount/checkpoint)"
mkdir /etc/tidemill/mine.toml.d
act --purge tidemill
echo "purged: configuration $(there /etc/tidemill/wordcount.toml), one's own $(there /etc/tidemill/mine.toml.d)," \
    "state $(there $state), user $(getent passwd tidemill >/dev/null && echo there || echo gone)"
echo "left $(dpkg-query -W -f '${db:Status-Status}' tidemill 2>/dev/null)"
