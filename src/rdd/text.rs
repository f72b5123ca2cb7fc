//! [`TextBuffer`]: a run of text records, each a view into one shared text or into the buffer's own.
//!
//! A record that lies inside the shared text (the block that lines came in) costs eight bytes and no
//! copy; any other (a lower-cased word, say) is copied once into the buffer's own text. Which it is, its
//! address tells, so operators simply push `&str`.

use std::sync::Arc;

use super::element::{Buffer, Element};

impl Element for str {
    type Own = String;
    type Buffer = TextBuffer;
}

/// Many text records.
#[derive(Debug, Clone, Default)]
pub struct TextBuffer {
    source: Option<Arc<String>>,
    /// Where `source` lies: read for each record that is pushed.
    place: Place,
    own: String,
    spans: Vec<Span>,
}

/// Where a text lies in memory; nowhere, by default.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    address: usize,
    len: usize,
}

/// Where a record lies: in the shared text, or (`OWN` set in `len`) in the buffer's own.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    len: u32,
}

/// Marks a span of the buffer's own text. Texts are shorter than 2 GiB: blocks are a few MiB.
const OWN: u32 = 1 << 31;

impl TextBuffer {
    /// The records of a block: `offsets` holds the start of each record and the end of the last.
    pub(crate) fn of_block(source: &Arc<String>, offsets: &[u32]) -> Self {
        let spans = offsets
            .iter()
            .zip(offsets.iter().skip(1))
            .map(|(&start, &end)| Span {
                start,
                len: end.saturating_sub(start),
            })
            .collect();
        Self {
            source: Some(Arc::clone(source)),
            place: Place::of(source),
            own: String::new(),
            spans,
        }
    }

    #[inline]
    fn shared(&self) -> &str {
        self.source.as_deref().map_or("", String::as_str)
    }
}

impl Span {
    /// Spans are only made from what was a `&str` at that very place, so the look-up hits.
    #[inline]
    fn of<'a>(self, shared: &'a str, own: &'a str) -> &'a str {
        let start = self.start as usize;
        let end = start + (self.len & !OWN) as usize;
        let text = if self.len & OWN == 0 { shared } else { own };
        text.get(start..end).unwrap_or_default()
    }
}

impl Place {
    fn of(text: &str) -> Self {
        Self {
            address: text.as_ptr() as usize,
            len: text.len(),
        }
    }

    /// Where `value` begins in the text, if it lies in it.
    #[inline]
    fn find(self, value: &str) -> Option<usize> {
        let start = (value.as_ptr() as usize).wrapping_sub(self.address);
        (start <= self.len && value.len() <= self.len - start).then_some(start)
    }
}

impl Buffer<str> for TextBuffer {
    #[inline]
    fn push(&mut self, value: &str) {
        let len = value.len() as u32;
        let (start, len) = match self.place.find(value) {
            Some(start) => (start as u32, len),
            None => {
                let start = self.own.len() as u32;
                self.own.push_str(value);
                (start, len | OWN)
            }
        };
        self.spans.push(Span { start, len });
    }

    fn push_owned(&mut self, value: String) {
        Buffer::push(self, value.as_str());
    }

    fn len(&self) -> usize {
        self.spans.len()
    }

    /// The shared text is its block's.
    fn bytes(&self) -> usize {
        self.own.len() + self.spans.len() * size_of::<Span>()
    }

    fn clear(&mut self) {
        self.spans.clear();
        self.own.clear();
    }

    fn truncate(&mut self, len: usize) {
        self.spans.truncate(len);
    }

    #[inline]
    fn for_each(&self, mut visit: impl FnMut(&str)) {
        let (shared, own) = (self.shared(), self.own.as_str());
        self.spans
            .iter()
            .for_each(|span| visit(span.of(shared, own)));
    }

    fn drain_each(&mut self, mut take: impl FnMut(String)) {
        self.for_each(|value| take(value.to_owned()));
        self.clear();
    }

    fn append(&mut self, other: &mut Self) {
        other.for_each(|value| Buffer::push(self, value));
        other.clear();
    }

    fn source(&self) -> Option<&Arc<String>> {
        self.source.as_ref()
    }

    fn set_source(&mut self, source: Option<&Arc<String>>) {
        let same = match (&self.source, source) {
            (Some(mine), Some(new)) => Arc::ptr_eq(mine, new),
            (None, None) => true,
            _ => false,
        };
        if same {
            return;
        }
        // Views into the old text would dangle: keep what is held as the buffer's own.
        if !self.spans.is_empty() {
            let held = std::mem::take(self);
            held.for_each(|value| Buffer::push(self, value));
        }
        self.source = source.cloned();
        self.place = Place::of(self.shared());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(buffer: &TextBuffer) -> Vec<String> {
        let mut all = Vec::new();
        buffer.for_each(|value| all.push(value.to_owned()));
        all
    }

    #[test]
    fn views_cost_no_copy_and_strangers_are_copied() {
        let text = Arc::new("to be or not".to_owned());
        let mut words = TextBuffer::default();
        words.set_source(Some(&text));
        text.split(' ')
            .for_each(|word| Buffer::push(&mut words, word));
        assert!(words.own.is_empty());
        Buffer::push(&mut words, "TO BE".to_lowercase().as_str());
        assert_eq!(words.own, "to be");
        assert_eq!(all(&words), ["to", "be", "or", "not", "to be"]);
    }

    #[test]
    fn a_new_source_keeps_what_is_held() {
        let (first, second) = (Arc::new("one two".to_owned()), Arc::new("three".to_owned()));
        let mut buffer = TextBuffer::of_block(&first, &[0, 3, 7]);
        buffer.set_source(Some(&second));
        Buffer::push(&mut buffer, second.as_str());
        assert_eq!(all(&buffer), ["one", " two", "three"]);
    }

    proptest! {
        #[test]
        fn holds_what_was_pushed(texts in proptest::collection::vec(".{0,12}", 0..8), cut in any::<prop::sample::Index>()) {
            let joined = Arc::new(texts.concat());
            let mut buffer = TextBuffer::default();
            buffer.set_source(Some(&joined));
            let mut expected = Vec::new();
            for text in &texts {
                Buffer::push(&mut buffer, text);
                expected.push(text.clone());
            }
            let boundary = (0..=cut.index(joined.len() + 1)).rev().find(|&at| joined.is_char_boundary(at)).unwrap();
            Buffer::push(&mut buffer, &joined[..boundary]);
            expected.push(joined[..boundary].to_owned());
            prop_assert_eq!(all(&buffer), expected);
        }
    }
}
