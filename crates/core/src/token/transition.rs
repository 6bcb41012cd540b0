//! The rules of families: pure, like those of sessions, and in the same step.

use super::{Denial, Denied, EndedFamily, Family, FamilyEnd, command::*};
use crate::{
    bounds,
    event::EventType,
    id::{SessionId, UserTag},
    session::{PackedSession, SessionKind},
    time::Timestamp,
    user::{Extras, Step, UserAggregate, command::UserCommand},
};

/// Why all access tokens of a user are denied where only one was to be.
const TOO_MANY: &str = "too_many_denied";

impl Extras {
    /// Ends families that nobody has refreshed for too long, and forgets what is over. Returns whether anything was.
    pub(crate) fn expire_tokens(&mut self, now: Timestamp) -> bool {
        let before = (self.families.len(), self.ended_families.len());
        let expired = |family: &Family| (family.deadline() <= now).then_some((family.serial, family.expires_at));
        for (serial, until) in self.families.iter().filter_map(expired).collect::<Vec<_>>() {
            self.families.retain(|family| family.serial != serial);
            self.bury(EndedFamily { serial, end: FamilyEnd::Expired, until });
        }
        self.ended_families.retain(|ended| ended.until > now);
        let forgets_epoch = !self.access_until.is_zero() && self.deny_until() <= now;
        if forgets_epoch {
            (self.token_epoch, self.access_until, self.denied_tokens) = (0, Timestamp::ZERO, 0);
        }
        forgets_epoch || before != (self.families.len(), self.ended_families.len())
    }

    /// Until when access tokens of the user must be denied, if all are denied now.
    pub(crate) fn deny_until(&self) -> Timestamp {
        self.access_until.plus_ms(bounds::DENIAL_MARGIN_MS)
    }

    /// Remembers why a family ended; the one that would be over soonest makes room.
    fn bury(&mut self, ended: EndedFamily) {
        self.ended_families.push(ended);
        if self.ended_families.len() > bounds::ENDED_FAMILIES {
            let soonest = self.ended_families.iter().enumerate().min_by_key(|(_, ended)| ended.until);
            if let Some((position, _)) = soonest {
                self.ended_families.remove(position);
            }
        }
    }
}

impl UserAggregate {
    fn families(&self) -> &[Family] {
        self.extras.as_ref().map_or(&[], |extras| &extras.families)
    }

    fn family(&self, serial: &[u8; 12]) -> Option<usize> {
        self.families().iter().position(|family| family.serial == *serial)
    }

    /// Whether the end of a session may be the end of a family.
    #[must_use]
    pub fn has_session_families(&self) -> bool {
        self.families().iter().any(|family| family.session.is_some())
    }
}

impl Step<'_> {
    /// Ends a family: its refresh tokens are refused, its access tokens denied for as long as there can be any.
    fn end_family(&mut self, position: usize, end: FamilyEnd) -> Family {
        let (tag, now) = (self.user.tag, self.cx.now);
        let extras = self.user.extras_mut();
        let family = extras.families.remove(position);
        extras.bury(EndedFamily { serial: family.serial, end, until: family.expires_at });
        if family.deny_until() > now {
            self.fx.denied.push(Denial { tag, what: Denied::Family(family.serial), until: family.deny_until() });
        }
        self.fx.changed = true;
        family
    }

    /// Ends the families that match. Returns how many.
    pub(crate) fn end_families(&mut self, end: FamilyEnd, matches: impl Fn(&Family) -> bool) -> u64 {
        let mut count = 0;
        while let Some(position) = self.user.families().iter().position(&matches) {
            self.end_family(position, end);
            count += 1;
        }
        count
    }

    /// Ends the families whose sessions this step has ended, by whatever way. The events of the sessions tell of it.
    pub(crate) fn end_orphaned_families(&mut self) {
        if self.fx.ended.is_empty() || !self.user.has_session_families() {
            return;
        }
        let orphaned = |user: &UserAggregate, family: &Family| family.session.is_some_and(|id| user.position(id).is_none());
        while let Some(position) = self.user.families().iter().position(|family| orphaned(self.user, family)) {
            let session = self.user.families()[position].session;
            let ended = self.fx.ended.iter().find(|ended| Some(ended.id()) == session).and_then(PackedSession::ended);
            let by_time = ended.is_some_and(|ended| ended.reason.is_expiry());
            self.end_family(position, if by_time { FamilyEnd::Expired } else { FamilyEnd::SessionEnded });
        }
    }

    /// Denies every access token that the user was given so far, if any of them could still be believed. Families go on.
    ///
    /// The epoch is at least the time, so that it rises even where the one before it is forgotten; two in one second differ.
    fn deny_all_tokens(&mut self) {
        let (tag, now) = (self.user.tag, self.cx.now);
        let Some(extras) = self.user.extras.as_mut().filter(|extras| extras.deny_until() > now) else { return };
        let seconds = u32::try_from(now.millis() / 1_000).unwrap_or(u32::MAX);
        extras.token_epoch = seconds.max(extras.token_epoch.saturating_add(1));
        extras.denied_tokens = 0;
        let what = Denied::Before(extras.token_epoch);
        self.fx.denied.push(Denial { tag, what, until: extras.deny_until() });
        self.fx.changed = true;
    }

    /// Denies every access token that the user was given so far, and ends all families. Returns how many.
    pub(crate) fn raise_token_epoch(&mut self) -> u64 {
        self.deny_all_tokens();
        let Some(extras) = &mut self.user.extras else { return 0 };
        let families = std::mem::take(&mut extras.families);
        for family in &families {
            extras.bury(EndedFamily { serial: family.serial, end: FamilyEnd::Revoked, until: family.expires_at });
        }
        self.fx.changed |= !families.is_empty();
        families.len() as u64
    }

    /// The session of a family, where it has one; `Err` where that has ended.
    fn session_of(&self, id: Option<SessionId>) -> Result<Option<PackedSession>, ()> {
        let Some(id) = id else { return Ok(None) };
        self.user.position(id).map(|position| Some(self.user.live[position].clone())).ok_or(())
    }

    fn grant(&self, family: &Family, session: Option<PackedSession>) -> Option<Box<Granted>> {
        let roles = session.as_ref().map_or_else(|| family.roles.clone(), |session| session.roles().map(Into::into).collect());
        Some(Box::new(Granted {
            user_id: self.user.user_id.clone()?,
            epoch: self.user.extras.as_ref().map_or(0, |extras| extras.token_epoch),
            roles,
            family: family.clone(),
            session,
        }))
    }

    fn note_tokens(&mut self, kind: EventType, session: Option<SessionId>, reason: &str) {
        let event = self.note(kind);
        event.session_id = session;
        event.reason = Some(reason.into());
    }

    fn make_room_for_family(&mut self) {
        while self.user.families().len() >= bounds::FAMILIES {
            let oldest = self.user.families().iter().enumerate().min_by_key(|(_, family)| family.created_at);
            let Some((position, _)) = oldest else { return };
            let family = self.end_family(position, FamilyEnd::Evicted);
            self.note_tokens(EventType::TokenRevoked, family.session, FamilyEnd::Evicted.as_str());
        }
    }
}

impl UserCommand for IssueFamily {
    type Outcome = IssueOutcome;

    fn tag(&self) -> UserTag {
        self.tag
    }

    fn apply(self, step: &mut Step<'_>) -> IssueOutcome {
        if step.user.disabled {
            return IssueOutcome::UserDisabled;
        }
        let Ok(session) = step.session_of(self.family.session) else { return IssueOutcome::SessionGone };
        if session.as_ref().is_some_and(|session| session.kind() != SessionKind::Login) {
            return IssueOutcome::Refused;
        }
        if let Some(user_id) = self.user_id {
            step.user.user_id.get_or_insert(user_id);
        }
        let family = match step.user.family(&self.family.serial) {
            Some(position) => step.user.families()[position].clone(),
            None => begin(step, self.family, session.as_ref()),
        };
        step.grant(&family, session).map_or(IssueOutcome::Refused, IssueOutcome::Issued)
    }
}

fn begin(step: &mut Step<'_>, mut family: Family, session: Option<&PackedSession>) -> Family {
    let wanted = family.access_until;
    if let Some(session) = session {
        family.roles = Vec::new();
        family.expires_at = family.expires_at.min(session.expires_at());
    }
    family.access_until = Timestamp::ZERO;
    family.give_access_until(session.map_or(wanted, |session| wanted.min(session.deadline())));
    step.make_room_for_family();
    let extras = step.user.extras_mut();
    extras.access_until = extras.access_until.max(family.access_until);
    extras.families.push(family.clone());
    step.fx.changed = true;
    step.note(EventType::TokenIssued).session_id = family.session;
    family
}

impl UserCommand for Refresh {
    type Outcome = RefreshOutcome;

    fn tag(&self) -> UserTag {
        self.tag
    }

    fn apply(self, step: &mut Step<'_>) -> RefreshOutcome {
        let Some(position) = step.user.family(&self.serial) else { return why_ended(step, &self) };
        let family = &step.user.families()[position];
        let Ok(session) = step.session_of(family.session) else { return RefreshOutcome::Revoked };
        if let Some(refusal) = self.refused_by(family) {
            return refusal;
        }
        match self.meets(family, step.cx.now) {
            Meeting::Again => {
                let granted = step.grant(family, session);
                granted.map_or(RefreshOutcome::Revoked, RefreshOutcome::Refreshed)
            }
            Meeting::Reuse => {
                let family = step.end_family(position, FamilyEnd::Reused);
                step.note_tokens(EventType::TokenReused, family.session, FamilyEnd::Reused.as_str());
                RefreshOutcome::Reused
            }
            Meeting::Next => advance(step, position, &self, session),
        }
    }
}

/// What the generation of a token says about a family.
enum Meeting {
    /// It is the good one, or proves that a write was lost: its successor begins.
    Next,
    /// It was replaced a moment ago: whoever asks is given the same successor.
    Again,
    /// It was replaced before that.
    Reuse,
}

impl Refresh {
    fn meets(&self, family: &Family, now: Timestamp) -> Meeting {
        // A racer can have looked at the clock before the winner did, so that even no grace at all would seem not to be over.
        let in_grace = now.max(family.advanced_at) < family.advanced_at.plus_ms(self.grace_ms);
        match family.generation.checked_sub(self.generation) {
            None | Some(0) => Meeting::Next,
            Some(1) if in_grace => Meeting::Again,
            Some(_) => Meeting::Reuse,
        }
    }

    /// What is asked for that the family has not. Says nothing about the token, and changes nothing.
    fn refused_by(&self, family: &Family) -> Option<RefreshOutcome> {
        let differs = |asks: &Option<Box<str>>, has: &Option<Box<str>>| matches!((asks, has), (Some(a), Some(b)) if a != b);
        let broader = |asks: &Option<Vec<Box<str>>>, has: &[Box<str>]| asks.iter().flatten().any(|item| !has.contains(item));
        if differs(&self.client_id, &family.client_id) {
            Some(RefreshOutcome::OtherClient)
        } else if differs(&self.device_id, &family.device_id) {
            Some(RefreshOutcome::OtherDevice)
        } else if broader(&self.scope, &family.scope) {
            Some(RefreshOutcome::BroaderScope)
        } else if broader(&self.audience, &family.audience) {
            Some(RefreshOutcome::BroaderAudience)
        } else {
            None
        }
    }
}

fn why_ended(step: &Step<'_>, refresh: &Refresh) -> RefreshOutcome {
    let ended = step.user.extras.iter().flat_map(|extras| &extras.ended_families);
    match ended.rev().find(|ended| ended.serial == refresh.serial).map(|ended| ended.end) {
        _ if refresh.expires_at <= step.cx.now => RefreshOutcome::Expired,
        Some(FamilyEnd::Expired) => RefreshOutcome::Expired,
        Some(FamilyEnd::Reused) => RefreshOutcome::Reused,
        Some(FamilyEnd::Revoked | FamilyEnd::Evicted | FamilyEnd::SessionEnded) | None => RefreshOutcome::Revoked,
    }
}

/// Replaces the good token: the next generation begins, and the session has been used.
fn advance(step: &mut Step<'_>, position: usize, refresh: &Refresh, session: Option<PackedSession>) -> RefreshOutcome {
    let now = step.cx.now;
    let session = session.map(|session| used(step, session));
    let extras = step.user.extras_mut();
    let family = &mut extras.families[position];
    // A token from ahead of the family is from a write that a failover has lost: nobody else can have made it.
    family.generation = refresh.generation.max(family.generation).saturating_add(1);
    family.key_id = refresh.key_id;
    family.advanced_at = now;
    family.last_used_at = family.last_used_at.max(now);
    let wanted = now.plus_ms(refresh.access_ttl_ms);
    family.give_access_until(session.as_ref().map_or(wanted, |session| wanted.min(session.deadline())));
    let family = family.clone();
    extras.access_until = extras.access_until.max(family.access_until);
    step.fx.changed = true;
    step.grant(&family, session).map_or(RefreshOutcome::Revoked, RefreshOutcome::Refreshed)
}

fn used(step: &mut Step<'_>, session: PackedSession) -> PackedSession {
    if session.last_seen_at() >= step.cx.now {
        return session;
    }
    let used = session.touched(step.cx.now, session.touches().saturating_add(1), session.idle_timeout_ms());
    step.put(used.clone());
    used
}

impl UserCommand for RevokeTokens {
    type Outcome = RevokeOutcome;

    fn tag(&self) -> UserTag {
        self.tag
    }

    fn apply(self, step: &mut Step<'_>) -> RevokeOutcome {
        let revoked = match self.target {
            Target::Token { serial, expires_at } => deny_token(step, serial, expires_at),
            Target::Family(serial) => step.end_families(FamilyEnd::Revoked, |family| family.serial == serial),
            Target::FamilyOf { serial, ref client_id } => {
                let has = step.user.family(&serial).and_then(|position| step.user.families()[position].client_id.as_ref());
                if has.is_some_and(|has| has != client_id) {
                    return RevokeOutcome::OtherClient;
                }
                step.end_families(FamilyEnd::Revoked, |family| family.serial == serial)
            }
            Target::Session(id) => step.end_families(FamilyEnd::Revoked, |family| family.session == Some(id)),
            Target::User => step.raise_token_epoch(),
        };
        if revoked > 0 {
            let session = if let Target::Session(id) = self.target { Some(id) } else { None };
            self.note(step, session, revoked);
        }
        RevokeOutcome::Revoked(revoked)
    }
}

impl RevokeTokens {
    fn note(&self, step: &mut Step<'_>, session: Option<SessionId>, revoked: u64) {
        step.note_tokens(EventType::TokenRevoked, session, &self.reason);
        if let Some(event) = step.fx.events.last_mut() {
            event.count = Some(revoked);
        }
    }
}

/// Denies one access token, where the user can have any: an id alone does not tell whether there ever was such a token.
///
/// One too many denies all that the user has: their holders refresh. To refuse it would leave somebody believed who must not be, and
/// to go on would have every node remember as much as one caller likes.
fn deny_token(step: &mut Step<'_>, serial: [u8; 12], expires_at: Option<Timestamp>) -> u64 {
    let Some(extras) = &mut step.user.extras else { return 0 };
    let until = expires_at.map_or(extras.deny_until(), |at| at.plus_ms(bounds::DENIAL_MARGIN_MS).min(extras.deny_until()));
    if until <= step.cx.now {
        return 0;
    }
    if extras.denied_tokens >= bounds::DENIED_TOKENS {
        step.deny_all_tokens();
        step.note_tokens(EventType::TokenRevoked, None, TOO_MANY);
        return 1;
    }
    extras.denied_tokens += 1;
    step.fx.denied.push(Denial { tag: step.user.tag, what: Denied::Token(serial), until });
    step.fx.changed = true;
    1
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn family() -> Family {
        Family {
            serial: [4; 12],
            session: Some(SessionId::from_parts(UserTag::from_bytes([3; 12]), [5; 12])),
            client_id: Some("app".into()),
            device_id: None,
            audience: vec!["api".into()],
            scope: vec!["read".into(), "write".into()],
            roles: vec!["admin".into()],
            permissions: vec!["orders".into()],
            created_at: Timestamp::from_millis(1_000),
            expires_at: Timestamp::from_millis(9_000_000),
            idle_timeout_ms: 600_000,
            last_used_at: Timestamp::from_millis(2_000),
            generation: 3,
            key_id: 7,
            advanced_at: Timestamp::from_millis(2_000),
            access_until: Timestamp::from_millis(3_000),
        }
    }

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    /// A user with one family, whose access tokens live for a minute.
    fn user() -> UserAggregate {
        let mut user = UserAggregate::new(UserTag::from_bytes([3; 12]));
        user.user_id = Some(crate::id::UserId::new("ada").expect("an id"));
        let access_until = NOW.plus_ms(60_000);
        let family = Family { session: None, expires_at: NOW.plus_ms(600_000), last_used_at: NOW, access_until, ..family() };
        let extras = user.extras_mut();
        extras.access_until = access_until;
        extras.families.push(family);
        user
    }

    fn revoke(user: &mut UserAggregate, serial: [u8; 12], now: Timestamp) -> crate::user::Effects {
        let command =
            RevokeTokens { tag: user.tag, target: Target::Token { serial, expires_at: None }, reason: "admin".into() };
        let cx = crate::user::Context { now, origin: crate::event::Origin::default() };
        let (outcome, effects) = crate::user::command::apply(command, user, &cx, crate::user::Facts::default());
        assert_eq!(outcome, RevokeOutcome::Revoked(1));
        effects
    }

    /// Every node remembers what is denied: one user takes no more of that than so much.
    #[test]
    fn one_denied_token_too_many_denies_all_and_ends_no_family() {
        let mut user = user();
        for denied in 0..bounds::DENIED_TOKENS {
            let mut serial = [0; 12];
            serial[..4].copy_from_slice(&denied.to_le_bytes());
            let effects = revoke(&mut user, serial, NOW);
            assert!(matches!(effects.denied.as_slice(), [Denial { what: Denied::Token(_), .. }]));
        }
        let effects = revoke(&mut user, [9; 12], NOW);
        let [Denial { what: Denied::Before(epoch), .. }] = effects.denied.as_slice() else { panic!("{:?}", effects.denied) };
        let reasons: Vec<_> = effects.events.iter().map(|event| event.reason.as_deref()).collect();
        assert_eq!(reasons, [Some(TOO_MANY), Some("admin")]);
        let extras = user.extras.as_ref().expect("a family");
        assert_eq!((extras.token_epoch, extras.families.len()), (*epoch, 1));
        let effects = revoke(&mut user, [9; 12], NOW);
        assert!(matches!(effects.denied.as_slice(), [Denial { what: Denied::Token(_), .. }]), "it begins anew");
    }

    /// What is over is not counted: a user who logs out once a day is never taken for one of whom everything is denied.
    #[test]
    fn denials_are_forgotten_with_the_last_token() {
        let mut user = user();
        revoke(&mut user, [1; 12], NOW);
        let extras = user.extras_mut();
        assert_eq!(extras.denied_tokens, 1);
        extras.expire(extras.deny_until());
        assert_eq!(extras.denied_tokens, 0);
    }
}
