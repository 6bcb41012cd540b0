//! Following the clock of a store, so that all nodes mean the same by a deadline.

use super::{Clock, Source, Timestamp, millis};
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Instant,
};

/// Readings that are remembered; the one with the shortest way decides.
const READINGS: usize = 8;
/// Milliseconds that two clocks may drift apart within the remembered readings, rounding included.
const DRIFT_MS: i64 = 5;

/// One reading of another clock.
#[derive(Debug, Clone, Copy)]
pub struct Reading {
    /// What it said.
    pub time: Timestamp,
    /// When it was asked.
    pub asked: Instant,
    /// When the answer was here.
    pub answered: Instant,
}

impl Reading {
    /// The moment that the answer is taken to be from: half way.
    fn moment(&self) -> Instant {
        self.asked + self.answered.duration_since(self.asked) / 2
    }

    /// Milliseconds by which the other clock is ahead of this machine's; negative where it is behind. Exact to half of the time
    /// that the answer took.
    #[must_use]
    pub fn ahead_ms(&self) -> i64 {
        let then = self.time.plus_ms(millis(self.moment().elapsed()));
        difference_ms(then, Clock::system().now())
    }
}

/// A clock that runs evenly from a start, put right by what another clock says.
#[derive(Debug)]
pub(super) struct Following {
    began: Instant,
    began_at: Timestamp,
    offset_ms: AtomicI64,
}

impl Following {
    pub(super) fn now(&self) -> Timestamp {
        let ours = self.began_at.plus_ms(millis(self.began.elapsed()));
        shifted(ours, self.offset_ms.load(Ordering::Relaxed))
    }
}

/// What puts a following [`Clock`] right.
#[derive(Debug)]
pub struct Follower {
    following: Arc<Following>,
    readings: VecDeque<Estimate>,
}

#[derive(Debug, Clone, Copy)]
struct Estimate {
    offset_ms: i64,
    /// Half of the time that the reading took.
    error_ms: i64,
}

impl Clock {
    /// Makes a clock of the system run evenly from here on, whatever is done to the machine's clock, and follow another one
    /// that is read now and then. `None` for a manual clock, which obeys its test.
    pub fn follow(&mut self) -> Option<Follower> {
        if !matches!(self.0, Source::System { .. }) {
            return None;
        }
        let following = Arc::new(Following { began_at: self.now(), began: Instant::now(), offset_ms: AtomicI64::new(0) });
        self.0 = Source::Following(following.clone());
        Some(Follower { following, readings: VecDeque::with_capacity(READINGS) })
    }
}

impl Follower {
    /// Takes a reading into account. Of the last few the one with the shortest way counts; where they contradict each other, a
    /// clock was set, and only the newest does.
    pub fn observe(&mut self, reading: Reading) {
        let since = millis(reading.moment().saturating_duration_since(self.following.began));
        let new = Estimate {
            offset_ms: difference_ms(reading.time, self.following.began_at.plus_ms(since)),
            error_ms: signed(millis(reading.answered.duration_since(reading.asked)) / 2),
        };
        let agrees = |held: &Estimate| (held.offset_ms - new.offset_ms).abs() <= held.error_ms + new.error_ms + DRIFT_MS;
        if !self.readings.iter().all(agrees) {
            self.readings.clear();
        }
        self.readings.truncate(READINGS - 1);
        self.readings.push_front(new);
        if let Some(best) = self.readings.iter().min_by_key(|estimate| estimate.error_ms) {
            self.following.offset_ms.store(best.offset_ms, Ordering::Relaxed);
        }
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn difference_ms(later: Timestamp, earlier: Timestamp) -> i64 {
    // Both have 48 bits.
    signed(later.millis()) - signed(earlier.millis())
}

pub(super) fn shifted(time: Timestamp, by_ms: i64) -> Timestamp {
    let by = by_ms.unsigned_abs();
    if by_ms < 0 { time.minus_ms(by) } else { time.plus_ms(by) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A reading that says the true time plus `ahead_ms`, took `took_ms`, and was answered by a clock at the end of its way.
    fn reading(ahead_ms: i64, took_ms: u64) -> Reading {
        let asked = Instant::now();
        let answered = asked + Duration::from_millis(took_ms);
        let time = shifted(Clock::system().now().plus_ms(took_ms), ahead_ms);
        Reading { time, asked, answered }
    }

    fn off_by_ms(clock: &Clock) -> i64 {
        difference_ms(clock.now(), Clock::system().now())
    }

    fn is_about(found: i64, expected: i64) -> bool {
        (found - expected).abs() < 500
    }

    #[test]
    fn a_wrong_clock_is_put_right_by_the_first_reading() {
        // S25
        for wrong_by_ms in [120_000, -120_000] {
            let mut clock = Clock::wrong_by(wrong_by_ms);
            let mut follower = clock.follow().expect("a clock of the system");
            assert!(is_about(off_by_ms(&clock), wrong_by_ms));
            follower.observe(reading(0, 0));
            assert!(is_about(off_by_ms(&clock), 0), "{}", off_by_ms(&clock));
        }
    }

    #[test]
    fn the_reading_with_the_shortest_way_decides() {
        let mut clock = Clock::system();
        let mut follower = clock.follow().expect("a clock of the system");
        follower.observe(reading(60_000, 0));
        // Its way makes it look 20 s further ahead, which is within what it may be wrong by.
        follower.observe(reading(60_000, 40_000));
        assert!(is_about(off_by_ms(&clock), 60_000), "{}", off_by_ms(&clock));
    }

    #[test]
    fn a_clock_that_was_set_is_followed_at_once() {
        let mut clock = Clock::system();
        let mut follower = clock.follow().expect("a clock of the system");
        follower.observe(reading(0, 0));
        follower.observe(reading(-3_600_000, 10));
        assert!(is_about(off_by_ms(&clock), -3_600_000), "{}", off_by_ms(&clock));
    }

    #[test]
    fn a_manual_clock_follows_nobody() {
        let (mut clock, _) = Clock::manual(Timestamp::from_millis(1));
        assert!(clock.follow().is_none());
    }
}
