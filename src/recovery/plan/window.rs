//! What becomes of a window whose length or slide changed.

use crate::graph::OperatorDescriptor;

/// What there is to say of a window that goes on as `new`; an error where it can't.
pub(super) fn reshaped(
    held: &OperatorDescriptor,
    new: &OperatorDescriptor,
) -> Result<Vec<String>, String> {
    let (Some(old), Some(span)) = (held.span(), new.span()) else {
        return Ok(Vec::new());
    };
    let (old, parts) = (old.pane_ms(), span.pane_ms());
    if !span.can_take(old) {
        return Err(format!(
            "its window is kept in parts of {old} ms, and the program's needs parts of {parts} ms: they can be put \
             together and not taken apart; let length and slide be multiples of {old} ms, or give it another uid"
        ));
    }
    let mut notes = Vec::new();
    if held.slide_ms != new.slide_ms {
        notes.push(format!(
            "its slide was {} ms and is {} ms",
            held.slide_ms, new.slide_ms
        ));
    }
    if held.window_ms != new.window_ms {
        notes.push(format!(
            "its length was {} ms and is {} ms",
            held.window_ms, new.window_ms
        ));
    }
    if held.window_ms > new.window_ms {
        notes.push("what is older than that leaves".to_owned());
    }
    // Where windows don't overlap or touch, what came between them was never taken in.
    let lacking = match held.slide_ms > held.window_ms {
        true => new.window_ms,
        false => new.window_ms.saturating_sub(held.window_ms),
    };
    if lacking > 0 {
        notes.push(format!(
            "windows that end less than {lacking} ms after the last complete batch lack what it didn't hold"
        ));
    }
    if old != parts {
        notes.push(format!(
            "its parts of {old} ms are put together to those of {parts} ms"
        ));
    }
    Ok(notes)
}
