//! [`TokenStore`] in process.

use crate::{MemoryStore, store::HomeShard};
use parking_lot::RwLock;
use vestibule_core::{
    Answer,
    time::Timestamp,
    token::{Denial, DenialPlace, NewDenials, TokenStore, command::*},
    user::Context,
};

/// What is denied of the users of one home.
#[derive(Debug, Default)]
pub(crate) struct Denials(Vec<Denial>);

impl Denials {
    /// Adds some and drops what is over, when there are enough to be worth the look.
    pub(crate) fn add(&mut self, denials: &[Denial], now: Timestamp) {
        if denials.is_empty() {
            return;
        }
        if self.0.len() + denials.len() > self.0.capacity() {
            self.0.retain(|denial| denial.until > now);
        }
        self.0.extend_from_slice(denials);
    }

    pub(crate) fn at(&self, now: Timestamp) -> impl Iterator<Item = &Denial> {
        self.0.iter().filter(move |denial| denial.until > now)
    }
}

impl TokenStore for MemoryStore {
    fn issue(&self, cx: Context, command: IssueFamily) -> Answer<'_, IssueOutcome> {
        Box::pin(async move { self.run_growing(&cx, command) })
    }

    fn refresh(&self, cx: Context, command: Refresh) -> Answer<'_, RefreshOutcome> {
        Box::pin(async move { Ok(self.run(&cx, command)) })
    }

    fn revoke(&self, cx: Context, command: RevokeTokens) -> Answer<'_, RevokeOutcome> {
        Box::pin(async move { Ok(self.run(&cx, command)) })
    }

    /// All of them: nobody hears of this memory by a bus that could be silent, so nobody asks often.
    fn denials(&self, now: Timestamp, _: DenialPlace) -> Answer<'_, NewDenials> {
        Box::pin(async move {
            let at = |home: &RwLock<HomeShard>| home.read().denials.at(now).copied().collect::<Vec<_>>();
            Ok(NewDenials { denials: self.homes.iter().flat_map(at).collect(), place: DenialPlace::default() })
        })
    }
}
