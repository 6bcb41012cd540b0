//! The rules of devices. What is over is not yet dropped here, so every rule compares deadlines.

use super::{
    TRUSTED,
    command::*,
    model::{EndedTrust, KnownDevice, Presented, Refusal, TrustEnd, TrustedDevice},
};
use crate::{
    bounds,
    event::{Event, EventType},
    id::UserTag,
    session::{Device, Session, SessionKind, TokenDigest},
    time::Timestamp,
    user::{Step, UserAggregate, command::UserCommand},
};

/// The trusted devices of a user, in the order of trust.
#[must_use]
pub fn list(user: &UserAggregate, now: Timestamp) -> Vec<TrustedDevice> {
    user.extras.iter().flat_map(|extras| extras.devices.valid(now)).cloned().collect()
}

impl UserCommand for TrustDevice {
    type Outcome = TrustOutcome;

    fn tag(&self) -> UserTag {
        self.id.tag()
    }

    fn apply(self, step: &mut Step<'_>) -> TrustOutcome {
        let now = step.cx.now;
        if step.user.disabled {
            return TrustOutcome::UserDisabled;
        }
        if self.session.is_some_and(|id| step.user.position(id).is_none()) {
            return TrustOutcome::Gone;
        }
        let known = &step.user.extras_mut().devices.trusted;
        if let Some(known) = known.iter().find(|device| device.id == self.id) {
            return TrustOutcome::Trusted(known.clone());
        }
        step.end_trusts(TrustEnd::Replaced, |device| {
            let has_its_id = self.label.id.is_some() && device.label.id == self.label.id;
            has_its_id || self.replaces.is_some_and(|digest| digest.matches(device.digest.as_bytes()))
        });
        step.make_room_for_trust();
        let device = TrustedDevice {
            id: self.id,
            digest: self.digest,
            label: self.label,
            trusted_at: now,
            expires_at: self.expires_at,
            last_used_at: Timestamp::ZERO,
        };
        step.user.user_id.get_or_insert(self.user_id);
        step.user.extras_mut().devices.trusted.push(device.clone());
        step.fx.changed = true;
        step.note_device(EventType::DeviceTrusted, &device.label).session_id = self.session;
        TrustOutcome::Trusted(device)
    }
}

impl UserCommand for CheckDevice {
    type Outcome = CheckOutcome;

    fn tag(&self) -> UserTag {
        self.tag
    }

    fn apply(self, step: &mut Step<'_>) -> CheckOutcome {
        match step.use_trust(self.digest) {
            Ok(device) => CheckOutcome::Trusted(device),
            Err(reason) => {
                step.note(EventType::DeviceRefused).reason = Some(reason.as_str().into());
                CheckOutcome::Refused(reason)
            }
        }
    }
}

impl UserCommand for RenameDevice {
    type Outcome = RenameOutcome;

    fn tag(&self) -> UserTag {
        self.id.tag()
    }

    fn apply(self, step: &mut Step<'_>) -> RenameOutcome {
        let now = step.cx.now;
        let devices = step.user.extras.iter_mut().flat_map(|extras| &mut extras.devices.trusted);
        let Some(device) = devices.into_iter().find(|device| device.id == self.id && device.is_valid(now)) else {
            return RenameOutcome::Gone;
        };
        device.label.name = Some(self.name.into());
        let device = device.clone();
        step.fx.changed = true;
        step.note_device(EventType::DeviceChanged, &device.label).reason = Some("renamed".into());
        RenameOutcome::Renamed(device)
    }
}

impl UserCommand for RevokeTrust {
    type Outcome = RevokeTrustOutcome;

    fn tag(&self) -> UserTag {
        self.tag
    }

    fn apply(self, step: &mut Step<'_>) -> RevokeTrustOutcome {
        let revoked = step.end_trusts(TrustEnd::Revoked, |device| match self.selection {
            TrustSelection::One(id) => device.id == id,
            TrustSelection::All => true,
        });
        RevokeTrustOutcome { revoked }
    }
}

impl Step<'_> {
    /// Ends the trust in the devices that are chosen: one event with the count. Returns the count.
    pub fn end_trusts(&mut self, reason: TrustEnd, chosen: impl Fn(&TrustedDevice) -> bool) -> u64 {
        let now = self.cx.now;
        let Some(extras) = &mut self.user.extras else { return 0 };
        let devices = &mut extras.devices;
        let (mut count, mut device_id) = (0, None);
        for device in devices.trusted.extract_if(.., |device| device.is_valid(now) && chosen(device)) {
            count += 1;
            device_id = device.label.id;
            if reason != TrustEnd::Revoked {
                let until = now.plus_ms(bounds::ENDED_TRUST_MS);
                devices.ended.push(EndedTrust { digest: device.digest, reason, until });
            }
        }
        let surplus = devices.ended.len().saturating_sub(bounds::ENDED_TRUSTS);
        devices.ended.drain(..surplus);
        if count > 0 {
            self.fx.changed = true;
            self.fx.distrusted = true;
            let event = self.note(EventType::DeviceRevoked);
            event.reason = Some(reason.as_str().into());
            event.count = Some(count);
            event.device_id = device_id.filter(|_| count == 1).map(Into::into);
        }
        count
    }

    /// Notes an event of a device, by the id that the application gave it.
    fn note_device(&mut self, kind: EventType, device: &Device) -> &mut Event {
        let event = self.note(kind);
        event.device_id = device.id.as_deref().map(Into::into);
        event
    }

    /// Drops expired trusts before the longest trusted device has to go.
    fn make_room_for_trust(&mut self) {
        let now = self.cx.now;
        let trusted = &mut self.user.extras_mut().devices.trusted;
        if trusted.len() < bounds::TRUSTED_DEVICES {
            return;
        }
        trusted.retain(|device| device.is_valid(now));
        let surplus = (trusted.len() + 1).saturating_sub(bounds::TRUSTED_DEVICES);
        let oldest: Vec<_> = trusted.iter().take(surplus).map(|device| device.id).collect();
        self.end_trusts(TrustEnd::Evicted, |device| oldest.contains(&device.id));
    }

    /// Finds the trust behind a token and notes its use, at most once a minute: a login an hour ago and one a second ago say the
    /// same.
    fn use_trust(&mut self, digest: TokenDigest) -> Result<TrustedDevice, TrustEnd> {
        let now = self.cx.now;
        if self.user.disabled {
            return Err(TrustEnd::UserDisabled);
        }
        let Some(extras) = &mut self.user.extras else { return Err(TrustEnd::Revoked) };
        let devices = &mut extras.devices;
        let Some(device) = devices.trusted.iter_mut().find(|device| digest.matches(device.digest.as_bytes())) else {
            let ended = devices.ended.iter().find(|ended| digest.matches(ended.digest.as_bytes()));
            return Err(ended.map_or(TrustEnd::Revoked, |ended| ended.reason));
        };
        if !device.is_valid(now) {
            return Err(TrustEnd::Expired);
        }
        if now.since_ms(device.last_used_at) >= bounds::TRUST_USE_MS {
            device.last_used_at = now;
            self.fx.changed = true;
        }
        Ok(device.clone())
    }

    /// Judges what a session that is about to begin says of its device: a trusted one is told in `amr`, a refusal is an event.
    pub(crate) fn prove_device(&mut self, session: &mut Session, presented: Option<Presented>) {
        let refusal = match presented {
            None => return,
            Some(Presented::Refused(refusal)) => refusal,
            Some(Presented::Authentic(digest)) => match self.use_trust(digest) {
                Err(reason) => Refusal::Ended(reason),
                Ok(_) => {
                    if session.amr.len() < bounds::LIST_ITEMS && !session.amr.iter().any(|method| **method == *TRUSTED) {
                        session.amr.push(TRUSTED.into());
                    }
                    return;
                }
            },
        };
        let event = self.note_device(EventType::DeviceRefused, &session.device);
        event.reason = Some(refusal.as_str().into());
        event.session_id = Some(session.id);
    }

    /// Remembers the device of a login, and tells of one that was never seen, or that shows another fingerprint than before.
    pub(crate) fn meet_device(&mut self, session: &Session, is_new_browser: bool) {
        if session.kind != SessionKind::Login || session.is_imported() {
            return;
        }
        let Some(mut met) = KnownDevice::of(&session.device, self.cx.now) else {
            if is_new_browser {
                self.note(EventType::DeviceNew).session_id = Some(session.id);
            }
            return;
        };
        let known = &mut self.user.extras_mut().devices.known;
        let news = match known.iter().position(|known| known.key == met.key) {
            None => Some((EventType::DeviceNew, None)),
            Some(position) => {
                let before = known.remove(position);
                met.fingerprint = met.fingerprint.or(before.fingerprint);
                let changed = before.fingerprint.is_some() && met.fingerprint != before.fingerprint;
                changed.then_some((EventType::DeviceChanged, Some("fingerprint".into())))
            }
        };
        // In the order of their last login, so that the one that was not seen for longest goes first.
        known.push(met);
        let surplus = known.len().saturating_sub(bounds::KNOWN_DEVICES);
        known.drain(..surplus);
        if let Some((kind, reason)) = news {
            let event = self.note_device(kind, &session.device);
            event.session_id = Some(session.id);
            event.reason = reason;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        account::{Account, Email, command::ChangePassword},
        device::DeviceId,
        event::Origin,
        id::{UserId, random},
        session::Device,
        user::{Context, Facts, command::apply},
    };

    // S45: a password change ends every trust from before it, and says so afterwards; one from after it holds.
    #[test]
    fn a_password_change_ends_the_trusts_from_before_it() {
        let (tag, id) = (UserTag::anonymous(), UserId::new("ada").expect("a valid id"));
        let mut user = UserAggregate::new(tag);
        user.account = Some(Box::new(Account {
            user_id: id.clone(),
            email: Email::new("ada@example.com").expect("an address"),
            name: None,
            password_hash: "old".into(),
            created_at: Timestamp::ZERO,
            password_changed_at: Timestamp::ZERO,
            reset: None,
        }));
        let cx = Context { now: Timestamp::from_millis(1_000), origin: Origin::default() };
        let trust = || TrustDevice {
            id: DeviceId::generate(tag),
            user_id: id.clone(),
            digest: TokenDigest::from_bytes(random()),
            label: Device::default(),
            expires_at: Timestamp::from_millis(9_000_000),
            session: None,
            replaces: None,
        };
        let (first, second, after) = (trust(), trust(), trust());
        apply(first.clone(), &mut user, &cx, Facts::default());
        apply(second, &mut user, &cx, Facts::default());
        let change =
            ChangePassword { tag, expected_hash: "old".into(), new_hash: "new".into(), current: None, revoke_others: false };
        let (_, effects) = apply(change, &mut user, &cx, Facts::default());
        let revoked = effects.events.iter().find(|event| event.kind == EventType::DeviceRevoked).expect("an event");
        assert_eq!((revoked.reason.as_deref(), revoked.count), (Some("password_changed"), Some(2)));
        apply(after.clone(), &mut user, &cx, Facts::default());
        let mut check = |digest| apply(CheckDevice { tag, digest }, &mut user, &cx, Facts::default()).0;
        assert_eq!(check(first.digest), CheckOutcome::Refused(TrustEnd::PasswordChanged));
        assert!(matches!(check(after.digest), CheckOutcome::Trusted(_)));
    }
}
