//! The rules of sessions: pure transitions from one aggregate to the next.
//!
//! Memory and SQL stores call them under their lock or in their transaction. Each begins after
//! [`crate::user::Step::expire`], so what is live here is valid.

mod handoff;

use super::{
    Activity, CapPolicy, EndReason, Ended, IMPORTED, PackedSession, Previous, Rotation, Session, SessionKind, TokenDigest,
    command::*,
};
use crate::{
    bounds,
    event::EventType,
    id::{SessionId, UserTag},
    time::Timestamp,
    user::{Step, UserAggregate, command::UserCommand},
};

/// Looks a token up in an aggregate.
#[must_use]
pub fn find(user: &UserAggregate, digest: &TokenDigest, now: Timestamp) -> FindOutcome {
    let hit = user.live.iter().find_map(|session| Some((session, session.generation(digest, now)?)));
    match hit {
        None => FindOutcome::Unknown { user_known: user.revision > 0 },
        Some((session, generation)) => match user.expiry(session, now, 0) {
            None => FindOutcome::Found { session: session.clone(), generation },
            Some(reason) => FindOutcome::Ended { reason, id: Some(session.id()), unnoticed: true },
        },
    }
}

/// Applies a touch: moves the last use of a valid session forward, never back.
pub fn touch(user: &mut UserAggregate, touch: &Touch) -> TouchOutcome {
    let Some(position) = user.position(touch.id) else { return TouchOutcome::Gone };
    if user.expiry(&user.live[position], touch.at, 0).is_some() {
        return TouchOutcome::Gone;
    }
    catch_up(user, touch)
}

/// Applies a touch that a state has already judged, on a record that hears only of the latest: uses in between are not known
/// here, so the idle deadline says nothing. The absolute one does.
pub fn catch_up(user: &mut UserAggregate, touch: &Touch) -> TouchOutcome {
    let Some(position) = user.position(touch.id) else { return TouchOutcome::Gone };
    let session = &user.live[position];
    if touch.at < session.last_seen_at() || touch.at >= session.expires_at() {
        return TouchOutcome::Gone;
    }
    let touched = session.touched(touch.at, session.touches().saturating_add(1), touch.idle_timeout_ms);
    user.live[position] = match &touch.activity {
        None => touched,
        Some(activity) => {
            let mut session = touched.unpack();
            let entry = Activity { at: touch.at, activity: activity.clone() };
            if session.trail.contains(&entry) {
                // The same use, heard of twice: once with a command of its user, once in a batch.
                return TouchOutcome::Touched;
            }
            session.trail.push(entry);
            let surplus = session.trail.len().saturating_sub(bounds::ACTIVITY_TRAIL);
            session.trail.drain(..surplus);
            PackedSession::pack(&session)
        }
    };
    TouchOutcome::Touched
}

/// Carries uses over from what a state held to a newer snapshot from the record, which hears of them later.
pub fn keep_touches(held: &UserAggregate, snapshot: &mut UserAggregate) {
    for session in &mut snapshot.live {
        let Some(held) = held.live.iter().find(|held| held.id() == session.id()) else { continue };
        if held.last_seen_at() <= session.last_seen_at() {
            continue;
        }
        let mut merged = session.unpack();
        merged.last_seen_at = held.last_seen_at();
        merged.idle_timeout_ms = held.idle_timeout_ms();
        merged.touches = held.touches();
        merged.trail = held.unpack().trail;
        *session = PackedSession::pack(&merged);
    }
}

/// The figures of one user.
#[must_use]
pub fn analytics(user: &UserAggregate, now: Timestamp) -> UserAnalytics {
    let valid: Vec<Session> = user.valid_sessions(now).map(PackedSession::unpack).collect();
    let mut devices: Vec<&str> = valid.iter().filter_map(|session| session.device.id.as_deref()).collect();
    devices.sort_unstable();
    devices.dedup();
    let mut trail: Vec<Activity> = valid.iter().flat_map(|session| session.trail.iter().cloned()).collect();
    trail.sort_by_key(|activity| std::cmp::Reverse(activity.at));
    trail.truncate(bounds::PAGE_DEFAULT);
    UserAnalytics {
        active: valid.len() as u64,
        total: user.created_total,
        ended: user.created_total.saturating_sub(valid.len() as u64),
        last_login_at: user.last_login_at.non_zero(),
        last_seen_at: valid.iter().map(|session| session.last_seen_at).max(),
        devices: devices.len() as u64,
        disabled: user.disabled,
        trail,
    }
}

impl Step<'_> {
    fn valid(&self, id: SessionId) -> Option<Session> {
        self.user.position(id).map(|position| self.user.live[position].unpack())
    }

    /// Makes room under the cap. `Err` is the limit, where the policy is to refuse.
    fn make_room(&mut self, cap: Cap) -> Result<Vec<SessionId>, usize> {
        let limit = cap.limit.min(bounds::LIVE_SESSIONS);
        let mut evicted = Vec::new();
        loop {
            let counting = self.user.live.iter().enumerate().filter(|(_, session)| session.kind().counts());
            if counting.clone().count() < limit {
                return Ok(evicted);
            }
            let oldest = counting.min_by_key(|(_, session)| (session.created_at(), *session.id().serial()));
            let Some((position, session)) = oldest else { return Err(limit) };
            if cap.policy == CapPolicy::Deny {
                return Err(limit);
            }
            evicted.push(session.id());
            self.end_at(position, EndReason::Evicted);
        }
    }

    fn refuse_limit(&mut self, limit: usize) {
        let event = self.note(EventType::SessionLimitExceeded);
        event.reason = Some("excess_sessions_exceeded".into());
        event.count = Some(limit as u64);
    }

    fn begin(&mut self, session: &Session) -> PackedSession {
        let packed = PackedSession::pack(session);
        if let Some(user_id) = &session.user_id {
            self.user.user_id.get_or_insert_with(|| user_id.clone());
        }
        self.user.created_total += 1;
        self.fx.created += 1;
        if session.kind == SessionKind::Login {
            self.user.last_login_at = match session.is_imported() {
                true => self.user.last_login_at.max(session.auth_time),
                false => self.cx.now,
            };
        }
        self.put(packed.clone());
        let how = if session.is_imported() { IMPORTED } else { session.kind.as_str() };
        self.note_session(EventType::SessionCreated, &packed).reason = Some(how.into());
        packed
    }

    /// Ends all live sessions but `except`: one mark and one event with the count. Returns the count.
    pub fn end_all(&mut self, except: &[SessionId], reason: EndReason) -> u64 {
        let ended = Ended { at: self.cx.now, reason };
        let live = std::mem::take(&mut self.user.live);
        let parent_of = |session: &PackedSession| match session.kind() {
            SessionKind::Share => session.unpack().parent,
            _ => None,
        };
        let (kept, gone): (Vec<_>, Vec<_>) = live.into_iter().partition(|session| {
            except.contains(&session.id()) && parent_of(session).is_none_or(|parent| except.contains(&parent))
        });
        if gone.is_empty() {
            self.user.live = kept.into();
            return 0;
        }
        for session in &gone {
            self.bury_silently(session, ended);
        }
        for session in kept {
            self.put(session);
        }
        self.fx.ended_all = Some(ended);
        let count = gone.len() as u64;
        let event = self.note(EventType::SessionEnded);
        event.reason = Some(reason.as_str().into());
        event.count = Some(count);
        if let [only] = &gone[..] {
            event.session_id = Some(only.id());
            event.device_id = only.device_id().map(Into::into);
        }
        count
    }
}

impl UserCommand for CreateSession {
    type Outcome = CreateOutcome;

    fn tag(&self) -> UserTag {
        self.session.id.tag()
    }

    fn apply(mut self, step: &mut Step<'_>) -> CreateOutcome {
        if step.user.disabled {
            return CreateOutcome::UserDisabled;
        }
        if let Some(position) = step.user.position(self.session.id) {
            return CreateOutcome::Created { session: step.user.live[position].clone(), evicted: Vec::new() };
        }
        let room = if self.session.kind.counts() { step.make_room(self.cap) } else { Ok(Vec::new()) };
        let full = step.user.live.len() >= bounds::LIVE_SESSIONS;
        match room {
            Ok(evicted) if !full => {
                step.prove_device(&mut self.session, self.device);
                let session = step.begin(&self.session);
                step.meet_device(&self.session, self.is_new_browser);
                if self.login {
                    step.note_session(EventType::LoginSucceeded, &session);
                }
                CreateOutcome::Created { session, evicted }
            }
            Ok(_) => {
                step.refuse_limit(bounds::LIVE_SESSIONS);
                CreateOutcome::LimitReached { limit: bounds::LIVE_SESSIONS }
            }
            Err(limit) => {
                step.refuse_limit(limit);
                CreateOutcome::LimitReached { limit }
            }
        }
    }
}

impl UserCommand for ShareSession {
    type Outcome = ShareOutcome;

    fn tag(&self) -> UserTag {
        self.parent.tag()
    }

    fn apply(self, step: &mut Step<'_>) -> ShareOutcome {
        let Some(parent) = step.valid(self.parent) else { return ShareOutcome::Gone };
        match parent.kind {
            SessionKind::Share => return ShareOutcome::Nested,
            SessionKind::Impersonation => return ShareOutcome::Impersonated,
            SessionKind::Login | SessionKind::Anonymous => {}
        }
        if step.user.live.len() >= bounds::LIVE_SESSIONS {
            step.refuse_limit(bounds::LIVE_SESSIONS);
            return ShareOutcome::LimitReached;
        }
        let now = step.cx.now;
        let child = Session {
            id: SessionId::from_parts(self.parent.tag(), self.serial),
            kind: SessionKind::Share,
            digest: self.digest,
            expires_at: self.expires_at.min(parent.expires_at),
            scope: self.scope,
            label: self.label,
            parent: Some(self.parent),
            ..fresh_from(parent, now)
        };
        ShareOutcome::Shared(step.begin(&child))
    }
}

/// What a new session takes over from the one it comes from.
fn fresh_from(source: Session, now: Timestamp) -> Session {
    Session {
        revision: 1,
        rotation: 0,
        created_at: now,
        last_seen_at: now,
        touches: 0,
        previous: None,
        rotated: None,
        trail: Vec::new(),
        ended: None,
        ..source
    }
}

impl UserCommand for SetData {
    type Outcome = SetDataOutcome;

    fn tag(&self) -> UserTag {
        self.id.tag()
    }

    fn apply(self, step: &mut Step<'_>) -> SetDataOutcome {
        let Some(position) = step.user.position(self.id) else { return SetDataOutcome::Gone };
        if step.user.live[position].revision() != self.expected {
            return SetDataOutcome::Conflict(step.user.live[position].clone());
        }
        let mut session = step.user.live[position].unpack();
        session.data = self.data;
        session.revision += 1;
        let packed = PackedSession::pack(&session);
        step.put(packed.clone());
        step.note_session(EventType::SessionDataChanged, &packed);
        SetDataOutcome::Written(packed)
    }
}

impl UserCommand for AmendSession {
    type Outcome = AmendOutcome;

    fn tag(&self) -> UserTag {
        self.id.tag()
    }

    fn apply(self, step: &mut Step<'_>) -> AmendOutcome {
        let Some(position) = step.user.position(self.id) else { return AmendOutcome::Gone };
        if self.expected.is_some_and(|expected| expected != step.user.live[position].revision()) {
            return AmendOutcome::Conflict(step.user.live[position].clone());
        }
        let mut session = step.user.live[position].unpack();
        if let Some(roles) = self.roles {
            session.roles = roles;
        }
        if let Some(profile) = self.profile {
            session.profile = profile;
        }
        if let Some(limits) = self.limits {
            session.idle_timeout_ms = limits.idle_timeout_ms;
            session.expires_at = limits.expires_at;
        }
        if self.extends {
            session.last_seen_at = session.last_seen_at.max(step.cx.now);
        }
        session.revision += 1;
        let packed = PackedSession::pack(&session);
        step.put(packed.clone());
        let kind = if self.extends { EventType::SessionExtended } else { EventType::SessionUpdated };
        step.note_session(kind, &packed);
        AmendOutcome::Amended(packed)
    }
}

impl UserCommand for RotateSession {
    type Outcome = RotateOutcome;

    fn tag(&self) -> UserTag {
        self.id.tag()
    }

    fn apply(self, step: &mut Step<'_>) -> RotateOutcome {
        let Some(position) = step.user.position(self.id) else { return RotateOutcome::Gone };
        let session = step.user.live[position].unpack();
        if let Some(expected) = self.expected {
            if session.rotated.is_some_and(|last| last.revision == expected.wrapping_add(1)) {
                return RotateOutcome::Repeated(step.user.live[position].clone());
            }
            if session.revision != expected {
                return RotateOutcome::Conflict(step.user.live[position].clone());
            }
        }
        let confined = matches!(session.kind, SessionKind::Share | SessionKind::Impersonation);
        if self.step_up.is_some() && confined {
            return RotateOutcome::Refused;
        }
        let stepped_up = self.step_up.is_some();
        let packed = PackedSession::pack(&rotated(session, self, step.cx.now));
        step.put(packed.clone());
        step.note_session(EventType::SessionRotated, &packed);
        if stepped_up {
            step.note_session(EventType::SessionSteppedUp, &packed);
        }
        RotateOutcome::Rotated(packed)
    }
}

/// The session with its new token; the old one keeps the privilege from before for the overlap.
pub(crate) fn rotated(mut session: Session, command: RotateSession, now: Timestamp) -> Session {
    session.previous = (command.overlap_ms > 0).then(|| Previous {
        digest: session.digest,
        until: now.plus_ms(command.overlap_ms),
        mfa: session.mfa,
        mfa_at: session.mfa_at,
        auth_time: session.auth_time,
        amr: session.amr.clone(),
    });
    session.digest = command.digest;
    session.rotation += 1;
    session.revision += 1;
    session.rotated = Some(Rotation { nonce: command.nonce, revision: session.revision });
    session.last_seen_at = session.last_seen_at.max(now);
    if let Some(proof) = command.step_up {
        session.auth_time = now;
        if proof.mfa {
            session.mfa = true;
            session.mfa_at = now;
        }
        for method in proof.amr {
            if !session.amr.contains(&method) && session.amr.len() < bounds::LIST_ITEMS {
                session.amr.push(method);
            }
        }
    }
    session
}

impl UserCommand for EndSessions {
    type Outcome = EndOutcome;

    fn tag(&self) -> UserTag {
        self.tag
    }

    fn apply(self, step: &mut Step<'_>) -> EndOutcome {
        let before = step.user.ended_total;
        match &self.selection {
            Selection::One(id) => {
                if let Some(position) = step.user.position(*id) {
                    step.end_at(position, self.reason);
                }
            }
            Selection::All { except } => {
                step.end_all(except, self.reason);
            }
            Selection::Matching(filter) => {
                while let Some(position) = step.user.live.iter().position(|session| filter.matches(session)) {
                    step.end_at(position, self.reason);
                }
            }
        }
        EndOutcome { revoked: step.user.ended_total - before }
    }
}

impl UserCommand for ExpireUser {
    type Outcome = ExpireOutcome;

    fn tag(&self) -> UserTag {
        self.tag
    }

    fn apply(self, step: &mut Step<'_>) -> ExpireOutcome {
        ExpireOutcome { expired: step.fx.ended.len() as u64 }
    }
}
