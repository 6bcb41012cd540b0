//! What cases about tokens do over and over.

use super::scene::{Person, Scene};
use crate::sample;
use tokio::task::JoinHandle;
use vestibule_core::{
    fault::Fault,
    session::PackedSession,
    time::Timestamp,
    token::{DenialPlace, Denied, Family, command::*},
};

impl Scene {
    /// A family of a session or a user, not yet stored.
    pub fn family(&self, session: Option<&PackedSession>) -> Family {
        sample::family(self.now(), session.map(PackedSession::id))
    }

    /// Begins a family, or is refused.
    pub async fn issue(&self, person: &Person, family: Family) -> IssueOutcome {
        let user_id = family.session.is_none().then(|| person.id.clone());
        let command = IssueFamily { tag: person.tag, user_id, family };
        self.tokens.issue(self.cx(), command).await.expect("issue answers")
    }

    /// Begins a family that nothing keeps from beginning.
    pub async fn granted(&self, person: &Person, family: Family) -> Granted {
        match self.issue(person, family).await {
            IssueOutcome::Issued(granted) => *granted,
            other => panic!("expected a family, not {other:?}"),
        }
    }

    /// Begins a plain family.
    pub async fn issued(&self, person: &Person, session: Option<&PackedSession>) -> Family {
        self.granted(person, self.family(session)).await.family
    }

    /// Presents a refresh token.
    pub async fn refresh(&self, command: Refresh) -> RefreshOutcome {
        self.tokens.refresh(self.cx(), command).await.expect("refresh answers")
    }

    /// Presents one that is good.
    pub async fn succeed(&self, command: Refresh) -> Granted {
        match self.refresh(command).await {
            RefreshOutcome::Refreshed(granted) => *granted,
            other => panic!("expected a successor, not {other:?}"),
        }
    }

    /// Presents the token of a family as it was seen, which is good.
    pub async fn refreshed(&self, person: &Person, family: &Family) -> Family {
        self.succeed(sample::refresh(person.tag, family)).await.family
    }

    /// Presents the token of a family as it was seen.
    pub async fn try_refresh(&self, person: &Person, family: &Family) -> RefreshOutcome {
        self.refresh(sample::refresh(person.tag, family)).await
    }

    /// Whether that one is good.
    pub async fn is_refreshed(&self, person: &Person, family: &Family) -> bool {
        matches!(self.try_refresh(person, family).await, RefreshOutcome::Refreshed(_))
    }

    /// Presents a token several times at once.
    pub fn race(&self, command: &Refresh, racers: usize) -> Vec<JoinHandle<RefreshOutcome>> {
        let racer = |_| {
            let (tokens, cx, command) = (self.tokens.clone(), self.cx(), command.clone());
            tokio::spawn(async move { tokens.refresh(cx, command).await.expect("refresh answers") })
        };
        (0..racers).map(racer).collect()
    }

    /// Revokes. Returns how many.
    pub async fn revoke(&self, person: &Person, target: Target) -> u64 {
        let command = RevokeTokens { tag: person.tag, target, reason: "admin".into() };
        counted(self.tokens.revoke(self.cx(), command).await)
    }

    /// What is denied of a person, with the time until which it is.
    pub async fn denials(&self, person: &Person) -> Vec<(Denied, Timestamp)> {
        let all = self.tokens.denials(self.now(), DenialPlace::default()).await.expect("denials answers");
        all.denials.into_iter().filter(|denial| denial.tag == person.tag).map(|denial| (denial.what, denial.until)).collect()
    }

    /// Whether something of a person is denied.
    pub async fn is_denied(&self, person: &Person, what: Denied) -> bool {
        self.denials(person).await.iter().any(|(denied, _)| *denied == what)
    }
}

/// How many were revoked.
pub(super) fn counted(outcome: Result<RevokeOutcome, Fault>) -> u64 {
    match outcome.expect("revoke answers") {
        RevokeOutcome::Revoked(count) => count,
        RevokeOutcome::OtherClient => panic!("nobody named a client"),
    }
}
