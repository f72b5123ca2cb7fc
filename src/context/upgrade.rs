//! What a checkpoint and the program have to do with each other: the plan.

use std::collections::BTreeMap;

use tidemill_checkpoint::{CheckpointReader, Location, Manifest, Newest};

use super::locations::Locations;
use super::settings::Settings;
use super::{StreamingContext, rewind};
use crate::error::{Error, Result};
use crate::graph::{GraphDescriptor, validate};
use crate::recovery::{Metadata, Program, Renames, StateOffer, UpgradePlan, held_states};
use crate::time::millis;
use crate::uid::OperatorUid;

/// A checkpoint that this program may go on from, or not.
pub(super) struct Compared {
    /// The checkpoint, in the program's names.
    pub(super) metadata: Metadata,
    pub(super) plan: UpgradePlan,
    /// How the program calls what is older than it.
    pub(super) renames: Renames,
}

impl StreamingContext {
    /// What a start would do with the checkpoint that is there: which state it keeps, migrates, drops or
    /// refuses, and what is new. `None` when there is no checkpoint yet. Looks only: takes no lock and no
    /// epoch, and writes nothing, so a driver may be live meanwhile.
    ///
    /// With [`Builder::from_savepoint`](crate::Builder::from_savepoint) it is about the savepoint.
    ///
    /// Whether the types of keys and values can be read shows at the start, or with
    /// `tidemill check --against`, which reads them all. Spark can't go on from a checkpoint once the program
    /// has changed.
    ///
    /// # Errors
    /// When the program is wrong by itself, there is no checkpoint location, or it can't be read.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tidemill::StreamingContext;
    /// # fn main() -> tidemill::Result<()> {
    /// # let context = StreamingContext::builder("totals", Duration::from_secs(1))
    /// #     .checkpoint("memory:doc-plan").build()?;
    /// # let (words, _queue) = context.queue_stream::<str>();
    /// words.count_by_value().print();
    /// assert!(context.upgrade_plan()?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn upgrade_plan(&self) -> Result<Option<UpgradePlan>> {
        let settings = self.settings().clone();
        validate(&self.0.registry, settings.checkpoint.is_some())?;
        let location = Locations::of(&settings)?.checkpoint;
        let reader = match CheckpointReader::open(&location) {
            Err(tidemill_checkpoint::Error::NoStore { .. }) => return Ok(None),
            other => other?,
        };
        let found = glance(&reader, settings.savepoint.as_deref(), &location)?;
        let compared = found.map(|manifest| self.compare(&settings, &location, &manifest));
        compared
            .transpose()
            .map(|found| found.map(|found| found.plan))
    }

    /// What a start would do with this checkpoint.
    pub(crate) fn plan_for(&self, manifest: &Manifest) -> Result<UpgradePlan> {
        let settings = self.settings().clone();
        let location = Locations::of(&settings)?.checkpoint;
        let compared = self.compare(&settings, &location, manifest)?;
        Ok(compared.plan)
    }

    /// Holds the program against a checkpoint.
    pub(super) fn compare(
        &self,
        settings: &Settings,
        location: &Location,
        manifest: &Manifest,
    ) -> Result<Compared> {
        let place = format!("checkpoint {} at {location}", manifest.id);
        let mut metadata = Metadata::decode(&manifest.metadata, &place)?;
        let graph = GraphDescriptor::of(&self.0.registry);
        let states = self.offers();
        let program = Program {
            application: &settings.name,
            batch_interval_ms: millis(settings.batch_interval),
            graph: &graph,
            states: &states,
            permits: &settings.permits,
        };
        let held = held_states(manifest);
        let plan = program.plan(&location.to_string(), manifest.id.0, &metadata, &held);
        let renames = Renames::for_program(&settings.permits.renames, &graph);
        renames.apply(&mut metadata);
        Ok(Compared {
            metadata,
            plan,
            renames,
        })
    }

    /// How the program calls what is older than it: letters, events, checkpoints.
    pub(crate) fn renames(&self) -> Renames {
        let graph = GraphDescriptor::of(&self.0.registry);
        Renames::for_program(&self.settings().permits.renames, &graph)
    }

    /// What the program's operators can take over.
    fn offers(&self) -> BTreeMap<OperatorUid, StateOffer> {
        let nodes = self.0.registry.nodes();
        let offer = |node: &std::sync::Arc<dyn crate::dstream::AnyNode>| {
            let state = node.core().state.as_ref()?;
            let migrations = state.migrations();
            let offer = StateOffer {
                partitions: state.partitions(),
                migrates_from: migrations
                    .map(|migrations| migrations.versions_left())
                    .unwrap_or_default(),
            };
            Some((node.core().uid(), offer))
        };
        nodes.iter().filter_map(offer).collect()
    }
}

/// What a start says of a plan that can't be carried out.
pub(super) fn refused(plan: UpgradePlan) -> Error {
    Error::Incompatible {
        location: plan.location,
        differences: plan.refusals,
    }
}

/// The checkpoint that a start would go on from, if what it holds is as it was written.
pub(super) fn glance(
    reader: &CheckpointReader,
    savepoint: Option<&str>,
    location: &Location,
) -> Result<Option<Manifest>> {
    let newest = reader.newest_manifest().map(|manifest| Newest {
        manifest,
        skipped: Vec::new(),
    });
    let savepoint = savepoint.map(|name| (name, reader.savepoint(name)));
    let found = rewind::find(newest, savepoint, &location.to_string())?;
    Ok(found.base().cloned())
}
