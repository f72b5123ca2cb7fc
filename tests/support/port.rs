//! A port for a server that must be told which.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the ports that the system gives to whoever asks for any, or connects: nobody takes one of these by chance
/// between its being looked for and its being used.
const FIRST: u16 = 12_000;
const PORTS: u16 = 20_000;
/// Of one process, before it comes to another's.
const EACH: u16 = 20;

/// A port of the loopback address that is free.
pub fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let processes = u32::from(PORTS / EACH);
    let own = (std::process::id() % processes) as u16 * EACH;
    let begin = own + TAKEN.fetch_add(1, Ordering::Relaxed) % EACH;
    let mut ports = (0..PORTS).map(|n| FIRST + (begin + n) % PORTS);
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(is_free).unwrap()
}
