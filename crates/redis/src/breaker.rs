//! [`Breaker`]: a server that lets every call run into its deadline is asked no more than once a second.

use crate::bounds;
use std::{
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Instant,
};
use vestibule_core::fault::Fault;

/// Counts deadlines in a row. After [`bounds::BREAKER_TIMEOUTS`] of them calls fail at once, but for one each
/// [`bounds::BREAKER_PROBE_MS`]; the first answer in time lets all of them through again, and so does a new connection, since its
/// server has just answered. A server that refuses or breaks connections answers at once by itself, and needs no breaker.
#[derive(Debug)]
pub(crate) struct Breaker {
    timeouts: AtomicU32,
    /// The connection that was too slow, by its number.
    connection: AtomicU64,
    /// Milliseconds after `since` from which the next probe may go.
    probe_at: AtomicU64,
    since: Instant,
}

impl Default for Breaker {
    fn default() -> Self {
        let (timeouts, connection, probe_at) = (AtomicU32::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self { timeouts, connection, probe_at, since: Instant::now() }
    }
}

impl Breaker {
    /// Whether a call may be made on the connection of this number.
    pub(crate) fn pass(&self, connection: u64) -> Result<(), Fault> {
        if self.timeouts.load(Ordering::Relaxed) < bounds::BREAKER_TIMEOUTS || self.takes_probe(self.now_ms()) {
            return Ok(());
        }
        if self.connection.load(Ordering::Relaxed) != connection {
            self.heard();
            return Ok(());
        }
        Err(Fault::Unavailable("Redis did not answer in time several times in a row".into()))
    }

    /// An answer came in time.
    pub(crate) fn heard(&self) {
        // A load first: calls on all cores would else pass the cache line to and fro.
        if self.timeouts.load(Ordering::Relaxed) != 0 && self.timeouts.swap(0, Ordering::Relaxed) >= bounds::BREAKER_TIMEOUTS {
            metrics::gauge!("vestibule_redis_breakers_open").decrement(1.0);
            tracing::info!("Redis answers in time again");
        }
    }

    /// A call on the connection of this number ran into its deadline.
    pub(crate) fn timed_out(&self, connection: u64) {
        self.connection.store(connection, Ordering::Relaxed);
        let before = self.timeouts.fetch_add(1, Ordering::Relaxed);
        if before.saturating_add(1) == bounds::BREAKER_TIMEOUTS {
            self.probe_at.store(self.now_ms() + bounds::BREAKER_PROBE_MS, Ordering::Relaxed);
            metrics::gauge!("vestibule_redis_breakers_open").increment(1.0);
            tracing::warn!("Redis does not answer in time: it is asked once a second until it does");
        }
    }

    fn takes_probe(&self, now_ms: u64) -> bool {
        let at = self.probe_at.load(Ordering::Relaxed);
        let next = now_ms + bounds::BREAKER_PROBE_MS;
        now_ms >= at && self.probe_at.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// L10
    #[test]
    fn deadlines_in_a_row_stop_all_calls_but_one_a_second() {
        let breaker = Breaker::default();
        for _ in 1..bounds::BREAKER_TIMEOUTS {
            breaker.timed_out(7);
            assert_eq!(breaker.pass(7), Ok(()));
        }
        breaker.heard();
        (0..bounds::BREAKER_TIMEOUTS).for_each(|_| breaker.timed_out(7));
        assert!(matches!(breaker.pass(7), Err(Fault::Unavailable(_))));
        let later = breaker.now_ms() + bounds::BREAKER_PROBE_MS;
        assert!(breaker.takes_probe(later) && !breaker.takes_probe(later) && !breaker.takes_probe(later + 1));
        breaker.timed_out(7);
        assert!(breaker.pass(7).is_err(), "a probe that fails opens nothing");
        breaker.heard();
        assert_eq!(breaker.pass(7), Ok(()));
        (0..bounds::BREAKER_TIMEOUTS).for_each(|_| breaker.timed_out(7));
        assert!(breaker.pass(7).is_err());
        assert_eq!(breaker.pass(8), Ok(()), "a new connection has answered");
        assert_eq!(breaker.pass(7), Ok(()));
    }
}
