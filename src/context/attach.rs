//! What a checkpoint holds, attached to the program: states by uid, as planned, and accumulators.

use tidemill_checkpoint::Manifest;

use super::StreamingContext;
use crate::accumulator::SERIES;
use crate::error::{Error, Result};
use crate::recovery::{Change, Metadata, UpgradePlan};
use crate::state::{ChunkSource, FIRST_VERSION, StateMemory, Written};
use crate::uid::OperatorUid;

impl StreamingContext {
    /// Tells the program's parts where in time they are. Comes before their state.
    pub(super) fn prepare_for(&self, metadata: &Metadata) {
        let registry = &self.0.registry;
        registry.executor.set_hash_seed(metadata.hash_seed);
        registry.set_zero_time(metadata.zero_time);
        registry.set_complete_through(metadata.complete_through);
        let effects = &registry.effects;
        effects.recovered(metadata.complete_through, &metadata.completed);
    }

    /// Gives each state its share of the memory.
    pub(super) fn limit_states(&self, memory: &StateMemory) -> Result<()> {
        let nodes = self.0.registry.nodes();
        let states = nodes.iter().filter_map(|node| node.core().state.as_ref());
        let states: Vec<_> = states.filter(|state| !state.saves_datasets()).collect();
        for state in &states {
            let limited = state.limit_memory(memory, states.len());
            limited.map_err(|error| Error::Setting(error.to_string()))?;
        }
        Ok(())
    }

    /// Gives accumulators what the checkpoint holds of them.
    pub(super) fn restore_accumulators(
        &self,
        manifest: &Manifest,
        chunks: &ChunkSource<'_>,
    ) -> Result<()> {
        let Some(series) = manifest.series(SERIES) else {
            return Ok(());
        };
        let restored = self.0.registry.accumulators.restore(series, chunks);
        restored.map_err(|error| Error::Unreadable {
            place: "the accumulators of the checkpoint".to_owned(),
            reason: error.to_string(),
        })
    }

    /// Fills every state: from the checkpoint as planned, or with what the program begins with. An error
    /// names the operator.
    pub(super) fn attach_states(
        &self,
        manifest: Option<&Manifest>,
        metadata: &Metadata,
        plan: Option<&UpgradePlan>,
        chunks: &ChunkSource<'_>,
    ) -> Result<(), (OperatorUid, String)> {
        let executor = &self.0.registry.executor;
        for node in self.0.registry.nodes() {
            let Some(state) = &node.core().state else {
                continue;
            };
            let uid = node.core().uid();
            let planned = plan.and_then(|plan| plan.operator(uid.as_str()));
            let held =
                planned.filter(|planned| matches!(planned.change, Change::Keep | Change::Migrate));
            let series = held.and_then(|held| {
                let name = held.renamed_from.as_ref().unwrap_or(&held.uid);
                manifest?.series(name.as_str())
            });
            let Some(series) = series else {
                let begun = state.initialize(metadata.next_step(node.core().slide), executor);
                begun.map_err(|error| (uid.clone(), error.to_string()))?;
                continue;
            };
            let written = metadata.graph.operator(&uid);
            let written = written.and_then(|operator| operator.state.as_ref());
            let version = written.map_or(FIRST_VERSION, |written| written.version);
            let restored = state.restore(
                &Written {
                    series,
                    version,
                    through: metadata.complete_through,
                    zero: metadata.zero_time,
                    chunks,
                },
                executor,
            );
            restored.map_err(|error| {
                let (key, value) = state.type_names();
                let wrote = written.map_or_else(String::new, |written| {
                    if state.migrations().is_none() {
                        return format!(
                            "; it was written as `{}`, and the program has `{value}`: give the stream another uid",
                            written.value_type
                        );
                    }
                    format!(
                        "; it was written as keys `{}` and values `{}` in version {}, and the program has \
                         `{key}` and `{value}`: where a type changed, raise .state_version and register \
                         .migrate_state::<Old, New> or .migrate_keys",
                        written.key_type, written.value_type, written.version
                    )
                });
                (uid.clone(), format!("{error}{wrote}"))
            })?;
        }
        Ok(())
    }
}
