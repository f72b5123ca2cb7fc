//! What is checked and settled before a program runs.

use std::sync::Arc;
use std::time::Duration;

use crate::dstream::{Mistake, Registry};
use crate::error::{Error, Result};
use crate::state::AnyState;

/// Refuses a program that can't run, with everything that is wrong with it.
pub(crate) fn validate(registry: &Registry, has_checkpoint: bool) -> Result<()> {
    let mut mistakes = registry.mistakes();
    let nodes = registry.nodes();
    for node in &nodes {
        let core = node.core();
        let mistake = |message: String| Mistake {
            uid: core.uid(),
            message,
            caller: core.caller,
        };
        let needs_checkpoint = |state: &Arc<dyn AnyState>| state.window().is_none();
        if core.state.as_ref().is_some_and(needs_checkpoint) && !has_checkpoint {
            mistakes.push(mistake(
                "a stream with state needs a checkpoint location: set one on the context's builder"
                    .to_owned(),
            ));
        }
        let migrations = core.state.as_ref().and_then(|state| state.migrations());
        for (message, caller) in migrations
            .map(|migrations| migrations.flaws())
            .unwrap_or_default()
        {
            mistakes.push(Mistake {
                uid: core.uid(),
                message,
                caller,
            });
        }
        if core.looks_back > Duration::ZERO && registry.reads_state(&core.parents) {
            mistakes.push(mistake(
                "a window over a stream with state can't be rebuilt after a restart; put the window \
                 before the state, or `checkpoint` between them"
                    .to_owned(),
            ));
        }
    }
    if !mistakes.is_empty() {
        return Err(Error::Mistakes(mistakes));
    }
    if registry.outputs().is_empty() {
        return Err(Error::NoOutput);
    }
    Ok(())
}

/// Settles how long each operator keeps its datasets: as long as any operator that reads it needs them.
pub(crate) fn resolve_remember(registry: &Registry, at_least: Duration) {
    let nodes = registry.nodes();
    for node in nodes.iter().rev() {
        let core = node.core();
        core.remember_at_least(at_least);
        for parent in core.parents.iter().filter_map(|id| nodes.get(*id)) {
            parent
                .core()
                .remember_at_least(core.remember() + core.looks_back);
        }
    }
}

/// How long after its batch any data may still be read.
pub(crate) fn longest_memory(registry: &Registry) -> Duration {
    let remember = |node: &std::sync::Arc<dyn crate::dstream::AnyNode>| node.core().remember();
    registry
        .nodes()
        .iter()
        .map(remember)
        .max()
        .unwrap_or_default()
}

/// How long after data came in a result may still show it, where nothing holds it for ever: all windows on
/// its way, and the first result without it.
pub(crate) fn longest_echo(registry: &Registry) -> Duration {
    let mut echoes: Vec<Duration> = Vec::new();
    for node in registry.nodes() {
        let core = node.core();
        let window = core.state.as_ref().and_then(|state| state.window());
        let own = match window.map_or(core.looks_back, |window| window + core.looks_back) {
            Duration::ZERO => Duration::ZERO,
            length => length + core.slide,
        };
        let parents = core.parents.iter().filter_map(|id| echoes.get(*id));
        let before = parents.max().copied().unwrap_or_default();
        echoes.push(before + own);
    }
    echoes.into_iter().max().unwrap_or_default()
}
