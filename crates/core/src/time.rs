//! Points in time, durations as people write them, and the one clock.

mod follow;

pub use follow::{Follower, Reading};

use follow::{Following, shifted};
use std::{fmt, sync::Arc, sync::atomic::AtomicU64, sync::atomic::Ordering, time::Duration, time::SystemTime};

/// A point in time: milliseconds since 1970-01-01T00:00:00Z. Zero stands for "never" in stored records.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// The latest time that a stored record can hold (48 bits of milliseconds: the year 10889).
const LATEST_MS: u64 = (1 << 48) - 1;

impl Timestamp {
    /// "Never" in a stored record.
    pub const ZERO: Self = Self(0);

    /// A time from milliseconds since the epoch, cut at 48 bits.
    #[must_use]
    pub const fn from_millis(ms: u64) -> Self {
        if ms > LATEST_MS { Self(LATEST_MS) } else { Self(ms) }
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whether this is "never".
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// `None` for "never".
    #[must_use]
    pub fn non_zero(self) -> Option<Self> {
        (self.0 != 0).then_some(self)
    }

    /// This time plus `ms` milliseconds, saturating.
    #[must_use]
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self::from_millis(self.0.saturating_add(ms))
    }

    /// This time minus `ms` milliseconds, saturating at zero.
    #[must_use]
    pub const fn minus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(ms))
    }

    /// Milliseconds from `earlier` to this time; zero where `earlier` is later.
    #[must_use]
    pub const fn since_ms(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Parses RFC 3339 (any offset). `None` for anything else and for times before 1970.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let at: jiff::Timestamp = text.parse().ok()?;
        u64::try_from(at.as_millisecond()).ok().map(Self::from_millis)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds: `2026-11-21T04:05:06.789Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match i64::try_from(self.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()) {
            Some(at) => write!(f, "{at:.3}"),
            // Beyond the calendar of the time library (year 9999): such a time can only come from a hostile or broken record.
            None => f.write_str("9999-12-30T22:00:00.000Z"),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("expected a time as in RFC 3339, e.g. 2026-11-21T04:05:06Z"))
    }
}

/// Why a duration was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a positive duration such as 250ms, 30s, 5m, 12h or 7d")]
pub struct DurationError;

/// Longest duration that is accepted: ten years.
const LONGEST: Duration = Duration::from_secs(3_653 * 86_400);

/// Parses `250ms`, `30s`, `5m`, `12h`, `7d`.
///
/// # Errors
/// [`DurationError`] for anything else: no unit, white space, zero, a sign, a fraction, more than ten years.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or(DurationError)?;
    let (digits, unit) = text.split_at(split);
    let count: u64 = digits.parse().map_err(|_| DurationError)?;
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(DurationError),
    };
    let duration = Duration::from_millis(count.checked_mul(unit_ms).ok_or(DurationError)?);
    if duration.is_zero() || duration > LONGEST { Err(DurationError) } else { Ok(duration) }
}

/// Milliseconds of a duration, saturating.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Where the time comes from. Nothing else in the project reads a wall clock.
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System { wrong_by_ms: i64 },
    Following(Arc<Following>),
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub const fn system() -> Self {
        Self::wrong_by(0)
    }

    /// The system's clock, wrong by this many milliseconds, for tests: the clock of a node that nobody set.
    #[must_use]
    pub const fn wrong_by(ms: i64) -> Self {
        Self(Source::System { wrong_by_ms: ms })
    }

    /// A clock that stands still until it is told otherwise, for tests.
    #[must_use]
    pub fn manual(start: Timestamp) -> (Self, ManualClock) {
        let millis = Arc::new(AtomicU64::new(start.millis()));
        (Self(Source::Manual(millis.clone())), ManualClock(millis))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System { wrong_by_ms } => {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                shifted(Timestamp::from_millis(millis(since)), *wrong_by_ms)
            }
            Source::Following(following) => following.now(),
            Source::Manual(at) => Timestamp::from_millis(at.load(Ordering::SeqCst)),
        }
    }
}

/// The hand on a manual [`Clock`].
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(millis(by), Ordering::SeqCst);
    }

    /// Sets the clock, also backwards.
    pub fn set(&self, at: Timestamp) {
        self.0.store(at.millis(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_positive_and_have_a_unit() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        for bad in ["", "0s", "-1s", "5", "s", "1.5h", " 5m", "5 m", "5M", "99999999999999999999d", "400000d", "5m3s"] {
            assert_eq!(parse_duration(bad), Err(DurationError), "{bad:?}");
        }
    }

    #[test]
    fn times_are_rfc_3339_in_utc() {
        let at = Timestamp::parse("2026-11-21T06:05:06.789+02:00").expect("a valid time");
        assert_eq!(at.to_string(), "2026-11-21T04:05:06.789Z");
        assert_eq!(Timestamp::from_millis(u64::MAX).to_string(), "9999-12-30T22:00:00.000Z");
        for bad in ["", "yesterday", "2026-11-21", "1969-12-31T23:59:59Z", "2026-11-21T04:05:06"] {
            assert_eq!(Timestamp::parse(bad), None, "{bad:?}");
        }
    }
}
