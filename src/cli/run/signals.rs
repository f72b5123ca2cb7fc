//! SIGTERM and SIGINT, as events of the daemon; SIGHUP, as a reload.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Weak};

use tokio::runtime::Handle;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::daemon::Event;
use super::reload::Reloader;
use crate::error::{Error, Result};

/// Reports each signal from now on.
pub(super) fn watch(
    runtime: &Handle,
    events: &Sender<Event>,
    reloader: &Arc<Reloader>,
) -> Result<()> {
    let _entered = runtime.enter();
    let catch = |kind| {
        signal(kind).map_err(|error| Error::System {
            what: "catch signals",
            error,
        })
    };
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        runtime.spawn(report(catch(kind)?, kind, events.clone()));
    }
    let hangup = catch(SignalKind::hangup())?;
    runtime.spawn(reload(hangup, Arc::downgrade(reloader)));
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

/// Holds the reloader only while it works: it holds the context, which holds the runtime of this.
async fn reload(mut caught: Signal, reloader: Weak<Reloader>) {
    while caught.recv().await.is_some() {
        let Some(reloader) = reloader.upgrade() else {
            return;
        };
        // How it went has been told; whoever sends a signal gets no answer.
        let reloading = tokio::task::spawn_blocking(move || reloader.reload("SIGHUP").is_ok());
        let _ = reloading.await;
    }
}
