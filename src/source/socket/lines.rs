//! [`LineBuffer`]: finds runs of whole lines in what a connection brings.
//!
//! A run is checked to be UTF-8 once and stored in one piece. Single lines are looked at only where one
//! may be too long: in a run that is longer than the longest line.

use std::borrow::Cow;

/// Bytes of a connection that haven't become records yet.
#[derive(Debug)]
pub(super) struct LineBuffer<'a> {
    address: &'a str,
    max_line: usize,
    bytes: Vec<u8>,
    /// Bytes at the front that have been handed out.
    taken: usize,
    /// Bytes at the front that hold no newline, or have been handed out.
    searched: usize,
    /// How many bytes of a too long line were thrown away so far; its rest is, too.
    skipped: Option<usize>,
    is_warned: bool,
}

impl<'a> LineBuffer<'a> {
    pub(super) fn new(address: &'a str, max_line: usize) -> Self {
        Self {
            address,
            max_line,
            bytes: Vec::new(),
            taken: 0,
            searched: 0,
            skipped: None,
            is_warned: false,
        }
    }

    /// Where to read on, with room for at least `more` bytes.
    pub(super) fn room(&mut self, more: usize) -> &mut Vec<u8> {
        self.bytes.drain(..self.taken.min(self.bytes.len()));
        self.taken = 0;
        self.searched = self.bytes.len();
        // One byte more may be the carriage return of a line end.
        if self.bytes.len() > self.max_line.saturating_add(1) || self.skipped.is_some() {
            *self.skipped.get_or_insert(0) += self.bytes.len();
            self.bytes.clear();
            self.searched = 0;
        }
        self.bytes.reserve(more);
        &mut self.bytes
    }

    /// The whole lines that have come; with `has_ended`, also a last one that no newline ends.
    pub(super) fn take(&mut self, has_ended: bool) -> Option<Cow<'_, str>> {
        let start = self.end_skipping(has_ended);
        let fresh = self
            .bytes
            .get(self.searched.max(start)..)
            .unwrap_or_default();
        let end = match memchr::memrchr(b'\n', fresh) {
            _ if has_ended => self.bytes.len(),
            Some(at) => self.searched.max(start) + at + 1,
            None => start,
        };
        self.taken = end;
        if self.skipped.is_some() || end <= start {
            return None;
        }
        let run = self.bytes.get(start..end).unwrap_or_default();
        if run.len() > self.max_line && run.split(|&b| b == b'\n').any(|line| self.is_long(line)) {
            let kept = self.without_long_lines(run);
            let text = String::from_utf8_lossy(&kept).into_owned();
            return Some(Cow::Owned(text));
        }
        let text = String::from_utf8_lossy(run);
        if matches!(text, Cow::Owned(_)) && !std::mem::replace(&mut self.is_warned, true) {
            tracing::warn!(
                address = self.address,
                "not UTF-8: what can't be read is replaced by U+FFFD; said once a connection"
            );
        }
        Some(text)
    }

    /// Looks for the end of a line that is being thrown away; returns where the next one begins.
    fn end_skipping(&mut self, has_ended: bool) -> usize {
        let Some(skipped) = self.skipped else {
            return 0;
        };
        let end = match memchr::memchr(b'\n', &self.bytes) {
            Some(at) => at,
            None if has_ended => self.bytes.len(),
            None => return 0,
        };
        self.skipped = None;
        self.report(skipped + end);
        (end + 1).min(self.bytes.len())
    }

    fn is_long(&self, line: &[u8]) -> bool {
        line.strip_suffix(b"\r").unwrap_or(line).len() > self.max_line
    }

    fn without_long_lines(&self, run: &[u8]) -> Vec<u8> {
        let mut kept = Vec::with_capacity(run.len());
        for line in run.split_inclusive(|&b| b == b'\n') {
            let content = line.strip_suffix(b"\n").unwrap_or(line);
            if self.is_long(content) {
                self.report(content.len());
            } else {
                kept.extend_from_slice(line);
            }
        }
        kept
    }

    fn report(&self, length: usize) {
        tracing::warn!(
            address = self.address,
            length,
            longest = self.max_line,
            "a line is longer than max_line and was dropped"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Lines as a store finds them.
    fn lines(text: &str) -> impl Iterator<Item = String> + '_ {
        text.split_inclusive('\n').map(|line| {
            let line = line.strip_suffix('\n').unwrap_or(line);
            line.strip_suffix('\r').unwrap_or(line).to_owned()
        })
    }

    /// Sends `pieces` through a buffer.
    fn through(pieces: &[&[u8]], max_line: usize) -> Vec<String> {
        let mut buffer = LineBuffer::new("test", max_line);
        let mut all = Vec::new();
        for (n, piece) in pieces.iter().enumerate() {
            buffer.room(16).extend_from_slice(piece);
            if let Some(text) = buffer.take(n + 1 == pieces.len()) {
                all.extend(lines(&text));
            }
        }
        all
    }

    #[test]
    fn lines_come_whole_and_the_last_needs_no_newline() {
        assert_eq!(
            through(&[b"on", b"e\ntw", b"o\r\n\nthr", b"ee"], 9),
            ["one", "two", "", "three"]
        );
        assert_eq!(through(&[b"one\n", b""], 9), ["one"]);
        assert!(through(&[b""], 9).is_empty());
    }

    #[test]
    fn too_long_lines_are_dropped_whole() {
        assert_eq!(through(&[b"abcd\nabcde\nab\n"], 4), ["abcd", "ab"]);
        assert_eq!(through(&[b"abcd", b"efgh", b"ij", b"kl\nab\n"], 4), ["ab"]);
        assert_eq!(through(&[b"ok\nabcd", b"efgh", b"ij"], 4), ["ok"]);
        assert_eq!(through(&[b"abcd\r", b"\nab"], 4), ["abcd", "ab"]);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(
            through(&[b"a\xff\n", b"b\xc3", b"\xa4\n"], 9),
            ["a\u{fffd}", "b\u{e4}"]
        );
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            text in "[ab\r\n]{0,40}",
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
            max_line in 1usize..8,
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let bytes = text.as_bytes();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            let expected: Vec<String> = lines(&text).filter(|line| line.len() <= max_line).collect();
            prop_assert_eq!(through(&pieces, max_line), expected);
        }
    }
}
