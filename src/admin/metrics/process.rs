//! `process_*`: what every program tells Prometheus of itself, by the names that its clients agree on.

use std::time::Duration;

use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::exposition::Exposition;
use crate::clock::{time_since_boot, wall_clock};

/// Ticks a second in the kernel's tables. What it counts in itself may be another number; this one it never
/// changes.
const TICKS: f64 = 100.0;

pub(super) fn process(text: &mut Exposition) {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let cpu = cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9;
    let help = "Processor time of the process, user's and system's.";
    text.counter("process_cpu_seconds_total", help, cpu);
    if let Some(started) = start_seconds() {
        let help = "When the process began, in seconds since the Unix epoch.";
        text.gauge("process_start_time_seconds", help, started);
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let figures = [
        (
            "process_resident_memory_bytes",
            "Resident memory of the process.",
            "VmRSS:",
        ),
        (
            "process_virtual_memory_bytes",
            "Virtual memory of the process.",
            "VmSize:",
        ),
    ];
    for (name, help, key) in figures {
        if let Some(kilobytes) = number(&status, key) {
            text.gauge(name, help, kilobytes.saturating_mul(1024));
        }
    }
    if let Some(threads) = number(&status, "Threads:") {
        text.gauge("process_threads", "Threads of the process.", threads);
    }
    if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
        // One of them is for looking.
        let open = open.count().saturating_sub(1);
        text.gauge("process_open_fds", "Open file descriptors.", open);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        let help = "File descriptors that the process may open.";
        text.gauge("process_max_fds", help, most);
    }
}

/// A number of `/proc/self/status`.
fn number(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.split_whitespace().next()?.parse().ok()
}

/// When the process began, in seconds since the Unix epoch.
fn start_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let since_boot = Duration::try_from_secs_f64(start_ticks(&stat)? as f64 / TICKS).ok()?;
    let age = time_since_boot().saturating_sub(since_boot);
    Some(super::seconds(wall_clock().as_millis()) - age.as_secs_f64())
}

/// The 22nd field. The second is the program's name, which may hold anything, parentheses too.
fn start_ticks(stat: &str) -> Option<u64> {
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_the_process() {
        let mut text = Exposition::default();
        process(&mut text);
        let text = text.into_text();
        let value = |name: &str| -> f64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            let line = line.unwrap_or_else(|| panic!("{name} isn't in {text}"));
            line.trim().parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes ") > 100_000.0);
        assert!(value("process_virtual_memory_bytes ") > 100_000.0);
        assert!(value("process_cpu_seconds_total ") > 0.0);
        assert!(value("process_threads ") >= 1.0);
        assert!(value("process_open_fds ") >= 3.0);
        assert!(value("process_max_fds ") >= value("process_open_fds "));
        let now = super::super::seconds(wall_clock().as_millis());
        let age = now - value("process_start_time_seconds ");
        assert!((-1.0..86_400.0).contains(&age), "{age}");
    }

    #[test]
    fn a_programs_name_may_hold_anything() {
        let stat = "7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4711 20";
        assert_eq!(start_ticks(stat), Some(4711));
    }
}
