//! The question of every request: is this token good, and for what?

use super::{SessionInfo, Sessions};
use crate::{
    event::{Event, EventType, Origin},
    fault::Fault,
    id::{SessionId, UserTag},
    session::{
        BindingMode, EndReason, PackedSession, Profile, Session, SessionToken, TokenDigest,
        binding::{self, Client, Mismatch},
        command::{ExpireUser, FindOutcome, Touch},
        csrf,
        packed::Generation,
    },
    time::Timestamp,
};

/// What a request presents.
#[derive(Clone, Copy, Default)]
pub struct Presented<'a> {
    /// The session token.
    pub token: &'a str,
    /// The CSRF token, if there is one.
    pub csrf_token: Option<&'a str>,
    /// Whether its method is unsafe, so that a CSRF token is demanded.
    pub demands_csrf: bool,
    /// Its client, for the comparison with the one that logged in.
    pub client: Client<'a>,
    /// What is being done, for the activity trail.
    pub activity: Option<&'a str>,
    /// Its id, for events.
    pub request_id: Option<&'a str>,
}

/// Why a token is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No token, garbage, or nothing is known of it.
    Missing,
    /// Nobody used the session for its idle timeout.
    ExpiredIdle,
    /// The session reached its absolute lifetime.
    ExpiredAbsolute,
    /// The session was ended, or the token was replaced.
    Revoked,
    /// An unsafe request without the session's CSRF token.
    CsrfFailed,
    /// The client changed and the policy is to refuse.
    ClientMismatch,
    /// The client changed and the policy is to ask for a new proof of identity.
    StepUpRequired,
}

/// How [`Sessions::validate`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Validation {
    /// The token is good.
    Valid(ValidSession),
    /// It is not.
    Refused(Refusal),
}

/// A session whose token was good a moment ago. Decodes only what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidSession {
    packed: PackedSession,
    generation: Generation,
}

impl ValidSession {
    /// Public name.
    #[must_use]
    pub fn id(&self) -> SessionId {
        self.packed.id()
    }

    /// The stored form, without decoding: what all of its tokens share may be read from it.
    #[must_use]
    pub fn packed(&self) -> &PackedSession {
        &self.packed
    }

    /// The user; `None` while anonymous.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.packed.user_id()
    }

    /// Whether it has the second factor. The token from before a step-up has not.
    #[must_use]
    pub fn mfa(&self) -> bool {
        match self.generation {
            Generation::Current => self.packed.mfa(),
            Generation::Previous => self.session().mfa,
        }
    }

    /// The session as this token may see it.
    #[must_use]
    pub fn session(&self) -> Session {
        let session = self.packed.unpack();
        match self.generation {
            Generation::Current => session,
            Generation::Previous => session.before_rotation(),
        }
    }

    /// How often its token had been replaced when this one was made.
    #[must_use]
    pub fn rotation(&self) -> u32 {
        match self.generation {
            Generation::Current => self.packed.rotation(),
            Generation::Previous => self.packed.rotation().saturating_sub(1),
        }
    }
}

impl Sessions {
    /// Answers whether a token is good. The usual case is one read; at most once per touch throttle a use is noted, and a
    /// failure to note it never fails the request. Garbage reaches no store, unless it may be a token of another system.
    ///
    /// # Errors
    /// A fault of the store: neither yes nor no.
    pub async fn validate(&self, presented: Presented<'_>) -> Result<Validation, Fault> {
        let now = self.now();
        let Some((tag, digest)) = self.locate(presented.token, now).await? else {
            self.note_garbage(&presented);
            return Ok(Validation::Refused(Refusal::Missing));
        };
        self.lookups.increment(1);
        match self.store.find(tag, digest, now).await? {
            FindOutcome::Found { session, generation } => {
                self.judge(ValidSession { packed: session, generation }, presented, now).await
            }
            FindOutcome::Ended { reason, id, unnoticed } => {
                if unnoticed {
                    let expire = ExpireUser { tag };
                    if let Err(fault) = self.store.expire(self.cx(Origin::system()), expire).await {
                        tracing::warn!(class = fault.class(), "the end of an expired session was not written");
                    }
                }
                self.note_use_after_end(&presented, tag, digest, id, reason);
                Ok(Validation::Refused(refusal(reason)))
            }
            FindOutcome::Unknown { user_known: true } => {
                self.note_use_after_end(&presented, tag, digest, None, EndReason::Revoked);
                Ok(Validation::Refused(Refusal::Revoked))
            }
            FindOutcome::Unknown { user_known: false } => Ok(Validation::Refused(Refusal::Missing)),
        }
    }

    /// Whose token this is, if it is one of ours; whether it is still good is another question. No round trip.
    #[must_use]
    pub fn tag_in(&self, token: &str) -> Option<UserTag> {
        SessionToken::parse(&self.ring, token).map(|token| token.tag())
    }

    /// Opens what [`Self::validate`] found, as its token may see it.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where the payload does not open.
    pub fn info(&self, valid: &ValidSession) -> Result<SessionInfo, Fault> {
        self.open(valid.session())
    }

    /// Opens only the payload of what [`Self::validate`] found: its JSON text, empty where there is none. For callers who
    /// decode it to a type of their own, or pass it on.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where it does not open.
    pub fn payload_json(&self, valid: &ValidSession) -> Result<Vec<u8>, Fault> {
        match valid.packed.sealed() {
            [] => Ok(Vec::new()),
            sealed => self.open_json(valid.id().tag(), sealed),
        }
    }

    async fn judge(&self, valid: ValidSession, presented: Presented<'_>, now: Timestamp) -> Result<Validation, Fault> {
        let bound = valid.packed.binding();
        let profile = self.policies.profile_or_default(bound.profile);
        if let Some(mismatch) = binding::compare(profile, &bound, presented.client) {
            self.note_mismatch(&presented, &valid, mismatch, now);
            match mismatch.mode {
                BindingMode::Strict => return Ok(Validation::Refused(Refusal::ClientMismatch)),
                BindingMode::StepUp => return Ok(Validation::Refused(Refusal::StepUpRequired)),
                BindingMode::Log | BindingMode::Off => {}
            }
        }
        if presented.demands_csrf && !self.csrf_is_right(&valid, presented.csrf_token) {
            return Ok(Validation::Refused(Refusal::CsrfFailed));
        }
        let idle_timeout_ms = valid.packed.idle_timeout_ms();
        if now.since_ms(valid.packed.last_seen_at()) >= profile.throttle_ms(idle_timeout_ms) {
            self.note_use(&valid, profile, presented.activity, now).await;
        }
        Ok(Validation::Valid(valid))
    }

    /// Whether this is the CSRF token that belongs to the session token which was presented.
    #[must_use]
    pub fn csrf_is_right(&self, valid: &ValidSession, given: Option<&str>) -> bool {
        // A share has no CSRF token, so it can do nothing unsafe through a browser.
        given.is_some_and(|given| {
            valid.packed.kind() != crate::session::SessionKind::Share
                && csrf::csrf_matches(&self.ring, valid.id(), valid.rotation(), given)
        })
    }

    async fn note_use(&self, valid: &ValidSession, profile: &Profile, activity: Option<&str>, now: Timestamp) {
        let mut idle_timeout_ms = valid.packed.idle_timeout_ms();
        if self.policies.watches_activity() {
            idle_timeout_ms = self.idle_timeout_by_use(&valid.packed.unpack(), profile);
        }
        let activity = activity.map(|text| crate::session::model::cut(text, crate::bounds::ACTIVITY_BYTES).into());
        let touch = Touch { id: valid.id(), at: now, idle_timeout_ms, activity };
        if let Err(fault) = self.store.touch(touch).await {
            metrics::counter!("vestibule_touches_failed_total").increment(1);
            tracing::debug!(class = fault.class(), "a use of a session was not noted");
        }
    }

    /// The rest that policy grants after one more use. A session that was granted less than policy at its start keeps that.
    fn idle_timeout_by_use(&self, session: &Session, profile: &Profile) -> u64 {
        let mut traits = super::traits(session);
        let before = self.policies.lifetime(profile, &traits).idle_timeout_ms;
        traits.touches = traits.touches.saturating_add(1);
        let after = self.policies.lifetime(profile, &traits).idle_timeout_ms;
        if session.is_imported() {
            return session.idle_timeout_ms;
        }
        if session.idle_timeout_ms == before { after } else { session.idle_timeout_ms.min(after) }
    }

    fn note_garbage(&self, presented: &Presented<'_>) {
        metrics::counter!("vestibule_garbage_tokens_total").increment(1);
        if presented.token.is_empty() {
            return;
        }
        let key = presented.client.ip.map_or(0, |ip| match ip.to_canonical() {
            std::net::IpAddr::V4(v4) => u128::from(u32::from(v4)),
            std::net::IpAddr::V6(v6) => u128::from(v6) >> 64 << 64 | 1,
        });
        self.observer.note_once(key, Event::new(EventType::GarbageRefused, self.now(), &origin_of(presented)));
    }

    fn note_use_after_end(
        &self,
        presented: &Presented<'_>,
        tag: UserTag,
        digest: TokenDigest,
        id: Option<SessionId>,
        reason: EndReason,
    ) {
        let mut event = Event::new(EventType::SessionUsedAfterEnd, self.now(), &origin_of(presented)).because(reason.as_str());
        event.tag = Some(tag);
        event.session_id = id;
        self.observer.note_once(first_bytes(digest.as_bytes()), event);
    }

    fn note_mismatch(&self, presented: &Presented<'_>, valid: &ValidSession, mismatch: Mismatch, now: Timestamp) {
        let mut event = Event::new(EventType::SessionBindingMismatch, now, &origin_of(presented)).because(mismatch.what);
        event.tag = Some(valid.id().tag());
        event.subject = valid.user_id().and_then(|user| crate::id::UserId::new(user).ok());
        event.session_id = Some(valid.id());
        event.device_id = valid.packed.device_id().map(Into::into);
        let place = presented.client.ip.map_or(0, |ip| match ip.to_canonical() {
            std::net::IpAddr::V4(v4) => u128::from(u32::from(v4)),
            std::net::IpAddr::V6(v6) => u128::from(v6),
        });
        self.observer.note_once(first_bytes(valid.id().serial()) ^ place, event);
    }
}

fn first_bytes(bytes: &[u8]) -> u128 {
    let mut wide = [0; 16];
    let length = bytes.len().min(16);
    wide[..length].copy_from_slice(&bytes[..length]);
    u128::from_be_bytes(wide)
}

fn origin_of(presented: &Presented<'_>) -> Origin {
    Origin {
        actor: None,
        ip: presented.client.ip,
        user_agent: presented
            .client
            .user_agent
            .map(|agent| crate::session::model::cut(agent, crate::bounds::USER_AGENT_BYTES).into()),
        request_id: presented.request_id.map(Into::into),
    }
}

/// What the caller is told about a session that ended for this reason.
#[must_use]
pub const fn refusal(reason: EndReason) -> Refusal {
    match reason {
        EndReason::Idle => Refusal::ExpiredIdle,
        EndReason::Absolute => Refusal::ExpiredAbsolute,
        _ => Refusal::Revoked,
    }
}
