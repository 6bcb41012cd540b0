//! What the model makes of commands on devices.

use super::users::ModelUser;
use vestibule_core::{
    bounds::{ENDED_TRUST_MS, ENDED_TRUSTS, KNOWN_DEVICE_MS, KNOWN_DEVICES, TRUST_USE_MS, TRUSTED_DEVICES},
    device::{Presented, Refusal, TRUSTED, TrustEnd, TrustedDevice, command::*},
    event::EventType,
    session::{Device, Session, SessionKind, TokenDigest},
    time::Timestamp,
};

/// The devices of one user.
#[derive(Debug, Default)]
pub(crate) struct ModelDevices {
    /// Oldest first.
    trusted: Vec<TrustedDevice>,
    /// Digest, reason, and when it ended.
    ended: Vec<(TokenDigest, TrustEnd, Timestamp)>,
    /// By id or fingerprint, least recently seen first: last fingerprint and last login.
    known: Vec<(Device, Timestamp)>,
}

impl ModelDevices {
    pub(crate) fn valid(&self, now: Timestamp) -> Vec<TrustedDevice> {
        self.trusted.iter().filter(|device| now < device.expires_at).cloned().collect()
    }

    /// Forgets what is too old to be told.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        self.trusted.retain(|device| now.since_ms(device.expires_at) < ENDED_TRUST_MS);
        self.ended.retain(|(_, _, at)| now.since_ms(*at) < ENDED_TRUST_MS);
        self.known.retain(|(_, seen)| now.since_ms(*seen) < KNOWN_DEVICE_MS);
    }
}

impl ModelUser {
    pub(crate) fn end_trusts(&mut self, now: Timestamp, reason: TrustEnd, which: impl Fn(&TrustedDevice) -> bool) -> u64 {
        let over: Vec<_> = self.devices.valid(now).into_iter().filter(which).collect();
        self.devices.trusted.retain(|device| !over.contains(device));
        for device in &over {
            if reason != TrustEnd::Revoked {
                self.devices.ended.push((device.digest, reason, now));
            }
            if self.devices.ended.len() > ENDED_TRUSTS {
                self.devices.ended.remove(0);
            }
        }
        if !over.is_empty() {
            self.told.push((EventType::DeviceRevoked, None, Some(reason.as_str().into()), Some(over.len() as u64)));
        }
        over.len() as u64
    }

    pub(crate) fn trust(&mut self, command: TrustDevice, now: Timestamp) -> TrustOutcome {
        if self.disabled {
            return TrustOutcome::UserDisabled;
        }
        if command.session.is_some_and(|id| self.valid(now).iter().all(|session| session.id != id)) {
            return TrustOutcome::Gone;
        }
        let (id, token) = (command.label.id.clone(), command.replaces);
        self.end_trusts(now, TrustEnd::Replaced, |device| {
            (id.is_some() && device.label.id == id) || token == Some(device.digest)
        });
        if self.devices.trusted.len() == TRUSTED_DEVICES {
            self.devices.trusted.retain(|device| now < device.expires_at);
        }
        if let [oldest, rest @ ..] = &self.devices.trusted[..]
            && rest.len() + 1 == TRUSTED_DEVICES
        {
            let oldest = oldest.id;
            self.end_trusts(now, TrustEnd::Evicted, |device| device.id == oldest);
        }
        self.known = true;
        self.user_id.get_or_insert(command.user_id);
        let device = TrustedDevice {
            id: command.id,
            digest: command.digest,
            label: command.label,
            trusted_at: now,
            expires_at: command.expires_at,
            last_used_at: Timestamp::ZERO,
        };
        self.devices.trusted.push(device.clone());
        self.told.push((EventType::DeviceTrusted, command.session, None, None));
        TrustOutcome::Trusted(device)
    }

    fn use_trust(&mut self, digest: TokenDigest, now: Timestamp) -> Result<TrustedDevice, TrustEnd> {
        if self.disabled {
            return Err(TrustEnd::UserDisabled);
        }
        if let Some(device) = self.devices.trusted.iter_mut().find(|device| device.digest == digest) {
            if now >= device.expires_at {
                return Err(TrustEnd::Expired);
            }
            if now.since_ms(device.last_used_at) >= TRUST_USE_MS {
                device.last_used_at = now;
            }
            return Ok(device.clone());
        }
        let ended = self.devices.ended.iter().find(|(ended, ..)| *ended == digest);
        Err(ended.map_or(TrustEnd::Revoked, |(_, reason, _)| *reason))
    }

    pub(crate) fn check_device(&mut self, command: &CheckDevice, now: Timestamp) -> CheckOutcome {
        match self.use_trust(command.digest, now) {
            Ok(device) => CheckOutcome::Trusted(device),
            Err(reason) => {
                self.told.push((EventType::DeviceRefused, None, Some(reason.as_str().into()), None));
                CheckOutcome::Refused(reason)
            }
        }
    }

    pub(crate) fn rename_device(&mut self, command: RenameDevice, now: Timestamp) -> RenameOutcome {
        let Some(device) = self.devices.trusted.iter_mut().find(|device| device.id == command.id && now < device.expires_at)
        else {
            return RenameOutcome::Gone;
        };
        device.label.name = Some(command.name.into());
        let device = device.clone();
        self.told.push((EventType::DeviceChanged, None, Some("renamed".into()), None));
        RenameOutcome::Renamed(device)
    }

    pub(crate) fn revoke_trust(&mut self, command: &RevokeTrust, now: Timestamp) -> RevokeTrustOutcome {
        let revoked = match command.selection {
            TrustSelection::All => self.end_trusts(now, TrustEnd::Revoked, |_| true),
            TrustSelection::One(id) => self.end_trusts(now, TrustEnd::Revoked, |device| device.id == id),
        };
        RevokeTrustOutcome { revoked }
    }

    pub(crate) fn prove_device(&mut self, session: &mut Session, presented: Option<Presented>, now: Timestamp) {
        let refusal = match presented {
            None => return,
            Some(Presented::Refused(refusal)) => refusal,
            Some(Presented::Authentic(digest)) => match self.use_trust(digest, now) {
                Ok(_) => return session.amr.push(TRUSTED.into()),
                Err(reason) => Refusal::Ended(reason),
            },
        };
        self.told.push((EventType::DeviceRefused, Some(session.id), Some(refusal.as_str().into()), None));
    }

    pub(crate) fn meet_device(&mut self, session: &Session, is_new_browser: bool, now: Timestamp) {
        let device = &session.device;
        if session.kind != SessionKind::Login {
            return;
        }
        if device.id.is_none() && device.fingerprint.is_none() {
            if is_new_browser {
                self.told.push((EventType::DeviceNew, Some(session.id), None, None));
            }
            return;
        }
        let same = |known: &Device| match &device.id {
            Some(id) => known.id.as_ref() == Some(id),
            None => known.id.is_none() && known.fingerprint == device.fingerprint,
        };
        let mut met = device.clone();
        match self.devices.known.iter().position(|(known, _)| same(known)) {
            None => self.told.push((EventType::DeviceNew, Some(session.id), None, None)),
            Some(place) => {
                let (before, _) = self.devices.known.remove(place);
                if let (Some(old), Some(new)) = (&before.fingerprint, &met.fingerprint)
                    && old != new
                {
                    self.told.push((EventType::DeviceChanged, Some(session.id), Some("fingerprint".into()), None));
                }
                met.fingerprint = met.fingerprint.or(before.fingerprint);
            }
        }
        self.devices.known.push((met, now));
        if self.devices.known.len() > KNOWN_DEVICES {
            self.devices.known.remove(0);
        }
    }
}
