//! The device service: trust, check, list, rename, revoke.

use super::{
    DeviceStore,
    command::*,
    model::{DeviceId, DeviceToken, Presented, Refusal, TrustedDevice},
};
use crate::{
    bounds,
    event::{Event, EventType, Origin},
    fault::Fault,
    id::{SessionId, UserId, UserTag},
    session::{
        Device, Sessions, TokenDigest,
        service::{Invalid, check_device, label},
    },
    time::millis,
    user::Context,
};
use std::{fmt, sync::Arc, time::Duration};

/// Trusts devices, and tells whether one is trusted. Cheap to share behind an [`Arc`].
pub struct Devices {
    store: Arc<dyn DeviceStore>,
    sessions: Arc<Sessions>,
    trust_ttl: Duration,
}

impl fmt::Debug for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Devices")
    }
}

/// How long a device is trusted where nobody says otherwise.
pub const TRUST_TTL: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A device that is to be trusted.
#[derive(Debug, Clone)]
pub struct NewTrust {
    /// The user who trusts it.
    pub user_id: UserId,
    /// What the caller tells of it.
    pub label: Device,
    /// How long; longer than policy is cut to policy, `None` is policy.
    pub ttl: Option<Duration>,
    /// The session that asks, if one does.
    pub session: Option<SessionId>,
    /// Digest of the token that the device holds already, if it does: that trust is replaced.
    pub replaces: Option<TokenDigest>,
}

/// A trusted device with its secret, which is shown this once.
#[derive(Debug)]
pub struct IssuedTrust {
    /// The secret.
    pub token: DeviceToken,
    /// The device.
    pub device: TrustedDevice,
}

/// How [`Devices::trust`] ended.
#[derive(Debug)]
pub enum Trust {
    /// The device is trusted.
    Trusted(Box<IssuedTrust>),
    /// The user is disabled.
    UserDisabled,
    /// The session that asked is no more.
    Gone,
    /// An input was refused.
    Invalid(Invalid),
}

/// How [`Devices::check`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Check {
    /// The device is trusted: the second factor may be left out, and nothing else.
    Trusted(TrustedDevice),
    /// It is not.
    Refused(Refusal),
}

/// How [`Devices::rename`] ended.
#[derive(Debug)]
pub enum Rename {
    /// The device has the name.
    Renamed(TrustedDevice),
    /// There is no such trust any more.
    Gone,
    /// An input was refused.
    Invalid(Invalid),
}

impl Devices {
    /// A service. `trust_ttl` is how long a device is trusted at most.
    #[must_use]
    pub fn new(store: Arc<dyn DeviceStore>, sessions: Arc<Sessions>, trust_ttl: Duration) -> Self {
        Self { store, sessions, trust_ttl }
    }

    /// How long a device is trusted at most.
    #[must_use]
    pub fn trust_ttl(&self) -> Duration {
        self.trust_ttl
    }

    /// Trusts a device: its holder has just shown the second factor. One round trip.
    ///
    /// # Errors
    /// A fault of the store. After [`Fault::Timeout`] the device may be trusted, but nobody holds its token.
    pub async fn trust(&self, new: NewTrust, origin: Origin) -> Result<Trust, Fault> {
        if let Err(invalid) = check_device(&new.label) {
            return Ok(Trust::Invalid(invalid));
        }
        let tag = self.sessions.tag(&new.user_id);
        let token = DeviceToken::mint(self.sessions.ring(), tag);
        let cx = self.cx(origin);
        let ttl = new.ttl.map_or(self.trust_ttl, |ttl| ttl.min(self.trust_ttl));
        let command = TrustDevice {
            id: DeviceId::generate(tag),
            user_id: new.user_id,
            digest: token.digest(),
            label: new.label,
            expires_at: cx.now.plus_ms(millis(ttl)),
            session: new.session,
            replaces: new.replaces,
        };
        Ok(match self.store.trust(cx, command).await? {
            TrustOutcome::Trusted(device) => Trust::Trusted(Box::new(IssuedTrust { token, device })),
            TrustOutcome::UserDisabled => Trust::UserDisabled,
            TrustOutcome::Gone => Trust::Gone,
        })
    }

    /// Whether a token shows that its holder's device is trusted by this user. Garbage and other users' tokens reach no store.
    /// One round trip.
    ///
    /// # Errors
    /// A fault of the store: neither yes nor no.
    pub async fn check(&self, user: &UserId, token: &str, origin: Origin) -> Result<Check, Fault> {
        let tag = self.sessions.tag(user);
        let digest = match Presented::read(self.sessions.ring(), token, tag) {
            Presented::Authentic(digest) => digest,
            Presented::Refused(refusal) => {
                self.note_refusal(user, tag, refusal, origin);
                return Ok(Check::Refused(refusal));
            }
        };
        Ok(match self.store.check(self.cx(origin), CheckDevice { tag, digest }).await? {
            CheckOutcome::Trusted(device) => Check::Trusted(device),
            CheckOutcome::Refused(reason) => Check::Refused(Refusal::Ended(reason)),
        })
    }

    /// The devices that a user trusts, in the order of trust.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn list(&self, tag: UserTag) -> Result<Vec<TrustedDevice>, Fault> {
        self.store.devices(tag, self.sessions.clock().now()).await
    }

    /// Gives a trusted device another name.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn rename(&self, id: DeviceId, name: &str, origin: Origin) -> Result<Rename, Fault> {
        if let Err(invalid) = label("name", name, bounds::DEVICE_FIELD_BYTES) {
            return Ok(Rename::Invalid(invalid));
        }
        Ok(match self.store.rename(self.cx(origin), RenameDevice { id, name: name.into() }).await? {
            RenameOutcome::Renamed(device) => Rename::Renamed(device),
            RenameOutcome::Gone => Rename::Gone,
        })
    }

    /// Ends the trust in a device. Returns how many that were: none where it had ended. Safe to repeat.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn revoke(&self, id: DeviceId, origin: Origin) -> Result<u64, Fault> {
        self.revoke_selection(id.tag(), TrustSelection::One(id), origin).await
    }

    /// Ends the trust in all devices of a user. Returns how many those were. Safe to repeat.
    ///
    /// # Errors
    /// A fault of the store.
    pub async fn revoke_all(&self, tag: UserTag, origin: Origin) -> Result<u64, Fault> {
        self.revoke_selection(tag, TrustSelection::All, origin).await
    }

    async fn revoke_selection(&self, tag: UserTag, selection: TrustSelection, origin: Origin) -> Result<u64, Fault> {
        Ok(self.store.revoke_trust(self.cx(origin), RevokeTrust { tag, selection }).await?.revoked)
    }

    /// Notes a token that cannot be good, once a minute for each user and reason: no command writes it.
    fn note_refusal(&self, user: &UserId, tag: UserTag, refusal: Refusal, origin: Origin) {
        let now = self.sessions.clock().now();
        let event = Event::new(EventType::DeviceRefused, now, &origin).of(tag, Some(user)).because(refusal.as_str());
        let mut key = [0; 16];
        key[..12].copy_from_slice(tag.as_bytes());
        key[15] = u8::from(refusal == Refusal::OtherUser);
        self.sessions.observer().note_once(u128::from_be_bytes(key), event);
    }

    fn cx(&self, origin: Origin) -> Context {
        Context { now: self.sessions.clock().now(), origin }
    }
}
