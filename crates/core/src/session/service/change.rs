//! Changing a session: payload, rights, end, token.

use super::{Data, Invalid, Issued, SessionInfo, Sessions};
use crate::{
    bounds,
    event::Origin,
    fault::Fault,
    id::SessionId,
    session::{
        PackedSession, Session, SessionToken,
        command::{
            AmendOutcome, AmendSession, GetOutcome, Limits, RotateOutcome, RotateSession, SetData, SetDataOutcome, StepUp,
            Touch, TouchOutcome,
        },
    },
};
use serde_json::Value;
use std::time::Duration;

/// How a change ended.
#[derive(Debug)]
pub enum Changed<T> {
    /// It was made.
    Done(T),
    /// The session has another revision than the caller expected; this one.
    Conflict {
        /// The revision now.
        revision: u32,
    },
    /// There is no such session any more.
    Gone,
    /// A session of this kind cannot be changed so.
    Refused,
    /// An input was refused.
    Invalid(Invalid),
}

/// New rights and policy of a session.
#[derive(Debug, Clone, Default)]
pub struct Amendment {
    /// New roles.
    pub roles: Option<Vec<Box<str>>>,
    /// New profile.
    pub profile: Option<Box<str>>,
}

impl Sessions {
    /// A valid session by id.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn get(&self, id: SessionId) -> Result<Option<SessionInfo>, Fault> {
        match self.store.get(id, self.now()).await? {
            GetOutcome::Live(session) => self.open_packed(&session).map(Some),
            GetOutcome::Missing => Ok(None),
        }
    }

    /// Applies a JSON merge patch (RFC 7396) to the payload. Without an expected revision, writers of different fields all
    /// succeed: the patch is applied to what the others wrote. A read and a compare-and-set, at most
    /// [`bounds::CAS_TRIES`] times.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn patch_data(
        &self,
        id: SessionId,
        patch: &Data,
        expected: Option<u32>,
        origin: Origin,
    ) -> Result<Changed<SessionInfo>, Fault> {
        // Writers of one process take turns, so that they do not use up each other's tries.
        let _turn = self.patches[usize::from(id.serial()[0])].lock().await;
        let mut found = match self.store.get(id, self.now()).await? {
            GetOutcome::Live(session) => session,
            GetOutcome::Missing => return Ok(Changed::Gone),
        };
        for _ in 0..bounds::CAS_TRIES {
            if expected.is_some_and(|expected| expected != found.revision()) {
                return Ok(Changed::Conflict { revision: found.revision() });
            }
            let mut data = self.open_packed(&found)?.data;
            merge(&mut data, patch);
            let data = match self.seal_data(id.tag(), &data) {
                Ok(data) => data,
                Err(invalid) => return Ok(Changed::Invalid(invalid)),
            };
            let command = SetData { id, expected: found.revision(), data };
            match self.store.set_data(self.cx(origin.clone()), command).await? {
                SetDataOutcome::Written(session) => return self.open_packed(&session).map(Changed::Done),
                SetDataOutcome::Conflict(session) => found = session,
                SetDataOutcome::Gone => return Ok(Changed::Gone),
            }
        }
        Ok(Changed::Conflict { revision: found.revision() })
    }

    /// Changes roles or profile; limits follow policy. A read and one command.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn amend(
        &self,
        id: SessionId,
        amendment: Amendment,
        expected: Option<u32>,
        origin: Origin,
    ) -> Result<Changed<SessionInfo>, Fault> {
        if let Some(Err(invalid)) = amendment.roles.as_deref().map(|roles| super::create::names("roles", roles)) {
            return Ok(Changed::Invalid(invalid));
        }
        if amendment.profile.as_deref().is_some_and(|profile| self.policies.profile(profile).is_none()) {
            return Ok(Changed::Invalid(Invalid::new("profile", "there is no such profile")));
        }
        let GetOutcome::Live(found) = self.store.get(id, self.now()).await? else { return Ok(Changed::Gone) };
        let before = found.unpack();
        let mut after = before.clone();
        after.roles = amendment.roles.clone().unwrap_or(after.roles);
        after.profile = amendment.profile.clone().unwrap_or(after.profile);
        let limits = self.limits_after(&before, &after);
        let Amendment { roles, profile } = amendment;
        let command = AmendSession { id, expected, roles, profile, limits: Some(limits), extends: false };
        self.amended(command, origin).await
    }

    /// Lets a session live longer: `ttl` from now, or as long again as it was granted; never beyond policy, never shorter
    /// than before. Counts as a use. A read and one command.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn extend(&self, id: SessionId, ttl: Option<Duration>, origin: Origin) -> Result<Changed<SessionInfo>, Fault> {
        let GetOutcome::Live(found) = self.store.get(id, self.now()).await? else { return Ok(Changed::Gone) };
        let session = found.unpack();
        let granted_ms = session.expires_at.since_ms(session.created_at);
        let asked = self.now().plus_ms(ttl.map_or(granted_ms, crate::time::millis));
        let mut latest = self.lifetime_of(&session).ends_at(session.created_at);
        if let Some(parent) = session.parent {
            match self.store.get(parent, self.now()).await? {
                GetOutcome::Live(parent) => latest = latest.min(parent.expires_at()),
                GetOutcome::Missing => return Ok(Changed::Gone),
            }
        }
        let expires_at = asked.min(latest).max(session.expires_at);
        let limits = Limits { idle_timeout_ms: session.idle_timeout_ms, expires_at };
        let command = AmendSession { id, expected: None, roles: None, profile: None, limits: Some(limits), extends: true };
        self.amended(command, origin).await
    }

    async fn amended(&self, command: AmendSession, origin: Origin) -> Result<Changed<SessionInfo>, Fault> {
        match self.store.amend(self.cx(origin), command).await? {
            AmendOutcome::Amended(session) => self.open_packed(&session).map(Changed::Done),
            AmendOutcome::Conflict(session) => Ok(Changed::Conflict { revision: session.revision() }),
            AmendOutcome::Gone => Ok(Changed::Gone),
        }
    }

    /// The limits of a session whose traits changed: policy's, but never more than what was granted below policy before.
    fn limits_after(&self, before: &Session, after: &Session) -> Limits {
        if before.is_imported() {
            return Limits { idle_timeout_ms: before.idle_timeout_ms, expires_at: before.expires_at };
        }
        let (old, new) = (self.lifetime_of(before), self.lifetime_of(after));
        let was_policy = before.idle_timeout_ms == old.idle_timeout_ms;
        let idle_timeout_ms = if was_policy { new.idle_timeout_ms } else { before.idle_timeout_ms.min(new.idle_timeout_ms) };
        let granted_policy = before.expires_at == old.ends_at(before.created_at);
        let end = new.ends_at(before.created_at);
        let expires_at = if granted_policy { end } else { before.expires_at.min(end) };
        Limits { idle_timeout_ms, expires_at }
    }

    /// Replaces the token; the id stays and the old token works on for the overlap, with the privilege from before. With an
    /// expected revision a repeat gives the same token again. One round trip.
    ///
    /// # Errors
    /// A fault of the store; after [`Fault::Timeout`] repeat with the expected revision.
    pub async fn rotate(&self, id: SessionId, expected: Option<u32>, origin: Origin) -> Result<Changed<Issued>, Fault> {
        self.replace_token(id, expected, None, origin).await
    }

    /// Notes that the user proved themselves again, and replaces the token. One round trip, and one command more where a
    /// lifetime rule depends on the second factor.
    ///
    /// # Errors
    /// A fault of the store; after [`Fault::Timeout`] repeat with the expected revision.
    pub async fn step_up(
        &self,
        id: SessionId,
        proof: StepUp,
        expected: Option<u32>,
        origin: Origin,
    ) -> Result<Changed<Issued>, Fault> {
        if let Err(invalid) = super::create::methods(&proof.amr) {
            return Ok(Changed::Invalid(invalid));
        }
        self.replace_token(id, expected, Some(proof), origin).await
    }

    async fn replace_token(
        &self,
        id: SessionId,
        expected: Option<u32>,
        step_up: Option<StepUp>,
        origin: Origin,
    ) -> Result<Changed<Issued>, Fault> {
        let (token, command) = self.rotation(id, expected, step_up.clone());
        match self.store.rotate(self.cx(origin.clone()), command).await? {
            RotateOutcome::Rotated(session) => {
                let session = if step_up.is_some() { self.relimit(session, origin).await? } else { session };
                self.issue(token, &session).map(Changed::Done)
            }
            RotateOutcome::Repeated(session) => self.issue_again(&session),
            RotateOutcome::Conflict(session) => Ok(Changed::Conflict { revision: session.revision() }),
            RotateOutcome::Gone => Ok(Changed::Gone),
            RotateOutcome::Refused => Ok(Changed::Refused),
        }
    }

    /// A rotation command with its token. The overlap is the default profile's: a rotation reads nothing first.
    pub(crate) fn rotation(
        &self,
        id: SessionId,
        expected: Option<u32>,
        step_up: Option<StepUp>,
    ) -> (SessionToken, RotateSession) {
        let nonce: [u8; 8] = crate::id::random();
        let token = SessionToken::derive(&self.ring, id, nonce);
        let overlap_ms = crate::time::millis(self.policies.default.rotation_overlap);
        let digest = token.digest();
        (token, RotateSession { id, expected, nonce, digest, overlap_ms, step_up })
    }

    fn issue_again(&self, session: &PackedSession) -> Result<Changed<Issued>, Fault> {
        let conflict = Changed::Conflict { revision: session.revision() };
        let Some(rotated) = session.unpack().rotated else { return Ok(conflict) };
        let token = SessionToken::derive(&self.ring, session.id(), rotated.nonce);
        if !token.digest().matches(session.digest().as_bytes()) {
            // The secret was replaced between the two tries: the lost token cannot be made again.
            return Ok(conflict);
        }
        self.issue(token, session).map(Changed::Done)
    }

    /// Applies lifetime rules that depend on the second factor, where there are any.
    async fn relimit(&self, session: PackedSession, origin: Origin) -> Result<PackedSession, Fault> {
        if self.policies.rules.iter().all(|rule| rule.mfa.is_none()) {
            return Ok(session);
        }
        let after = session.unpack();
        let before = after.clone().before_rotation();
        let limits = self.limits_after(&before, &after);
        if (limits.idle_timeout_ms, limits.expires_at) == (after.idle_timeout_ms, after.expires_at) {
            return Ok(session);
        }
        let id = session.id();
        let command = AmendSession { id, expected: None, roles: None, profile: None, limits: Some(limits), extends: false };
        match self.store.amend(self.cx(origin), command).await? {
            AmendOutcome::Amended(amended) | AmendOutcome::Conflict(amended) => Ok(amended),
            AmendOutcome::Gone => Ok(session),
        }
    }

    /// Notes what the user of a session does, in its trail, whatever the touch throttle.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn activity(&self, id: SessionId, activity: &str) -> Result<Changed<()>, Fault> {
        if let Err(invalid) = super::create::label("activity", activity, bounds::ACTIVITY_BYTES) {
            return Ok(Changed::Invalid(invalid));
        }
        let GetOutcome::Live(found) = self.store.get(id, self.now()).await? else { return Ok(Changed::Gone) };
        let touch = Touch { id, at: self.now(), idle_timeout_ms: found.idle_timeout_ms(), activity: Some(activity.into()) };
        match self.store.touch(touch).await? {
            TouchOutcome::Touched => Ok(Changed::Done(())),
            TouchOutcome::Gone => Ok(Changed::Gone),
        }
    }
}

/// RFC 7396: an object merges member by member, null removes, anything else replaces.
fn merge(target: &mut Data, patch: &Data) {
    for (name, value) in patch {
        match value {
            Value::Null => {
                target.remove(name);
            }
            Value::Object(inner) => {
                let member = target.entry(name.as_str()).or_insert(Value::Null);
                if !member.is_object() {
                    *member = Value::Object(Data::new());
                }
                if let Value::Object(member) = member {
                    merge(member, inner);
                }
            }
            other => {
                target.insert(name.clone(), other.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn merge_patch_follows_the_examples_of_rfc_7396() {
        for (target, patch, result) in [
            (json!({"a":"b"}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"b"}), json!({"b":"c"}), json!({"a":"b","b":"c"})),
            (json!({"a":"b"}), json!({"a":null}), json!({})),
            (json!({"a":"b","b":"c"}), json!({"a":null}), json!({"b":"c"})),
            (json!({"a":["b"]}), json!({"a":"c"}), json!({"a":"c"})),
            (json!({"a":"c"}), json!({"a":["b"]}), json!({"a":["b"]})),
            (json!({"a":{"b":"c"}}), json!({"a":{"b":"d","c":null}}), json!({"a":{"b":"d"}})),
            (json!({"e":null}), json!({"a":1}), json!({"e":null,"a":1})),
            (json!({}), json!({"a":{"bb":{"ccc":null}}}), json!({"a":{"bb":{}}})),
        ] {
            let mut merged = target.as_object().cloned().expect("an object");
            merge(&mut merged, patch.as_object().expect("an object"));
            assert_eq!(Value::Object(merged), result, "{target} {patch}");
        }
    }
}
