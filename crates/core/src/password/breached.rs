//! Breached passwords, looked up in a sorted list of their digests without any network.

use super::Password;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use parking_lot::Mutex;
use std::{
    fmt,
    io::{Error, ErrorKind, Read, Result, Seek, SeekFrom},
};

/// Hexadecimal digits of a SHA-1.
const DIGITS: usize = 40;
/// Longest line in bytes, with its end: the digest, a colon and a count of up to twenty digits.
const LINE_BYTES: usize = DIGITS + 1 + 20 + 2;
/// Places at which the order is looked at when a list is opened.
const SAMPLES: u64 = 64;

/// SHA-1 digests of breached passwords in hexadecimal digits, one a line, in ascending order; what follows a colon is ignored.
/// That is the format in which Have I Been Pwned offers its list ordered by hash. It is searched where it lies, and may be
/// larger than the memory: a look takes some forty small reads.
pub struct BreachedList {
    source: Mutex<Box<dyn Source>>,
    length: u64,
}

trait Source: Read + Seek + Send {}

impl<T: Read + Seek + Send> Source for T {}

impl fmt::Debug for BreachedList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BreachedList({} bytes)", self.length)
    }
}

/// A line of the list.
struct Line {
    digest: [u8; DIGITS],
    start: u64,
    /// Where the next one starts.
    end: u64,
}

impl BreachedList {
    /// Takes a list over, and looks at some lines of it.
    ///
    /// # Errors
    /// Where it cannot be read, has lines of another kind, or is not in order.
    pub fn new(mut source: impl Read + Seek + Send + 'static) -> Result<Self> {
        let length = source.seek(SeekFrom::End(0))?;
        let list = Self { source: Mutex::new(Box::new(source)), length };
        let mut last = [0; DIGITS];
        for sample in 0..SAMPLES {
            let at = u64::try_from(u128::from(length) * u128::from(sample) / u128::from(SAMPLES)).unwrap_or(length);
            let line = list.line_at(at)?;
            if line.digest < last {
                return Err(Error::new(ErrorKind::InvalidData, "the digests are not in ascending order"));
            }
            last = line.digest;
        }
        Ok(list)
    }

    /// Whether a password is on the list, as it was typed or in NFKC.
    ///
    /// # Errors
    /// Where the list cannot be read.
    pub fn contains(&self, password: &Password) -> Result<bool> {
        Ok(self.holds(password.raw())? || self.holds(password.normalized().as_bytes())?)
    }

    fn holds(&self, text: &[u8]) -> Result<bool> {
        let wanted = digits(digest(&SHA1_FOR_LEGACY_USE_ONLY, text).as_ref());
        let (mut low, mut high) = (0, self.length);
        while low < high {
            let line = self.line_at(low + (high - low) / 2)?;
            match line.digest.cmp(&wanted) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => low = line.end,
                std::cmp::Ordering::Greater => high = line.start,
            }
        }
        Ok(false)
    }

    /// The line that the byte `at` belongs to.
    fn line_at(&self, at: u64) -> Result<Line> {
        let malformed = || Error::new(ErrorKind::InvalidData, "a line is no SHA-1 in hexadecimal digits");
        let from = at.saturating_sub(LINE_BYTES as u64);
        let mut window = [0; 2 * LINE_BYTES];
        let window = self.read(from, &mut window)?;
        let offset = usize::try_from(at - from).map_err(|_| malformed())?;
        let before = window.get(..offset).ok_or_else(malformed)?;
        let start = match before.iter().rposition(|&byte| byte == b'\n') {
            Some(end) => end + 1,
            None if from == 0 => 0,
            None => return Err(malformed()),
        };
        let rest = &window[start..];
        let length = match rest.iter().position(|&byte| byte == b'\n') {
            Some(end) => end + 1,
            None if from + window.len() as u64 == self.length => rest.len(),
            None => return Err(malformed()),
        };
        let (digest, after) = rest[..length].split_first_chunk::<DIGITS>().ok_or_else(malformed)?;
        let ends = matches!(after.first(), None | Some(b':' | b'\r' | b'\n'));
        if !ends || !digest.iter().all(u8::is_ascii_hexdigit) {
            return Err(malformed());
        }
        let start = from + start as u64;
        Ok(Line { digest: digest.map(|byte| byte.to_ascii_uppercase()), start, end: start + length as u64 })
    }

    /// What there is from `from` on, at most a buffer full.
    fn read<'a>(&self, from: u64, buffer: &'a mut [u8]) -> Result<&'a [u8]> {
        let mut source = self.source.lock();
        source.seek(SeekFrom::Start(from))?;
        let mut length = 0;
        while length < buffer.len() {
            match source.read(&mut buffer[length..]) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(&buffer[..length])
    }
}

fn digits(digest: &[u8]) -> [u8; DIGITS] {
    let mut text = [0; DIGITS];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(digest) {
        *pair = [byte >> 4, byte & 15].map(|digit| b"0123456789ABCDEF"[usize::from(digit)]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn password(text: &str) -> Password {
        Password::new(text).expect("short")
    }

    fn lines(texts: &[String]) -> Vec<String> {
        let digest = |text: &String| digits(digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes()).as_ref());
        let mut lines: Vec<_> = texts.iter().map(|text| String::from_utf8(digest(text).to_vec()).expect("ASCII")).collect();
        lines.sort();
        lines
    }

    fn list(text: String) -> BreachedList {
        BreachedList::new(Cursor::new(text.into_bytes())).expect("a list")
    }

    // S80
    #[test]
    fn every_listed_password_is_found_and_no_other() {
        for count in [1, 2, 3, 64, 999] {
            let texts: Vec<String> = (0..count).map(|number| format!("breached {number}")).collect();
            let bare = lines(&texts);
            let counted = |(place, line): (usize, &String)| format!("{line}:{}", 10_u64.pow(place as u32 % 20));
            let with_counts: Vec<_> = bare.iter().enumerate().map(counted).collect();
            for text in [
                bare.join("\n"),
                bare.join("\n") + "\n",
                bare.join("\r\n").to_lowercase(),
                with_counts.join("\r\n"),
                with_counts.join("\n") + "\n",
            ] {
                let list = list(text);
                assert!(texts.iter().all(|text| list.contains(&password(text)).expect("readable")), "{count}");
                let others = (0..200).map(|number| format!("another {number}"));
                assert!(!others.into_iter().any(|text| list.contains(&password(&text)).expect("readable")), "{count}");
            }
        }
    }

    #[test]
    fn a_known_digest_is_found_in_either_normal_form() {
        // SHA-1 of "password", as everybody has it.
        let known = list("5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:9545824\r\n".to_owned());
        assert!(known.contains(&password("password")).expect("readable"));
        let composed = list(lines(&["caf\u{e9}".to_owned()]).join("\n"));
        assert!(composed.contains(&password("cafe\u{301}")).expect("readable"));
    }

    #[test]
    fn what_is_no_sorted_list_is_refused() {
        let sorted = lines(&(0..100).map(|number| number.to_string()).collect::<Vec<_>>());
        let mut reversed = sorted.clone();
        reversed.reverse();
        for text in [
            String::new(),
            "password\n123456\n".to_owned(),
            "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD".to_owned(),
            "5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8 1".to_owned(),
            "x".repeat(10_000),
            reversed.join("\n"),
        ] {
            assert!(BreachedList::new(Cursor::new(text.clone().into_bytes())).is_err(), "{text:.100}");
        }
    }
}
