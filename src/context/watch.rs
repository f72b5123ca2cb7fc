//! [`Watch`]: a thread that looks once a second what people should look at, and tells the log when that begins,
//! gets worse, and is over.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use super::readiness::Alarm;
use super::{ContextState, Inner, Owner, StreamingContext};
use crate::clock::{Clock, Signal};

/// How often it looks.
const EVERY: Duration = Duration::from_secs(1);

/// A running watch.
pub(super) struct Watch {
    is_stopping: Arc<AtomicBool>,
    wake: Signal,
    thread: JoinHandle<()>,
}

impl Watch {
    pub(super) fn start(
        context: &StreamingContext,
        clock: Arc<dyn Clock>,
    ) -> std::io::Result<Self> {
        let (is_stopping, wake) = (Arc::new(AtomicBool::new(false)), Signal::default());
        let inner = Arc::downgrade(&context.0.inner);
        let (stopping, signal) = (Arc::clone(&is_stopping), wake.clone());
        let thread = std::thread::Builder::new()
            .name("tidemill-watch".to_owned())
            .spawn(move || watch(&inner, &*clock, &stopping, &signal))?;
        Ok(Self {
            is_stopping,
            wake,
            thread,
        })
    }

    pub(super) fn stop(self) {
        self.is_stopping.store(true, Ordering::Release);
        self.wake.notify();
        if self.thread.join().is_err() {
            tracing::error!("the watch over sources and batches panicked");
        }
    }
}

fn watch(inner: &Weak<Inner>, clock: &dyn Clock, is_stopping: &AtomicBool, wake: &Signal) {
    let mut told = Told::default();
    while !is_stopping.load(Ordering::Acquire) {
        clock.wait_until(clock.now().plus(EVERY), wake);
        let Some(inner) = inner.upgrade() else { return };
        let context = StreamingContext(Arc::new(Owner::borrowed(inner)));
        // That it stops ends nothing.
        if context.state() != ContextState::Active {
            continue;
        }
        let (news, over) = told.tell(context.alarms());
        drop(context);
        for alarm in news {
            tracing::warn!("{}", alarm.text);
        }
        for text in over {
            tracing::info!("over: {text}");
        }
    }
}

/// What has been told, by its subject.
#[derive(Default)]
struct Told(BTreeMap<String, Alarm>);

impl Told {
    /// What is new or worse in `alarms`, and what isn't among them any more.
    fn tell(&mut self, alarms: Vec<Alarm>) -> (Vec<Alarm>, Vec<String>) {
        let alarms: BTreeMap<String, Alarm> = alarms
            .into_iter()
            .map(|alarm| (alarm.subject.clone(), alarm))
            .collect();
        let is_news = |alarm: &&Alarm| {
            let known = self.0.get(&alarm.subject);
            known.is_none_or(|known| alarm.level > known.level)
        };
        let news = alarms.values().filter(is_news).cloned().collect();
        let over = self
            .0
            .iter()
            .filter(|(subject, _)| !alarms.contains_key(*subject));
        let over = over.map(|(_, alarm)| alarm.text.clone()).collect();
        self.0 = alarms;
        (news, over)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(subject: &str, level: u32) -> Alarm {
        Alarm {
            subject: subject.to_owned(),
            level,
            text: format!("{subject} is at {level}"),
        }
    }

    #[test]
    fn each_is_told_when_it_begins_gets_worse_and_ends() {
        let mut told = Told::default();
        let mut tell = |alarms: &[(&str, u32)]| {
            let alarms = alarms.iter().map(|(subject, level)| alarm(subject, *level));
            let (news, over) = told.tell(alarms.collect());
            let news: Vec<String> = news.into_iter().map(|alarm| alarm.text).collect();
            (news, over)
        };
        let nothing: Vec<String> = Vec::new();
        assert_eq!(
            tell(&[("a", 0)]),
            (vec!["a is at 0".to_owned()], nothing.clone())
        );
        assert_eq!(tell(&[("a", 0)]), (nothing.clone(), nothing.clone()));
        assert_eq!(
            tell(&[("a", 2), ("b", 0)]),
            (
                vec!["a is at 2".to_owned(), "b is at 0".to_owned()],
                nothing.clone()
            )
        );
        assert_eq!(
            tell(&[("b", 0)]),
            (nothing.clone(), vec!["a is at 2".to_owned()])
        );
        assert_eq!(
            tell(&[("a", 0), ("b", 0)]),
            (vec!["a is at 0".to_owned()], nothing)
        );
    }
}
