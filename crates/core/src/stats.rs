//! Figures of a whole deployment.

/// Counted as things happen; nothing is walked to answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Stats {
    /// Live sessions. Expired ones leave when they are noticed, within a second or two.
    pub sessions: u64,
    /// Users with at least one live session.
    pub users: u64,
    /// Sessions that ever began.
    pub created_total: u64,
    /// Sessions that were ended by somebody's decision.
    pub revoked_total: u64,
    /// Sessions that time ended.
    pub expired_total: u64,
}

impl Stats {
    /// Counts what one command did. `live_before` and `live_after` are the user's live sessions.
    pub fn count(&mut self, effects: &crate::user::Effects, live_before: usize, live_after: usize) {
        let expired =
            effects.ended.iter().filter(|session| session.ended().is_some_and(|end| end.reason.is_expiry())).count() as u64;
        self.created_total += effects.created;
        self.expired_total += expired;
        self.revoked_total += effects.ended.len() as u64 - expired;
        self.sessions = (self.sessions + live_after as u64).saturating_sub(live_before as u64);
        match (live_before, live_after) {
            (0, 1..) => self.users += 1,
            (1.., 0) => self.users = self.users.saturating_sub(1),
            _ => {}
        }
    }
}
