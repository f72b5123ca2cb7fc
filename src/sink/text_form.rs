//! [`TextForm`]: how elements are printed and written to text files, after Spark's habit.

use std::fmt::{self, Write};

/// An element's text: a pair as `(key,value)`, a list as `[a, b]`.
///
/// ```
/// use std::fmt::{self, Write};
///
/// use tidemill::sink::TextForm;
///
/// #[derive(Clone)]
/// struct Level(f64);
///
/// impl TextForm for Level {
///     fn write_text(&self, out: &mut dyn Write) -> fmt::Result {
///         write!(out, "{:.2} m", self.0)
///     }
/// }
///
/// // So streams of it, and of pairs and lists that hold it, can be printed and saved.
/// let mut text = String::new();
/// ("brest".to_owned(), vec![Level(7.1), Level(0.35)]).write_text(&mut text)?;
/// assert_eq!(text, "(brest,[7.10 m, 0.35 m])");
/// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build().unwrap();
/// # let (levels, _queue) = context.queue_stream::<f64>();
/// levels.map(|level| Level(*level)).print();
/// # Ok::<(), fmt::Error>(())
/// ```
pub trait TextForm {
    /// Writes the element's text.
    ///
    /// # Errors
    /// When `out` fails.
    fn write_text(&self, out: &mut dyn Write) -> fmt::Result;
}

/// An element's text; `None` when it can't be written.
pub(super) fn text_of<T: ?Sized + TextForm>(value: &T) -> Option<String> {
    let mut text = String::new();
    value.write_text(&mut text).ok().map(|()| text)
}

macro_rules! by_display {
    ($($type:ty),*) => {$(
        impl TextForm for $type {
            fn write_text(&self, out: &mut dyn Write) -> fmt::Result {
                write!(out, "{self}")
            }
        }
    )*};
}

by_display!(
    str, bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize
);

impl TextForm for String {
    fn write_text(&self, out: &mut dyn Write) -> fmt::Result {
        out.write_str(self)
    }
}

macro_rules! by_debug {
    ($($type:ty),*) => {$(
        impl TextForm for $type {
            /// As the JVM prints it: `1.0`, not `1`.
            fn write_text(&self, out: &mut dyn Write) -> fmt::Result {
                write!(out, "{self:?}")
            }
        }
    )*};
}

by_debug!(f32, f64);

impl TextForm for () {
    fn write_text(&self, out: &mut dyn Write) -> fmt::Result {
        out.write_str("()")
    }
}

impl<A: TextForm, B: TextForm> TextForm for (A, B) {
    fn write_text(&self, out: &mut dyn Write) -> fmt::Result {
        out.write_char('(')?;
        self.0.write_text(out)?;
        out.write_char(',')?;
        self.1.write_text(out)?;
        out.write_char(')')
    }
}

impl<A: TextForm, B: TextForm, C: TextForm> TextForm for (A, B, C) {
    fn write_text(&self, out: &mut dyn Write) -> fmt::Result {
        out.write_char('(')?;
        self.0.write_text(out)?;
        out.write_char(',')?;
        self.1.write_text(out)?;
        out.write_char(',')?;
        self.2.write_text(out)?;
        out.write_char(')')
    }
}

impl<T: TextForm> TextForm for Option<T> {
    fn write_text(&self, out: &mut dyn Write) -> fmt::Result {
        match self {
            Some(value) => {
                out.write_str("Some(")?;
                value.write_text(out)?;
                out.write_char(')')
            }
            None => out.write_str("None"),
        }
    }
}

impl<T: TextForm> TextForm for Vec<T> {
    fn write_text(&self, out: &mut dyn Write) -> fmt::Result {
        out.write_char('[')?;
        for (index, value) in self.iter().enumerate() {
            if index > 0 {
                out.write_str(", ")?;
            }
            value.write_text(out)?;
        }
        out.write_char(']')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &impl TextForm) -> String {
        let mut out = String::new();
        value.write_text(&mut out).unwrap();
        out
    }

    #[test]
    fn pairs_print_as_the_original_prints_them() {
        assert_eq!(text(&("word".to_owned(), 3u64)), "(word,3)");
        assert_eq!(
            text(&("k".to_owned(), (1.0, Some(vec![1, 2])))),
            "(k,(1.0,Some([1, 2])))"
        );
    }
}
