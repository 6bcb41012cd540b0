//! Faults in a row of one side.

use crate::fault::Fault;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Faults since the last success, and the last of them.
pub(super) struct Faults {
    in_a_row: AtomicU64,
    last: Mutex<Option<Fault>>,
    metric: &'static str,
}

impl Faults {
    pub(super) fn new(metric: &'static str) -> Self {
        Self { in_a_row: AtomicU64::new(0), last: Mutex::default(), metric }
    }

    /// Counts an answer. A load first: lookups on all cores would else pass the cache line to and fro.
    pub(super) fn watch<T>(&self, answer: Result<T, Fault>) -> Result<T, Fault> {
        match &answer {
            Ok(_) if self.in_a_row.load(Ordering::Relaxed) == 0 => {}
            Ok(_) => self.in_a_row.store(0, Ordering::Relaxed),
            Err(fault) => {
                self.in_a_row.fetch_add(1, Ordering::Relaxed);
                *self.last.lock() = Some(fault.clone());
                metrics::counter!(self.metric, "class" => fault.class()).increment(1);
            }
        }
        answer
    }

    pub(super) fn in_a_row(&self) -> u64 {
        self.in_a_row.load(Ordering::Relaxed)
    }

    /// The last fault, while none was followed by a success.
    pub(super) fn last(&self) -> Option<Fault> {
        if self.in_a_row() > 0 { self.last.lock().clone() } else { None }
    }
}
