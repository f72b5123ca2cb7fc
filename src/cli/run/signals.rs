//! SIGTERM and SIGINT, as events of the daemon.

use std::sync::mpsc::Sender;

use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::daemon::Event;
use crate::error::{Error, Result};

/// Reports each signal from now on.
pub(super) fn watch(runtime: &Handle, events: Sender<Event>) -> Result<()> {
    let _entered = runtime.enter();
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let caught = signal(kind).map_err(|error| Error::System {
            what: "catch signals",
            error,
        })?;
        runtime.spawn(report(caught, kind, events.clone()));
    }
    Ok(())
}

async fn report(mut caught: Signal, kind: SignalKind, events: Sender<Event>) {
    let number = u8::try_from(kind.as_raw_value()).unwrap_or_default();
    while caught.recv().await.is_some() {
        if events.send(Event::Signal(number)).is_err() {
            return;
        }
    }
}
