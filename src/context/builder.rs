//! [`Builder`]: how a context is set up. What it can be told is in the files below, by what it is about.

/// Methods that set one field each.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident($($field:ident).+: $type:ty) $(= $wrap:path)?;)*) => {$(
        $(#[$doc])*
        pub fn $name(mut self, value: $type) -> Self {
            self.0.$($field).+ = $($wrap)?(value);
            self
        }
    )*};
}

mod intake;
mod resumption;
mod storage;
mod work;

use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::time::Duration;

use super::settings::Settings;
use super::{ContextState, Inner, Life, Owner, StreamingContext};
use crate::clock::Clock;
use crate::dead_letters::DeadLetterOffice;
use crate::dstream::Registry;
use crate::error::{Error, Result};
use crate::rdd::Executor;
use crate::scheduler::ListenerBus;
use crate::source::Ingest;

/// Sets up a [`StreamingContext`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Builder(pub(super) Settings);

impl Builder {
    /// Where time comes from [the machine].
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    /// use tidemill::Time;
    /// use tidemill::clock::ManualClock;
    ///
    /// let context = StreamingContext::builder("words", Duration::from_secs(1))
    ///     .clock(ManualClock::new(Time::from_millis(1000)))
    ///     .build()?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.0.clock = Some(Arc::new(clock));
        self
    }

    /// The text of the program, kept in checkpoints for people: a pipeline file.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    ///
    /// let context = StreamingContext::builder("words", Duration::from_secs(1))
    ///     .program_text("words, counted")
    ///     .build()?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn program_text(mut self, text: impl Into<String>) -> Self {
        self.0.program = Some(text.into());
        self
    }

    /// Where the admin server answers, told to whoever is refused the checkpoint location.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    ///
    /// let context = StreamingContext::builder("words", Duration::from_secs(1))
    ///     .admin_address("http://127.0.0.1:7878")
    ///     .build()?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn admin_address(mut self, address: impl Into<String>) -> Self {
        self.0.admin = Some(address.into());
        self
    }

    /// Makes the context.
    ///
    /// # Errors
    /// When a setting makes no sense, or the CPU pool can't be had.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tidemill::StreamingContext;
    ///
    /// let context = StreamingContext::builder("words", Duration::from_secs(1)).build()?;
    /// assert_eq!(context.name(), "words");
    /// // Without a batch interval there are no batches.
    /// assert!(StreamingContext::builder("words", Duration::ZERO).build().is_err());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn build(self) -> Result<StreamingContext> {
        let settings = self.0;
        let refuse = |what: &str| Err(Error::Setting(what.to_owned()));
        if settings.batch_interval < Duration::from_millis(1)
            || !settings
                .batch_interval
                .subsec_nanos()
                .is_multiple_of(1_000_000)
        {
            return refuse("the batch interval must be a positive whole number of milliseconds");
        }
        if settings.name.is_empty() {
            return refuse(
                "the application needs a name: checkpoints and outputs are told apart by it",
            );
        }
        if settings.receiver.limits.max_rate.is_some_and(is_no_rate) {
            return refuse("receiver_max_rate must be a positive number of records a second");
        }
        let mistake = settings.backpressure.mistake();
        if let Some(mistake) = mistake.or_else(|| settings.catch_up.mistake()) {
            return refuse(&mistake);
        }
        let executor = Executor::new(settings.parallelism, settings.max_failures)
            .map_err(|error| Error::Setting(format!("no CPU pool can be had: {error}")))?;
        let dead_letters = DeadLetterOffice::at(settings.dead_letters.as_deref())
            .map_err(|error| Error::Setting(format!("dead letters: {error}")))?;
        executor.cache().configure(settings.cache.clone());
        if let Some(bytes) = settings.shuffle_memory {
            executor.shuffles().limit(bytes);
        }
        let registry = Registry::new(
            settings.name.clone(),
            settings.batch_interval,
            executor,
            settings.partitions.unwrap_or(settings.parallelism),
            dead_letters,
        );
        registry.effects.allow(settings.max_dead_letters);
        Ok(StreamingContext(Arc::new(Owner::new(Inner {
            settings: Mutex::new(settings),
            registry: Arc::new(registry),
            inputs: Mutex::default(),
            ingest: Ingest::default(),
            intake: Arc::default(),
            bus: ListenerBus::default(),
            progress: Arc::default(),
            steps: super::steps::Steps::default(),
            runtime: OnceLock::new(),
            life: Mutex::new(Life {
                state: ContextState::Initialized,
                started: None,
                running: None,
                engine: None,
                batch_error: None,
                fatal: None,
                is_broken: false,
                is_fenced: false,
            }),
            changed: Condvar::new(),
        }))))
    }
}

/// Whether a number can't be a rate.
pub(super) fn is_no_rate(rate: f64) -> bool {
    !(rate > 0.0 && rate.is_finite())
}
