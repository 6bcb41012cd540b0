//! What the model knows, and what can be read from it.

use super::device::ModelDevices;
use super::token::Tokens;
use std::collections::BTreeMap;
use vestibule_core::{
    bounds::{ACTIVITY_TRAIL, PAGE_DEFAULT},
    device::TrustedDevice,
    event::EventType,
    id::{SessionId, UserId, UserTag},
    session::{
        Activity, EndReason, Ended, PackedSession, Session, SessionKind, TokenDigest,
        command::{FindOutcome, Touch, TouchOutcome, UserAnalytics},
        packed::Generation,
    },
    stats::Stats,
    time::Timestamp,
    user::Handoff,
};

/// What an event says, but for its id and origin.
pub(crate) type Told = (EventType, Option<SessionId>, Option<String>, Option<u64>);

/// One user: every session they ever had, in the order of creation.
#[derive(Debug, Default)]
pub(crate) struct ModelUser {
    pub(crate) known: bool,
    pub(crate) disabled: bool,
    pub(crate) user_id: Option<UserId>,
    pub(crate) sessions: Vec<Session>,
    pub(crate) created: u64,
    pub(crate) last_login_at: Option<Timestamp>,
    pub(crate) handoffs: Vec<Handoff>,
    pub(crate) tokens: Tokens,
    pub(crate) devices: ModelDevices,
    /// Events of the last command.
    pub(crate) told: Vec<Told>,
}

/// All users. Reads are here, commands beside it.
#[derive(Debug, Default)]
pub struct Model {
    pub(crate) users: BTreeMap<UserTag, ModelUser>,
    pub(crate) totals: Stats,
}

/// Whether time alone has ended a session, children not considered.
pub(crate) fn expired(session: &Session, now: Timestamp) -> Option<EndReason> {
    if now >= session.expires_at {
        return Some(EndReason::Absolute);
    }
    let rested = now.millis() - session.last_seen_at.millis().min(now.millis());
    (rested >= session.idle_timeout_ms).then_some(EndReason::Idle)
}

impl ModelUser {
    pub(crate) fn live(&self) -> impl Iterator<Item = &Session> {
        self.sessions.iter().filter(|session| session.ended.is_none())
    }

    pub(crate) fn live_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.id == id && session.ended.is_none())
    }

    /// Why a session that has not been ended is not valid, if it is not.
    fn lapse(&self, session: &Session, now: Timestamp) -> Option<EndReason> {
        expired(session, now).or_else(|| {
            let parent = session.parent.filter(|_| session.kind == SessionKind::Share)?;
            let parent = self.live().find(|candidate| candidate.id == parent);
            parent.is_none_or(|parent| expired(parent, now).is_some()).then_some(EndReason::ParentEnded)
        })
    }

    pub(crate) fn valid(&self, now: Timestamp) -> Vec<&Session> {
        self.live().filter(|session| self.lapse(session, now).is_none()).collect()
    }

    /// Ends one session and its children, without events. Returns those that ended, the session first.
    pub(crate) fn end(&mut self, id: SessionId, now: Timestamp, reason: EndReason) -> Vec<(SessionId, EndReason)> {
        let mut over = vec![(id, reason)];
        let children = self.live().filter(|session| session.kind == SessionKind::Share && session.parent == Some(id));
        over.extend(children.map(|session| (session.id, EndReason::ParentEnded)));
        for (id, reason) in &over {
            if let Some(session) = self.live_mut(*id) {
                session.ended = Some(Ended { at: now, reason: *reason });
            }
        }
        over
    }

    /// Ends what time has ended, each with its event.
    pub(crate) fn expire(&mut self, now: Timestamp) -> Vec<(SessionId, EndReason)> {
        let mut over = Vec::new();
        loop {
            let next = self.live().find_map(|session| Some((session.id, self.lapse(session, now)?)));
            let Some((id, reason)) = next else { break };
            over.extend(self.end(id, now, reason));
        }
        for (id, reason) in &over {
            self.tell_end(*id, *reason);
        }
        over
    }

    pub(crate) fn tell_end(&mut self, id: SessionId, reason: EndReason) {
        let kind = match reason {
            EndReason::Idle | EndReason::Absolute => EventType::SessionExpired,
            _ => EventType::SessionEnded,
        };
        self.told.push((kind, Some(id), Some(reason.as_str().into()), None));
    }
}

impl Model {
    /// See [`vestibule_core::session::SessionStore::find`].
    pub(crate) fn find(&self, tag: UserTag, digest: TokenDigest, now: Timestamp) -> FindOutcome {
        let Some(user) = self.users.get(&tag) else {
            return FindOutcome::Unknown { user_known: false };
        };
        for session in user.live() {
            let previous = session.previous.as_ref().is_some_and(|previous| previous.digest == digest && now < previous.until);
            if session.digest != digest && !previous {
                continue;
            }
            return match user.lapse(session, now) {
                Some(reason) => FindOutcome::Ended { reason, id: Some(session.id), unnoticed: true },
                None => {
                    let generation = if session.digest == digest { Generation::Current } else { Generation::Previous };
                    FindOutcome::Found { session: PackedSession::pack(session), generation }
                }
            };
        }
        let ended = user.sessions.iter().find(|session| session.ended.is_some() && session.digest == digest);
        match ended.and_then(|session| Some((session.id, session.ended?.reason))) {
            Some((id, reason)) => FindOutcome::Ended { reason, id: Some(id), unnoticed: false },
            None => FindOutcome::Unknown { user_known: user.known },
        }
    }

    /// See [`vestibule_core::session::SessionStore::list`].
    pub(crate) fn list(&self, tag: UserTag, now: Timestamp) -> Vec<PackedSession> {
        self.users.get(&tag).map(|user| user.valid(now).into_iter().map(PackedSession::pack).collect()).unwrap_or_default()
    }

    /// See [`vestibule_core::device::DeviceStore::devices`].
    pub(crate) fn devices(&self, tag: UserTag, now: Timestamp) -> Vec<TrustedDevice> {
        self.users.get(&tag).map(|user| user.devices.valid(now)).unwrap_or_default()
    }

    /// The ended sessions of a user, newest end first.
    pub(crate) fn history(&self, tag: UserTag) -> Vec<(SessionId, Ended)> {
        let sessions = self.users.get(&tag).into_iter().flat_map(|user| &user.sessions);
        let mut ended: Vec<_> = sessions.filter_map(|session| Some((session.id, session.ended?))).collect();
        ended.sort_by_key(|(id, ended)| std::cmp::Reverse((ended.at, *id)));
        ended
    }

    /// See [`vestibule_core::session::SessionStore::analytics`].
    pub(crate) fn analytics(&self, tag: UserTag, now: Timestamp) -> UserAnalytics {
        let Some(user) = self.users.get(&tag) else {
            return UserAnalytics::default();
        };
        let valid = user.valid(now);
        let devices: std::collections::BTreeSet<_> = valid.iter().filter_map(|session| session.device.id.as_ref()).collect();
        let mut trail: Vec<Activity> = valid.iter().flat_map(|session| session.trail.clone()).collect();
        trail.sort_by_key(|activity| std::cmp::Reverse(activity.at));
        trail.truncate(PAGE_DEFAULT);
        UserAnalytics {
            active: valid.len() as u64,
            total: user.created,
            ended: user.created - valid.len() as u64,
            last_login_at: user.last_login_at,
            last_seen_at: valid.iter().map(|session| session.last_seen_at).max(),
            devices: devices.len() as u64,
            disabled: user.disabled,
            trail,
        }
    }

    /// See [`vestibule_core::session::SessionStore::stats`].
    pub(crate) fn stats(&self) -> Stats {
        let live = |user: &ModelUser| user.live().count() as u64;
        Stats {
            sessions: self.users.values().map(live).sum(),
            users: self.users.values().filter(|user| live(user) > 0).count() as u64,
            ..self.totals
        }
    }

    /// See [`vestibule_core::session::SessionStore::due`].
    pub(crate) fn due(&self, now: Timestamp) -> Vec<UserTag> {
        let due = |user: &ModelUser| user.live().any(|session| user.lapse(session, now).is_some());
        self.users.iter().filter(|(_, user)| due(user)).map(|(tag, _)| *tag).collect()
    }

    /// See [`vestibule_core::session::SessionStore::walk`].
    pub(crate) fn users(&self) -> Vec<UserTag> {
        self.users.iter().filter(|(_, user)| user.live().next().is_some()).map(|(tag, _)| *tag).collect()
    }

    /// See [`vestibule_core::session::SessionStore::touch`].
    pub(crate) fn touch(&mut self, touch: &Touch) -> TouchOutcome {
        let Some(user) = self.users.get_mut(&touch.id.tag()) else {
            return TouchOutcome::Gone;
        };
        let valid = user.valid(touch.at).iter().any(|session| session.id == touch.id && session.last_seen_at <= touch.at);
        let Some(session) = user.live_mut(touch.id).filter(|_| valid) else {
            return TouchOutcome::Gone;
        };
        session.last_seen_at = touch.at;
        session.idle_timeout_ms = touch.idle_timeout_ms;
        session.touches += 1;
        if let Some(activity) = &touch.activity {
            session.trail.push(Activity { at: touch.at, activity: activity.clone() });
            if session.trail.len() > ACTIVITY_TRAIL {
                session.trail.remove(0);
            }
        }
        TouchOutcome::Touched
    }
}
