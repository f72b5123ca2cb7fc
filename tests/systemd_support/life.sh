# What becomes of tidemill.service and stuck.service in the hands of systemd; each line is looked at by the test.
shown() { systemctl --user show "$1.service" -p "$2" --value; }
until_shown() { # UNIT PROPERTY PATTERN
    for _ in $(seq 600); do
        [[ "$(shown "$1" "$2")" == $3 ]] && return
        sleep 0.1
    done
    echo "waited too long for $1 $2 $3: $(shown "$1" "$2")"
}
systemctl --user start tidemill.service
echo "started $? $(shown tidemill ActiveState) $(shown tidemill StatusText)"
first=$(shown tidemill MainPID)
systemctl --user reload tidemill.service
until_shown tidemill StatusText "reloaded*"
echo "reload $(shown tidemill StatusText)"
systemctl --user start stuck.service
until_shown stuck NRestarts "[1-9]*"
echo "stuck $(shown stuck NRestarts)"
systemctl --user kill -s KILL stuck.service
systemctl --user stop stuck.service
[ "$(shown tidemill MainPID)" = "$first" ] && echo "still $(shown tidemill NRestarts)"
systemctl --user stop tidemill.service
echo "stopped $(shown tidemill Result) $(shown tidemill ExecMainStatus)"
