//! The service manager's notify protocol: datagrams of `KEY=VALUE` lines to `$NOTIFY_SOCKET`.
//!
//! Telling is best effort: without a manager there is nobody to tell, and a manager that can't be
//! reached is no reason to stop.

use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::{env, ffi::OsStr};

/// The work goes on from what was; batches are running.
pub(super) fn ready(status: &str) {
    tell(&format!("READY=1\nSTATUS={}", status.replace('\n', " ")));
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
    fn a_manager_that_has_gone_is_an_error_and_no_panic() {
        assert!(send(OsStr::new("/nowhere/at/all"), "READY=1").is_err());
    }
}
