//! [`Telling`]: an exporter that says when a collector doesn't take what it is sent, and when it does again; each once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

#[derive(Debug)]
pub(super) struct Telling<E> {
    exporter: E,
    collector: String,
    is_failing: AtomicBool,
}

impl<E> Telling<E> {
    pub(super) fn new(exporter: E, collector: String) -> Self {
        Self {
            exporter,
            collector,
            is_failing: AtomicBool::new(false),
        }
    }

    fn tell(&self, result: &OTelSdkResult) {
        let collector = &self.collector;
        let was_failing = self.is_failing.swap(result.is_err(), Ordering::Relaxed);
        match result {
            Err(error) if !was_failing => tracing::warn!(
                %error, %collector,
                "traces aren't taken; until they are, they are dropped, and batches go on"
            ),
            Ok(()) if was_failing => tracing::info!(%collector, "traces are taken again"),
            _ => {}
        }
    }
}

impl<E: SpanExporter> SpanExporter for Telling<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let result = self.exporter.export(batch).await;
        self.tell(&result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
