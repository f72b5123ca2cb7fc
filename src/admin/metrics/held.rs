//! What is held: states, kept datasets, blocks; and what was put aside or left out.

use super::exposition::{Exposition, Kind};
use crate::StreamingContext;

pub(super) fn held(text: &mut Exposition, context: &StreamingContext) {
    let sizes = context.state_sizes();
    let keys = sizes.iter().map(|size| (size.uid.as_str(), size.keys));
    let family = (
        "tidemill_state_keys",
        Kind::Gauge,
        "Keys held by an operator.",
    );
    text.each(family, "operator", keys);
    let help = "Bytes of an operator's keys and values, without what they point to.";
    let family = ("tidemill_state_bytes", Kind::Gauge, help);
    let bytes = sizes.iter().map(|size| (size.uid.as_str(), size.bytes));
    text.each(family, "operator", bytes);
    let scratch = context.scratch_bytes();
    let help = "Bytes in scratch files, of what has no room in memory.";
    let mut spilled = text.family("tidemill_spill_bytes", Kind::Gauge, help);
    spilled.sample(&[("of", "states")], scratch.states);
    spilled.sample(&[("of", "kept_datasets")], scratch.kept);
    let help = "Bytes of kept datasets in memory.";
    let kept = scratch.kept_in_memory;
    text.gauge("tidemill_kept_dataset_memory_bytes", help, kept);
    let help = "How often keyed steps without room in memory have computed their inputs again for a part of the \
                keys.";
    text.counter(
        "tidemill_shuffle_slices_total",
        help,
        context.shuffle_slices(),
    );
    let help = "Bytes of received blocks held in memory.";
    let blocks = context.block_bytes_in_memory();
    text.gauge("tidemill_block_memory_bytes", help, blocks);
    let aside = context.put_aside();
    let help = "Records put aside since the start, by the operator that couldn't work on them.";
    let family = ("tidemill_dead_letters_total", Kind::Counter, help);
    let letters = aside.letters.iter();
    text.each(
        family,
        "operator",
        letters.map(|(uid, n)| (uid.as_str(), n)),
    );
    let help = "Records left out since the start, by the operator that couldn't work on them; those of a batch \
                that is computed again count again.";
    let family = ("tidemill_records_dropped_total", Kind::Counter, help);
    let dropped = aside.dropped.iter();
    text.each(
        family,
        "operator",
        dropped.map(|(uid, n)| (uid.as_str(), n)),
    );
}
