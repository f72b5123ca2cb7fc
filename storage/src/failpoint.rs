//! [`failpoint!`](crate::failpoint!): named places around durable steps where a test can make the
//! process die.
//!
//! Without the feature `failpoints` the macro compiles to nothing. With it, the environment variable
//! `FAILPOINTS` (read once by [`failpoints_from_env`]) configures points as the `fail` crate does:
//! `FAILPOINTS='wal::after_group_sync=5*off->return'`. The action `return` means that the process
//! kills itself at that very instant with SIGKILL: no destructor runs, no buffer is flushed.

/// Marks a place where a test can make the process die; see [`mod@crate::failpoint`].
#[cfg(feature = "failpoints")]
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        $crate::failpoint::hit($name)
    };
}

/// Marks a place where a test can make the process die; see [`mod@crate::failpoint`].
#[cfg(not(feature = "failpoints"))]
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {};
}

/// Acts as configured for `name`; what [`failpoint!`](crate::failpoint!) calls.
#[cfg(feature = "failpoints")]
pub fn hit(name: &str) {
    if fail::eval(name, |_| ()).is_some() {
        die();
    }
}

#[cfg(feature = "failpoints")]
fn die() -> ! {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    // SIGKILL can't be caught; the thread only has to wait until it is delivered.
    loop {
        std::thread::park();
    }
}

/// Arms the failpoints that the environment variable `FAILPOINTS` names, for the rest of the
/// process's life. Does nothing without the feature `failpoints`.
pub fn failpoints_from_env() {
    #[cfg(feature = "failpoints")]
    std::mem::forget(fail::FailScenario::setup());
}
