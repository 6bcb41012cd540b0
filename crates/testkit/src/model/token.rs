//! What the model knows of token families, and what it does with their commands.

use super::users::ModelUser;
use std::collections::HashMap;
use vestibule_core::{
    bounds::DENIAL_MARGIN_MS,
    event::EventType,
    id::SessionId,
    session::{EndReason, PackedSession, Session, SessionKind},
    time::Timestamp,
    token::{Denied, Family, FamilyEnd, command::*},
};

/// Every family that a user ever had.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    pub(crate) families: Vec<ModelFamily>,
    epoch: u32,
    /// The end of the last access token.
    last: Timestamp,
    denied: HashMap<Denied, Timestamp>,
}

#[derive(Debug)]
pub(crate) struct ModelFamily {
    pub(crate) family: Family,
    ended: Option<FamilyEnd>,
}

impl Tokens {
    /// What is denied, with the time until which it is.
    pub(crate) fn denied(&self, now: Timestamp) -> impl Iterator<Item = (Denied, Timestamp)> {
        self.denied.iter().filter(move |(_, until)| **until > now).map(|(what, until)| (*what, *until))
    }

    /// What stays of a user who is deleted: the end of belief in what was given out.
    pub(crate) fn of_deleted(self) -> Self {
        Self { families: Vec::new(), ..self }
    }

    fn live(&mut self, serial: &[u8; 12]) -> Option<&mut ModelFamily> {
        self.families.iter_mut().find(|known| known.family.serial == *serial && known.ended.is_none())
    }

    fn deny(&mut self, what: Denied, last: Timestamp, now: Timestamp) -> bool {
        let until = last.plus_ms(DENIAL_MARGIN_MS);
        if until <= now {
            return false;
        }
        let held = self.denied.entry(what).or_insert(until);
        *held = until.max(*held);
        true
    }

    /// Ends live families that match.
    fn end(&mut self, end: FamilyEnd, now: Timestamp, matches: impl Fn(&Family) -> bool) -> u64 {
        let mut over = Vec::new();
        for known in self.families.iter_mut().filter(|known| known.ended.is_none() && matches(&known.family)) {
            known.ended = Some(end);
            over.push((known.family.serial, known.family.access_until));
        }
        for (serial, last) in &over {
            self.deny(Denied::Family(*serial), *last, now);
        }
        over.len() as u64
    }

    /// Denies everything by an epoch, and ends all families without a word of their own.
    pub(crate) fn raise_epoch(&mut self, now: Timestamp) -> u64 {
        let higher = self.epoch.saturating_add(1).max((now.millis() / 1_000) as u32);
        if self.deny(Denied::Before(higher), self.last, now) {
            self.epoch = higher;
        }
        let mut over = 0;
        for known in self.families.iter_mut().filter(|known| known.ended.is_none()) {
            known.ended = Some(FamilyEnd::Revoked);
            over += 1;
        }
        over
    }
}

/// When a family is over if nobody uses it.
fn rests_until(family: &Family) -> Timestamp {
    family.expires_at.min(family.last_used_at.plus_ms(family.idle_timeout_ms))
}

fn session_rests_until(session: &Session) -> Timestamp {
    session.expires_at.min(session.last_seen_at.plus_ms(session.idle_timeout_ms))
}

impl ModelUser {
    /// Ends families whose session is no more.
    pub(crate) fn orphan(&mut self, now: Timestamp) {
        let ids: Vec<SessionId> = self.tokens.families.iter().filter_map(|known| known.family.session).collect();
        for id in ids {
            let Some(ended) = self.sessions.iter().find(|session| session.id == id).and_then(|session| session.ended) else {
                continue;
            };
            let by_time = matches!(ended.reason, EndReason::Idle | EndReason::Absolute);
            let end = if by_time { FamilyEnd::Expired } else { FamilyEnd::SessionEnded };
            self.tokens.end(end, now, |family| family.session == Some(id));
        }
    }

    /// Ends what time has ended; the sessions were seen to before.
    pub(crate) fn expire_tokens(&mut self, now: Timestamp) {
        self.orphan(now);
        for known in self.tokens.families.iter_mut().filter(|known| known.ended.is_none()) {
            known.ended = (rests_until(&known.family) <= now).then_some(FamilyEnd::Expired);
        }
        if self.tokens.last.plus_ms(DENIAL_MARGIN_MS) <= now {
            (self.tokens.epoch, self.tokens.last) = (0, Timestamp::ZERO);
        }
    }

    fn grant(&self, family: &Family, session: Option<Session>) -> Box<Granted> {
        Box::new(Granted {
            family: family.clone(),
            user_id: self.user_id.clone().expect("whoever has tokens has a name"),
            epoch: self.tokens.epoch,
            roles: session.as_ref().map_or_else(|| family.roles.clone(), |session| session.roles.clone()),
            session: session.as_ref().map(PackedSession::pack),
        })
    }

    pub(crate) fn issue(&mut self, command: IssueFamily) -> IssueOutcome {
        if self.disabled {
            return IssueOutcome::UserDisabled;
        }
        let mut family = command.family;
        let session = match family.session {
            None => None,
            Some(id) => match self.live_mut(id) {
                None => return IssueOutcome::SessionGone,
                Some(session) if session.kind != SessionKind::Login => return IssueOutcome::Refused,
                Some(session) => Some(session.clone()),
            },
        };
        self.known = true;
        if self.user_id.is_none() {
            self.user_id = command.user_id;
        }
        let mut last = family.access_until;
        if let Some(session) = &session {
            family.roles.clear();
            family.expires_at = family.expires_at.min(session.expires_at);
            last = last.min(session_rests_until(session));
        }
        family.access_until = last.min(rests_until(&family));
        self.tokens.last = self.tokens.last.max(family.access_until);
        self.told.push((EventType::TokenIssued, family.session, None, None));
        self.tokens.families.push(ModelFamily { family: family.clone(), ended: None });
        IssueOutcome::Issued(self.grant(&family, session))
    }

    pub(crate) fn refresh(&mut self, command: Refresh, now: Timestamp) -> RefreshOutcome {
        let known = self.tokens.families.iter().find(|known| known.family.serial == command.serial);
        let family = match known.map(|known| (known.ended, &known.family)) {
            Some((None, family)) => family.clone(),
            _ if command.expires_at <= now => return RefreshOutcome::Expired,
            Some((Some(FamilyEnd::Expired), _)) => return RefreshOutcome::Expired,
            Some((Some(FamilyEnd::Reused), _)) => return RefreshOutcome::Reused,
            _ => return RefreshOutcome::Revoked,
        };
        if command.client_id.is_some() && command.client_id != family.client_id {
            return RefreshOutcome::OtherClient;
        }
        if !command.scope.iter().flatten().all(|scope| family.scope.contains(scope)) {
            return RefreshOutcome::BroaderScope;
        }
        let session = family.session.and_then(|id| self.live_mut(id).cloned());
        if command.generation + 1 == family.generation && now < family.advanced_at.plus_ms(command.grace_ms) {
            return RefreshOutcome::Refreshed(self.grant(&family, session));
        }
        if command.generation < family.generation {
            self.tokens.end(FamilyEnd::Reused, now, |other| other.serial == family.serial);
            self.told.push((EventType::TokenReused, family.session, Some("reused".into()), None));
            return RefreshOutcome::Reused;
        }
        self.advance(family, &command, now)
    }

    fn advance(&mut self, mut family: Family, command: &Refresh, now: Timestamp) -> RefreshOutcome {
        let session = family.session.and_then(|id| self.live_mut(id)).map(|session| {
            if session.last_seen_at < now {
                session.last_seen_at = now;
                session.touches += 1;
            }
            session.clone()
        });
        family.generation = command.generation + 1;
        family.key_id = command.key_id;
        (family.advanced_at, family.last_used_at) = (now, now);
        let mut last = now.plus_ms(command.access_ttl_ms).min(rests_until(&family));
        if let Some(session) = &session {
            last = last.min(session_rests_until(session));
        }
        family.access_until = last.max(family.access_until);
        self.tokens.last = self.tokens.last.max(family.access_until);
        if let Some(known) = self.tokens.live(&family.serial) {
            known.family = family.clone();
        }
        RefreshOutcome::Refreshed(self.grant(&family, session))
    }

    pub(crate) fn revoke(&mut self, command: RevokeTokens, now: Timestamp) -> RevokeOutcome {
        let tokens = &mut self.tokens;
        let (mut about, last) = (None, tokens.last);
        let revoked = match command.target {
            Target::Token { serial, expires_at } => {
                tokens.deny(Denied::Token(serial), expires_at.map_or(last, |at| at.min(last)), now).into()
            }
            Target::Family(serial) => tokens.end(FamilyEnd::Revoked, now, |family| family.serial == serial),
            Target::FamilyOf { serial, client_id } => {
                let live = tokens.live(&serial).and_then(|known| known.family.client_id.clone());
                if live.is_some_and(|has| has != client_id) {
                    return RevokeOutcome::OtherClient;
                }
                tokens.end(FamilyEnd::Revoked, now, |family| family.serial == serial)
            }
            Target::Session(id) => {
                about = Some(id);
                tokens.end(FamilyEnd::Revoked, now, |family| family.session == about)
            }
            Target::User => tokens.raise_epoch(now),
        };
        if revoked > 0 {
            self.told.push((EventType::TokenRevoked, about, Some(command.reason.into()), Some(revoked)));
        }
        RevokeOutcome::Revoked(revoked)
    }
}
