//! Answers about tokens that lead nowhere, remembered for a moment, so that a client that keeps presenting the token of an
//! ended session does not reach the record with every request.

use crate::{bounds, session::TokenDigest, session::command::FindOutcome, time::Timestamp};
use parking_lot::Mutex;
use std::collections::HashMap;

#[derive(Default)]
pub(super) struct Negatives(Mutex<HashMap<TokenDigest, (FindOutcome, Timestamp)>>);

impl Negatives {
    pub(super) fn get(&self, digest: &TokenDigest, now: Timestamp) -> Option<FindOutcome> {
        let known = self.0.lock();
        let (outcome, at) = known.get(digest)?;
        (now.since_ms(*at) < bounds::NEGATIVE_TTL_MS && now >= *at).then(|| outcome.clone())
    }

    /// What was said of a token is no longer so.
    pub(super) fn forget(&self, digest: &TokenDigest) {
        self.0.lock().remove(digest);
    }

    pub(super) fn put(&self, digest: TokenDigest, outcome: FindOutcome, now: Timestamp) {
        let mut known = self.0.lock();
        if known.len() >= bounds::NEGATIVE_ENTRIES {
            known.retain(|_, (_, at)| now.since_ms(*at) < bounds::NEGATIVE_TTL_MS);
            if known.len() >= bounds::NEGATIVE_ENTRIES {
                known.clear();
            }
        }
        known.insert(digest, (outcome, now));
    }
}
