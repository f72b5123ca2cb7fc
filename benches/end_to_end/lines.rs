//! The lines that are counted: 8 words of 10,000, about 60 bytes.
//!
//! The same generator as that of the engines that tidemill is compared with (`linegen.c`): the same
//! xorshift, the same seed, so the same bytes.

use std::ops::Range;

/// Lines that are made; readers start over behind the last.
const LINES: usize = 200_000;
const WORDS: usize = 10_000;
const WORDS_PER_LINE: usize = 8;
const SEED: u64 = 88_172_645_463_325_252;

/// Many lines as one text.
pub struct Lines {
    pub text: String,
    ends: Vec<usize>,
}

struct XorShift(u64);

impl XorShift {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as usize
    }
}

impl Lines {
    pub fn generate() -> Self {
        let mut random = XorShift(SEED);
        let letter = |random: &mut XorShift| char::from(b'a' + (random.next() % 26) as u8);
        let words: Vec<String> = (0..WORDS)
            .map(|_| {
                let letters = 4 + random.next() % 6;
                (0..letters).map(|_| letter(&mut random)).collect()
            })
            .collect();
        let mut text = String::with_capacity(LINES * 64);
        let mut ends = vec![0];
        for _ in 0..LINES {
            for n in 1..=WORDS_PER_LINE {
                text.push_str(&words[random.next() % WORDS]);
                text.push(if n == WORDS_PER_LINE { '\n' } else { ' ' });
            }
            ends.push(text.len());
        }
        Self { text, ends }
    }

    pub fn len(&self) -> usize {
        self.ends.len() - 1
    }

    /// The text of some lines.
    pub fn slice(&self, lines: Range<usize>) -> &str {
        &self.text[self.ends[lines.start]..self.ends[lines.end]]
    }

    /// The text in pieces of `lines` lines each.
    pub fn pieces(&self, lines: usize) -> Vec<&str> {
        let starts = (0..self.len()).step_by(lines);
        starts
            .map(|start| self.slice(start..(start + lines).min(self.len())))
            .collect()
    }

    pub fn bytes_per_line(&self) -> f64 {
        self.text.len() as f64 / self.len() as f64
    }
}
