//! Changes to a case: what disks, half-finished writes and hostile senders do, and what a reader's length
//! fields make dangerous.

use crate::rng::Rng;

/// Values at which arithmetic turns.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0x80,
    0xff,
    0xffff,
    1 << 20,
    1 << 30,
    (1 << 31) - 1,
    u32::MAX as u64,
    i64::MAX as u64,
    u64::MAX,
];

/// A changed copy of `base`; `others` lend pieces.
pub fn mutate(rng: &mut Rng, base: &[u8], others: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut case = base.to_vec();
    // Mostly few changes: what is changed a lot is refused at its first byte.
    for _ in 0..=rng.below(0..4) * rng.below(0..3) {
        change(rng, &mut case, others, words);
    }
    case
}

fn change(rng: &mut Rng, case: &mut Vec<u8>, others: &[Vec<u8>], words: &[&str]) {
    let at = rng.below(0..case.len() as u64 + 1) as usize;
    let span = at..(at + length(rng)).min(case.len());
    match rng.below(0..12) {
        0 | 1 if at < case.len() => case[at] ^= 1 << rng.below(0..8),
        2 if at < case.len() => case[at] = byte(rng),
        3 => {
            let fresh: Vec<u8> = (0..length(rng)).map(|_| byte(rng)).collect();
            case.splice(at..at, fresh);
        }
        4 => drop(case.drain(span)),
        5 => {
            let copy = case[span].to_vec();
            let to = rng.below(0..case.len() as u64 + 1) as usize;
            case.splice(to..to, copy);
        }
        6 => {
            let other = &others[rng.below(0..others.len() as u64) as usize];
            let from = rng.below(0..other.len() as u64 + 1) as usize;
            let piece = &other[from..(from + length(rng)).min(other.len())];
            case.splice(span, piece.iter().copied());
        }
        7 => case.truncate(at),
        8 => {
            let edge = number(rng, case.len());
            overwrite(case, at, edge, 1 << rng.below(1..4));
        }
        9 => {
            let width = 1 << rng.below(1..4);
            let mut held = [0; 8];
            let end = (at + width).min(case.len());
            held[..end - at].copy_from_slice(&case[at..end]);
            let near = u64::from_le_bytes(held)
                .wrapping_add(rng.below(0..9))
                .wrapping_sub(4);
            overwrite(case, at, near, width);
        }
        10 if !words.is_empty() => {
            let word = words[rng.below(0..words.len() as u64) as usize];
            case.splice(at..at, word.bytes());
        }
        _ => {
            let end = case.len();
            case.extend((0..length(rng)).map(|_| byte(rng)));
            case[end..].sort_unstable();
        }
    }
}

/// Mostly short.
fn length(rng: &mut Rng) -> usize {
    let most = 1 << rng.below(0..8);
    rng.below(1..most + 1) as usize
}

fn byte(rng: &mut Rng) -> u8 {
    if rng.chance(40) {
        EDGES[rng.below(0..5) as usize] as u8
    } else {
        rng.below(0..256) as u8
    }
}

fn number(rng: &mut Rng, len: usize) -> u64 {
    match rng.below(0..4) {
        0 => (len as u64).wrapping_add(rng.below(0..64)).wrapping_sub(32),
        1 => rng.below(0..256),
        _ => EDGES[rng.below(0..EDGES.len() as u64) as usize],
    }
}

fn overwrite(case: &mut [u8], at: usize, number: u64, width: usize) {
    for (to, from) in case[at..].iter_mut().zip(&number.to_le_bytes()[..width]) {
        *to = *from;
    }
}
