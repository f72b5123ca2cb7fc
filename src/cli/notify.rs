//! The service manager's notify protocol: datagrams of `KEY=VALUE` lines to `$NOTIFY_SOCKET`.
//!
//! Telling is best effort: without a manager there is nobody to tell, and a manager that can't be
//! reached is no reason to stop.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;
use std::{env, ffi::OsStr};

/// The work goes on from what was; batches are running.
pub(super) fn ready(status: &str) {
    tell(&format!("READY=1\nSTATUS={}", in_a_line(status)));
}

/// Settings are being read again; [`ready`] ends it. The time tells the manager that this isn't the answer to an
/// earlier question (`Type=notify-reload`).
pub(super) fn reloading() {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let usec = now
        .tv_sec
        .saturating_mul(1_000_000)
        .saturating_add(now.tv_nsec / 1000);
    tell(&format!(
        "RELOADING=1\nMONOTONIC_USEC={usec}\nSTATUS=reading the settings again"
    ));
}

/// The end has begun.
pub(super) fn stopping() {
    tell("STOPPING=1\nSTATUS=stopping");
}

/// What it is at, on the manager's status line; `extension` is by how much its time-out is put off.
pub(super) fn status(status: &str, extension: Option<Duration>) {
    let extension = extension.map_or_else(String::new, |extension| {
        format!("EXTEND_TIMEOUT_USEC={}\n", extension.as_micros())
    });
    tell(&format!("{extension}STATUS={}", in_a_line(status)));
}

/// It is alive.
pub(super) fn watchdog() {
    tell("WATCHDOG=1");
}

/// How long the manager waits for a sign of life from this process, if it does.
pub(super) fn watchdog_interval() -> Option<Duration> {
    interval_of(
        env::var("WATCHDOG_USEC").ok().as_deref(),
        env::var("WATCHDOG_PID").ok().as_deref(),
        std::process::id(),
    )
}

/// The interval that is meant for process `own`: that of any, when none is named.
fn interval_of(usec: Option<&str>, pid: Option<&str>, own: u32) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.parse() != Ok(own)) {
        return None;
    }
    let usec = usec?.parse().ok().filter(|usec| *usec > 0)?;
    Some(Duration::from_micros(usec))
}

fn in_a_line(text: &str) -> String {
    text.replace('\n', " ")
}

fn tell(message: &str) {
    let Some(socket) = env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else {
        return;
    };
    if let Err(error) = send(&socket, message) {
        tracing::warn!(?socket, %error, "the service manager can't be told");
    }
}

/// A name that begins with `@` is an abstract socket's, any other a path.
fn send(socket: &OsStr, message: &str) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?
        .send_to_addr(message.as_bytes(), &address)
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 200];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn sockets_by_path_and_abstract_ones_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), "READY=1").unwrap();
        assert_eq!(received(&socket), "READY=1");

        let name = format!("tidemill-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        send(OsStr::new(&format!("@{name}")), "STOPPING=1").unwrap();
        assert_eq!(received(&socket), "STOPPING=1");
    }

    #[test]
    fn the_watchdog_is_fed_by_whom_it_watches() {
        let minute = Some(Duration::from_secs(60));
        assert_eq!(interval_of(Some("60000000"), None, 7), minute);
        assert_eq!(interval_of(Some("60000000"), Some("7"), 7), minute);
        assert_eq!(interval_of(Some("60000000"), Some("8"), 7), None);
        assert_eq!(interval_of(None, Some("7"), 7), None);
        assert_eq!(interval_of(Some("0"), None, 7), None);
        assert_eq!(interval_of(Some("soon"), None, 7), None);
    }

    #[test]
    fn a_manager_that_has_gone_is_an_error_and_no_panic() {
        assert!(send(OsStr::new("/nowhere/at/all"), "READY=1").is_err());
    }
}
