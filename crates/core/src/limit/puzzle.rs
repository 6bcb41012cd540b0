//! Puzzles: work instead of waiting.
//!
//! A puzzle is a text that only we can make: sealed under the key ring, it holds when it expires and how hard it is, and is bound to one
//! rule and key. Nothing is kept of it before it is solved. A solution is any text for which SHA-256 of `puzzle:solution` begins with so
//! many zero bits.

use super::{bounds, challenge::Solved, service::Ask};
use crate::{
    secret::KeyRing,
    time::{Timestamp, millis},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// Work instead of waiting.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Puzzle {
    /// The text.
    pub puzzle: String,
    /// Zero bits that a solution needs.
    pub difficulty: u8,
    /// Until when it is taken.
    pub expires_at: Timestamp,
}

/// Makes and judges puzzles.
#[derive(Debug)]
pub(super) struct Puzzles(Arc<KeyRing>);

impl Puzzles {
    pub(super) fn new(ring: Arc<KeyRing>) -> Self {
        Self(ring)
    }

    fn context(ask: &Ask) -> Vec<u8> {
        [b"limit puzzle\0", ask.rule().name().as_bytes(), b"\0", ask.key().text().as_bytes()].concat()
    }

    /// The more strikes, the harder.
    pub(super) fn make(&self, ask: &Ask, strikes: u64, now: Timestamp) -> Puzzle {
        let expires_at = now.plus_ms(millis(bounds::PUZZLE_LIFE));
        let difficulty = difficulty(strikes);
        let mut plain = expires_at.millis().to_le_bytes().to_vec();
        plain.push(difficulty);
        let sealed = self.0.seal(&Self::context(ask), &plain);
        Puzzle { puzzle: URL_SAFE_NO_PAD.encode(sealed), difficulty, expires_at }
    }

    /// Whether a solution is right, without regard to whether it was taken before.
    pub(super) fn judge(&self, ask: &Ask, puzzle: &str, solution: &str, now: Timestamp) -> Solved {
        if puzzle.len() > bounds::PUZZLE_BYTES || solution.len() > bounds::PUZZLE_BYTES {
            return Solved::Wrong;
        }
        let opened = URL_SAFE_NO_PAD.decode(puzzle).ok().and_then(|sealed| self.0.open(&Self::context(ask), &sealed).ok());
        let read = opened.as_deref().and_then(|plain| plain.split_first_chunk::<8>());
        let Some((expires_at, [difficulty])) = read else { return Solved::Wrong };
        if Timestamp::from_millis(u64::from_le_bytes(*expires_at)) <= now {
            Solved::Expired
        } else if zero_bits(puzzle, solution) >= u32::from(*difficulty) {
            Solved::Cleared
        } else {
            Solved::Wrong
        }
    }
}

fn difficulty(strikes: u64) -> u8 {
    let harder = strikes.saturating_mul(u64::from(bounds::PUZZLE_BITS_A_STRIKE));
    u8::try_from(harder).unwrap_or(u8::MAX).saturating_add(bounds::PUZZLE_BITS.0).min(bounds::PUZZLE_BITS.1)
}

/// The zero bits with which the digest of a solution begins.
fn zero_bits(puzzle: &str, solution: &str) -> u32 {
    let digest = Sha256::new_with_prefix(puzzle).chain_update(":").chain_update(solution).finalize();
    let whole = digest.iter().take_while(|byte| **byte == 0).count();
    whole as u32 * u8::BITS + digest.get(whole).map_or(0, |byte| byte.leading_zeros())
}

/// Solves a puzzle, as a client does. Expensive: about two to the power of the difficulty digests.
#[must_use]
pub fn solution_of(puzzle: &Puzzle) -> String {
    let is_right = |number: &u64| zero_bits(&puzzle.puzzle, &number.to_string()) >= u32::from(puzzle.difficulty);
    (0..=u64::MAX).find(is_right).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strikes_make_puzzles_harder_up_to_a_bound() {
        assert_eq!([0, 1, 2, 9, u64::MAX].map(difficulty), [16, 18, 20, 24, 24]);
    }

    #[test]
    fn zero_bits_are_counted_from_the_first() {
        // By `printf %s:%s puzzle 5 | sha256sum` and the like.
        let found = (0..5_000_u32).find(|number| zero_bits("puzzle", &number.to_string()) >= 12).expect("about one in 4096");
        let digest = Sha256::digest(format!("puzzle:{found}"));
        assert_eq!((digest[0], digest[1] >> 4), (0, 0));
    }
}
