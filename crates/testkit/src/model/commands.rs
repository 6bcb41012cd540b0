//! What the model does with each command.

use super::users::{Model, ModelUser};
use vestibule_core::{
    bounds::{AFTERLIFE_MS, HANDOFFS, LIST_ITEMS},
    device::TrustEnd,
    event::EventType,
    id::{SessionId, UserTag},
    session::{CapPolicy, Device, EndReason, PackedSession, Previous, Rotation, Session, SessionKind, command::*},
    time::Timestamp,
    user::{
        Handoff,
        command::{Command, DeleteOutcome, DisableOutcome, EnableOutcome, Outcome},
    },
};

impl Model {
    /// Decides a command. `None` for those of accounts, which the model does not know.
    pub(crate) fn decide(&mut self, command: Command, now: Timestamp) -> Option<Outcome> {
        let tag = command.tag();
        let user = self.users.entry(tag).or_default();
        user.told.clear();
        let expired = user.expire(now);
        user.handoffs.retain(|handoff| now < handoff.expires_at.plus_ms(AFTERLIFE_MS));
        user.devices.expire(now);
        user.expire_tokens(now);
        user.known |= !expired.is_empty();
        let created_before = user.created;
        let ended_before = user.sessions.iter().filter(|session| session.ended.is_some()).count();
        let outcome = match command {
            Command::CreateSession(command) => user.create(*command, now).into(),
            Command::ShareSession(command) => user.share(*command, now).into(),
            Command::OpenHandoff(command) => user.open_handoff(&command).into(),
            Command::RedeemHandoff(command) => user.redeem(*command, now).into(),
            Command::SetData(command) => user.set_data(*command).into(),
            Command::AmendSession(command) => user.amend(*command, now).into(),
            Command::RotateSession(command) => user.rotate(*command, now).into(),
            Command::EndSessions(command) => EndOutcome { revoked: user.end_selected(&command, now) }.into(),
            Command::ExpireUser(_) => ExpireOutcome { expired: expired.len() as u64 }.into(),
            Command::DisableUser(command) => {
                user.user_id.get_or_insert(command.user_id);
                DisableOutcome { revoked: user.disable(now) }.into()
            }
            Command::EnableUser(_) => EnableOutcome { was_disabled: user.enable() }.into(),
            Command::IssueFamily(command) => user.issue(*command).into(),
            Command::Refresh(command) => user.refresh(*command, now).into(),
            Command::RevokeTokens(command) => user.revoke(*command, now).into(),
            Command::TrustDevice(command) => user.trust(*command, now).into(),
            Command::CheckDevice(command) => user.check_device(&command, now).into(),
            Command::RenameDevice(command) => user.rename_device(*command, now).into(),
            Command::RevokeTrust(command) => user.revoke_trust(&command, now).into(),
            Command::DeleteUser(_) => return Some(self.delete(tag, now, &expired).into()),
            _ => return None,
        };
        user.orphan(now);
        let ended_after = user.sessions.iter().filter(|session| session.ended.is_some()).count();
        self.totals.created_total += user.created - created_before;
        self.count_ends(&expired, ended_after - ended_before);
        Some(outcome)
    }

    fn count_ends(&mut self, expired: &[(SessionId, EndReason)], decided: usize) {
        let by_time = expired.iter().filter(|(_, reason)| matches!(reason, EndReason::Idle | EndReason::Absolute)).count();
        self.totals.expired_total += by_time as u64;
        self.totals.revoked_total += (expired.len() - by_time + decided) as u64;
    }

    fn delete(&mut self, tag: UserTag, now: Timestamp, expired: &[(SessionId, EndReason)]) -> DeleteOutcome {
        let user = self.users.entry(tag).or_default();
        let revoked = user.end_all(&[], now, EndReason::UserDeleted);
        user.tokens.raise_epoch(now);
        if user.known {
            user.told.push((EventType::AdminUserDeleted, None, None, Some(revoked)));
        }
        let (known, told) = (user.known, std::mem::take(&mut user.told));
        let tokens = std::mem::take(&mut user.tokens).of_deleted();
        *user = ModelUser { known, told, tokens, ..ModelUser::default() };
        self.count_ends(expired, usize::try_from(revoked).expect("few sessions"));
        DeleteOutcome { revoked, had_account: false }
    }
}

impl ModelUser {
    fn begin(&mut self, session: Session, now: Timestamp) -> PackedSession {
        self.known = true;
        if let Some(id) = &session.user_id {
            self.user_id.get_or_insert_with(|| id.clone());
        }
        self.created += 1;
        if session.kind == SessionKind::Login {
            self.last_login_at = Some(now);
        }
        self.told.push((EventType::SessionCreated, Some(session.id), Some(session.kind.as_str().into()), None));
        self.sessions.push(session.clone());
        PackedSession::pack(&session)
    }

    /// Evicts until one more login fits, or says that it does not.
    fn fit(&mut self, cap: Cap, now: Timestamp) -> Option<Vec<SessionId>> {
        let mut evicted = Vec::new();
        loop {
            let mut logins: Vec<_> = self.live().filter(|session| session.kind == SessionKind::Login).collect();
            if logins.len() < cap.limit {
                return Some(evicted);
            }
            logins.sort_by_key(|session| (session.created_at, *session.id.serial()));
            let oldest = logins.first().map(|session| session.id).filter(|_| cap.policy == CapPolicy::EvictOldest);
            let Some(oldest) = oldest else {
                let reason = Some("excess_sessions_exceeded".into());
                self.told.push((EventType::SessionLimitExceeded, None, reason, Some(cap.limit as u64)));
                return None;
            };
            evicted.push(oldest);
            for (id, reason) in self.end(oldest, now, EndReason::Evicted) {
                self.tell_end(id, reason);
            }
        }
    }

    fn create(&mut self, mut command: CreateSession, now: Timestamp) -> CreateOutcome {
        if self.disabled {
            return CreateOutcome::UserDisabled;
        }
        let counts = command.session.kind == SessionKind::Login;
        let evicted = if counts { self.fit(command.cap, now) } else { Some(Vec::new()) };
        let Some(evicted) = evicted else {
            return CreateOutcome::LimitReached { limit: command.cap.limit };
        };
        let id = command.session.id;
        self.prove_device(&mut command.session, command.device, now);
        self.meet_device(&command.session, command.is_new_browser, now);
        let session = self.begin(command.session, now);
        if command.login {
            self.told.push((EventType::LoginSucceeded, Some(id), None, None));
        }
        CreateOutcome::Created { session, evicted }
    }

    fn share(&mut self, command: ShareSession, now: Timestamp) -> ShareOutcome {
        let Some(parent) = self.live_mut(command.parent).cloned() else {
            return ShareOutcome::Gone;
        };
        match parent.kind {
            SessionKind::Share => ShareOutcome::Nested,
            SessionKind::Impersonation => ShareOutcome::Impersonated,
            SessionKind::Login | SessionKind::Anonymous => {
                let expires_at = parent.expires_at.min(command.expires_at);
                let child = Session {
                    id: SessionId::from_parts(command.parent.tag(), command.serial),
                    kind: SessionKind::Share,
                    digest: command.digest,
                    scope: command.scope,
                    label: command.label,
                    parent: Some(command.parent),
                    expires_at,
                    ..successor(&parent, now)
                };
                ShareOutcome::Shared(self.begin(child, now))
            }
        }
    }

    fn open_handoff(&mut self, command: &OpenHandoff) -> HandoffOutcome {
        let Some(session) = self.live_mut(command.id) else {
            return HandoffOutcome::Gone;
        };
        if session.kind != SessionKind::Login {
            return HandoffOutcome::Refused;
        }
        let OpenHandoff { id, digest, expires_at } = *command;
        self.handoffs.push(Handoff { digest, session: id, expires_at, redeemed: None });
        if self.handoffs.len() > HANDOFFS {
            self.handoffs.remove(0);
        }
        self.told.push((EventType::HandoffCreated, Some(id), None, None));
        HandoffOutcome::Opened
    }

    fn redeem(&mut self, command: RedeemHandoff, now: Timestamp) -> RedeemOutcome {
        let Some(place) = self.handoffs.iter().position(|handoff| handoff.digest == command.code) else {
            return RedeemOutcome::Invalid;
        };
        if let Some(first) = self.handoffs[place].redeemed {
            self.told.push((EventType::HandoffReused, Some(first), None, None));
            if command.reuse_revokes && self.live_mut(first).is_some() {
                for (id, reason) in self.end(first, now, EndReason::HandoffReused) {
                    self.tell_end(id, reason);
                }
            }
            return RedeemOutcome::Reused;
        }
        let source = self.handoffs[place].session;
        let in_time = now < self.handoffs[place].expires_at;
        let Some(source) = self.live_mut(source).filter(|_| in_time).cloned() else {
            return RedeemOutcome::Invalid;
        };
        if self.fit(command.cap, now).is_none() {
            return RedeemOutcome::LimitReached { limit: command.cap.limit };
        }
        let id = SessionId::from_parts(command.tag, command.serial);
        self.handoffs[place].redeemed = Some(id);
        let RedeemHandoff { digest, ip, user_agent, .. } = command;
        let session = Session { id, digest, ip, user_agent, device: Device::default(), ..successor(&source, now) };
        RedeemOutcome::Redeemed(self.begin(session, now))
    }

    fn set_data(&mut self, command: SetData) -> SetDataOutcome {
        let Some(session) = self.live_mut(command.id) else {
            return SetDataOutcome::Gone;
        };
        if session.revision != command.expected {
            return SetDataOutcome::Conflict(PackedSession::pack(session));
        }
        session.data = command.data;
        session.revision += 1;
        let packed = PackedSession::pack(session);
        self.told.push((EventType::SessionDataChanged, Some(command.id), None, None));
        SetDataOutcome::Written(packed)
    }

    fn amend(&mut self, command: AmendSession, now: Timestamp) -> AmendOutcome {
        let Some(session) = self.live_mut(command.id) else {
            return AmendOutcome::Gone;
        };
        if command.expected.is_some() && command.expected != Some(session.revision) {
            return AmendOutcome::Conflict(PackedSession::pack(session));
        }
        session.revision += 1;
        session.roles = command.roles.unwrap_or_else(|| session.roles.clone());
        session.profile = command.profile.unwrap_or_else(|| session.profile.clone());
        if let Some(Limits { idle_timeout_ms, expires_at }) = command.limits {
            (session.idle_timeout_ms, session.expires_at) = (idle_timeout_ms, expires_at);
        }
        if command.extends {
            session.last_seen_at = now;
        }
        let packed = PackedSession::pack(session);
        let kind = if command.extends { EventType::SessionExtended } else { EventType::SessionUpdated };
        self.told.push((kind, Some(command.id), None, None));
        AmendOutcome::Amended(packed)
    }

    fn rotate(&mut self, command: RotateSession, now: Timestamp) -> RotateOutcome {
        let Some(session) = self.live_mut(command.id) else {
            return RotateOutcome::Gone;
        };
        if let Some(expected) = command.expected {
            let last = session.rotated.map(|rotated| rotated.revision);
            if last == Some(expected + 1) {
                return RotateOutcome::Repeated(PackedSession::pack(session));
            }
            if expected != session.revision {
                return RotateOutcome::Conflict(PackedSession::pack(session));
            }
        }
        if command.step_up.is_some() && matches!(session.kind, SessionKind::Share | SessionKind::Impersonation) {
            return RotateOutcome::Refused;
        }
        let (digest, mfa, mfa_at) = (session.digest, session.mfa, session.mfa_at);
        let previous = Previous {
            digest,
            until: now.plus_ms(command.overlap_ms),
            mfa,
            mfa_at,
            auth_time: session.auth_time,
            amr: session.amr.clone(),
        };
        session.previous = if command.overlap_ms == 0 { None } else { Some(previous) };
        session.digest = command.digest;
        session.rotation += 1;
        session.revision += 1;
        session.rotated = Some(Rotation { nonce: command.nonce, revision: session.revision });
        session.last_seen_at = now;
        let proof = command.step_up;
        if let Some(proof) = &proof {
            session.auth_time = now;
            if proof.mfa {
                (session.mfa, session.mfa_at) = (true, now);
            }
            for method in &proof.amr {
                if !session.amr.contains(method) && session.amr.len() < LIST_ITEMS {
                    session.amr.push(method.clone());
                }
            }
        }
        let packed = PackedSession::pack(session);
        self.told.push((EventType::SessionRotated, Some(command.id), None, None));
        if proof.is_some() {
            self.told.push((EventType::SessionSteppedUp, Some(command.id), None, None));
        }
        RotateOutcome::Rotated(packed)
    }

    fn end_selected(&mut self, command: &EndSessions, now: Timestamp) -> u64 {
        let ids: Vec<SessionId> = match &command.selection {
            Selection::All { except } => return self.end_all(except, now, command.reason),
            Selection::One(id) => vec![*id],
            Selection::Matching(filter) => {
                self.live().filter(|session| matches(filter, session)).map(|session| session.id).collect()
            }
        };
        let mut revoked = 0;
        for id in ids {
            // A child may have ended with its parent in the meantime.
            if self.live_mut(id).is_none() {
                continue;
            }
            for (id, reason) in self.end(id, now, command.reason) {
                self.tell_end(id, reason);
                revoked += 1;
            }
        }
        revoked
    }

    /// Ends all but some; of those that stay, children whose parent does not stay go as well. One event with the count.
    fn end_all(&mut self, except: &[SessionId], now: Timestamp, reason: EndReason) -> u64 {
        let stays = |session: &Session| {
            let orphaned = session.kind == SessionKind::Share && session.parent.is_some_and(|parent| !except.contains(&parent));
            except.contains(&session.id) && !orphaned
        };
        let ids: Vec<SessionId> = self.live().filter(|session| !stays(session)).map(|session| session.id).collect();
        for id in &ids {
            if let Some(session) = self.live_mut(*id) {
                session.ended = Some(vestibule_core::session::Ended { at: now, reason });
            }
        }
        let count = ids.len() as u64;
        if count > 0 {
            let only = (count == 1).then(|| ids[0]);
            self.told.push((EventType::SessionEnded, only, Some(reason.as_str().into()), Some(count)));
        }
        count
    }

    fn disable(&mut self, now: Timestamp) -> u64 {
        if self.disabled {
            return 0;
        }
        self.known = true;
        self.disabled = true;
        let revoked = self.end_all(&[], now, EndReason::UserDisabled);
        self.tokens.raise_epoch(now);
        self.end_trusts(now, TrustEnd::UserDisabled, |_| true);
        self.told.push((EventType::UserDisabled, None, None, Some(revoked)));
        revoked
    }

    fn enable(&mut self) -> bool {
        if self.disabled {
            self.told.push((EventType::AdminUserEnabled, None, None, None));
        }
        std::mem::take(&mut self.disabled)
    }
}

/// A new session with the rights of another.
fn successor(of: &Session, now: Timestamp) -> Session {
    let mut session = of.clone();
    session.revision = 1;
    session.rotation = 0;
    session.touches = 0;
    session.created_at = now;
    session.last_seen_at = now;
    session.previous = None;
    session.rotated = None;
    session.trail.clear();
    session
}

fn matches(filter: &Filter, session: &Session) -> bool {
    let device = filter.device_id.is_none() || filter.device_id == session.device.id;
    let address = filter.ip.is_none() || filter.ip == session.ip;
    let early = filter.created_before.is_none_or(|time| session.created_at < time);
    device && address && early && !filter.except.contains(&session.id)
}
