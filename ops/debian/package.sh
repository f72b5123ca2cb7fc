#!/usr/bin/env bash
# Makes a Debian package of a binary that has been built:
#     package.sh BINARY FOLDER
# and prints its path, FOLDER/tidemill_VERSION_ARCHITECTURE.deb. The same binary and the same commit give the same bytes
# (SOURCE_DATE_EPOCH sets another time). Plain dpkg-deb: what is in the package stands below, and only that.
set -euo pipefail
[ $# = 2 ] || { echo "usage: $0 BINARY FOLDER" >&2; exit 2; }
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
binary=$(realpath "$1")
folder=$2
maintainer=${TIDEMILL_MAINTAINER:-tidemill maintainers <maintainers@tidemill.invalid>}
# What the binary was built with, for the licences of what is in it.
features=${TIDEMILL_FEATURES:-full}
# With this, a package of its own version can be made: a rebuild, or the one that a test upgrades to.
revision=${TIDEMILL_REVISION:-1}

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$top/Cargo.toml" | head -n 1)
[ -n "$version" ] || { echo "no version in $top/Cargo.toml" >&2; exit 1; }
version=$version-$revision
architecture=$(dpkg --print-architecture)
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    # Without a repository: when the binary was built.
    SOURCE_DATE_EPOCH=$(git -C "$top" log -1 --format=%ct 2>/dev/null || stat -c %Y "$binary")
fi
export SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/debian/tidemill
doc=$root/usr/share/doc/tidemill
mkdir -p "$root/DEBIAN"

# put MODE FILE PLACE
put() { install -D -m "$1" "$top/$2" "$root/$3"; }

install -D -m 755 "$binary" "$root/usr/bin/tidemill"
strip --remove-section=.comment --remove-section=.note "$root/usr/bin/tidemill"

put 644 ops/systemd/tidemill@.service usr/lib/systemd/system/tidemill@.service
put 644 ops/systemd/tidemill@.socket usr/lib/systemd/system/tidemill@.socket
put 644 ops/sysusers.d/tidemill.conf usr/lib/sysusers.d/tidemill.conf
put 644 config/examples/wordcount.toml etc/tidemill/wordcount.toml

# What the binary says of itself.
"$binary" man "$root/usr/share/man/man1"
gzip -9n "$root"/usr/share/man/man1/*
mkdir -p "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions" \
    "$root/usr/share/fish/vendor_completions.d"
"$binary" completions bash >"$root/usr/share/bash-completion/completions/tidemill"
"$binary" completions zsh >"$root/usr/share/zsh/vendor-completions/_tidemill"
"$binary" completions fish >"$root/usr/share/fish/vendor_completions.d/tidemill.fish"

for page in "$top"/docs/*.md; do
    put 644 "docs/$(basename "$page")" "usr/share/doc/tidemill/$(basename "$page")"
done
put 644 config/default.toml usr/share/doc/tidemill/examples/default.toml
for example in "$top"/config/examples/*.toml; do
    put 644 "config/examples/$(basename "$example")" "usr/share/doc/tidemill/examples/$(basename "$example")"
done
put 644 ops/prometheus/alerts.yml usr/share/doc/tidemill/examples/prometheus/alerts.yml
put 644 ops/grafana/tidemill.json usr/share/doc/tidemill/examples/grafana/tidemill.json
put 644 ops/debian/copyright usr/share/doc/tidemill/copyright
cargo metadata --manifest-path "$top/Cargo.toml" --format-version 1 --locked --features "$features" \
    --filter-platform "$(rustc -vV | sed -n 's/^host: //p')" | "$top/ops/debian/third_party.py" >"$doc/third-party-licences"
put 644 CHANGELOG.md usr/share/doc/tidemill/changelog
cat >"$doc/changelog.Debian" <<END
tidemill ($version) unstable; urgency=medium

  * What is new is in changelog.gz beside this file.

 -- $maintainer  $(date -u -R -d "@$SOURCE_DATE_EPOCH")
END
gzip -9n "$doc/changelog" "$doc/changelog.Debian" "$doc/third-party-licences"
put 644 ops/debian/lintian-overrides usr/share/lintian/overrides/tidemill

for script in postinst prerm postrm; do
    put 755 "ops/debian/$script" "DEBIAN/$script"
done
echo /etc/tidemill/wordcount.toml >"$root/DEBIAN/conffiles"

# The libraries that the binary was linked with.
printf 'Source: tidemill\n\nPackage: tidemill\nArchitecture: any\nDepends: ${shlibs:Depends}\n' >"$work/debian/control"
libraries=$(cd "$work" && dpkg-shlibdeps -O debian/tidemill/usr/bin/tidemill 2>"$work/shlibdeps.log") ||
    { cat "$work/shlibdeps.log" >&2; exit 1; }

cat >"$root/DEBIAN/control" <<END
Package: tidemill
Version: $version
Architecture: $architecture
Maintainer: $maintainer
Installed-Size: $(du -sk --apparent-size --exclude=DEBIAN "$root" | cut -f 1)
Depends: ${libraries#shlibs:Depends=}, systemd | systemd-standalone-sysusers | systemd-sysusers
Recommends: ca-certificates
Suggests: prometheus
Section: misc
Priority: optional
Description: fault-tolerant, checkpointing micro-batch stream engine
 Tidemill runs pipelines that are written in TOML: lines come in over HTTP,
 sockets, files or object stores, are counted, joined and kept in windows and
 states in small batches, and go out to files, object stores and other places.
 What was acknowledged is in exactly one batch, whatever is killed or fails:
 it is logged ahead, checkpoints say where to go on, and each output is put in
 place once.
 .
 This package has the daemon with its command line, and a systemd service of
 which each instance runs one pipeline.
END
(cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | LC_ALL=C sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"

find "$root" -type d -exec chmod 755 {} +
mkdir -p "$folder"
package=$(realpath "$folder")/tidemill_${version}_$architecture.deb
# TIDEMILL_DPKG_DEB: options more, such as those of compression.
# shellcheck disable=SC2086
dpkg-deb --root-owner-group ${TIDEMILL_DPKG_DEB:-} --build "$root" "$package" >/dev/null
echo "$package"
