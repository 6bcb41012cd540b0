//! Names of requests: unique, cheap, and of no worth to anybody who guesses one.

use std::sync::{
    LazyLock,
    atomic::{AtomicU64, Ordering},
};

/// Tells the processes of a deployment apart: drawn once, so that a request costs no system call.
static PROCESS: LazyLock<[u8; 16]> = LazyLock::new(vestibule_core::id::random);
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A fresh name of 32 hexadecimal digits.
#[must_use]
pub fn fresh() -> [u8; 32] {
    let (process, salt) = PROCESS.split_at(8);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let salt = u64::from_be_bytes(salt.try_into().unwrap_or_default());
    let mut text = [0; 32];
    hex(process, &mut text[..16]);
    hex(&scatter(number ^ salt).to_be_bytes(), &mut text[16..]);
    text
}

/// A bijection after which neighbours look unrelated (SplitMix64, Steele, Lea and Flood 2014): names that differ in one digit are
/// easily confused by people who compare them.
fn scatter(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn hex(bytes: &[u8], text: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(text.chunks_exact_mut(2)) {
        pair.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_two_requests_have_one_name() {
        let names: HashSet<[u8; 32]> = (0..100_000).map(|_| fresh()).collect();
        assert_eq!(names.len(), 100_000);
        assert!(names.iter().flatten().all(u8::is_ascii_hexdigit));
        assert!(names.iter().all(|name| name[..16] == fresh()[..16]), "one process has one beginning");
    }
}
