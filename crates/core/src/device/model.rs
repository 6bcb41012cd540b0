//! What is kept of a user's devices.

use crate::{
    bounds,
    id::{UserTag, tagged_id},
    secret::KeyRing,
    session::{
        Device, TokenDigest,
        token::{Kind, Token},
    },
    time::Timestamp,
};
use sha2::{Digest as _, Sha256};

/// Marks the tokens of trusted devices.
pub struct DeviceKind;

impl Kind for DeviceKind {
    const PREFIX: &'static str = "vd_";
}

/// The secret by which a trusted device is recognised. Bound to its user by the tag inside, so that garbage and the tokens of
/// other users are refused without asking a store.
pub type DeviceToken = Token<DeviceKind>;

tagged_id! {
    /// The public name of a trusted device: `dev_` and 32 characters of base64url (user tag, then 12 random bytes). It is ours; the
    /// caller's own id of a device is [`Device::id`].
    DeviceId, "dev_", "a device id is dev_ and 32 characters of base64url"
}

/// A device on which a user need not show the second factor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedDevice {
    /// Its public name.
    pub id: DeviceId,
    /// Digest of its token.
    pub digest: TokenDigest,
    /// What the caller told of it, and the name that the user gave it.
    pub label: Device,
    /// When the trust began.
    pub trusted_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// When its token was last accepted; zero if never.
    pub last_used_at: Timestamp,
}

impl TrustedDevice {
    /// Whether it is still trusted at this time.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }
}

/// Why the trust in a device ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TrustEnd {
    /// Its user or an administrator ended it. Also the answer where nothing more is known than that it ended.
    Revoked = 1,
    /// It reached its time.
    Expired = 2,
    /// The password changed.
    PasswordChanged = 3,
    /// The same device was trusted anew, with another token.
    Replaced = 4,
    /// The user trusted more devices than are kept; the longest trusted one goes first.
    Evicted = 5,
    /// The user was disabled.
    UserDisabled = 6,
}

impl TrustEnd {
    const ALL: [Self; 6] =
        [Self::Revoked, Self::Expired, Self::PasswordChanged, Self::Replaced, Self::Evicted, Self::UserDisabled];

    /// The stable word for APIs and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Expired => "expired",
            Self::PasswordChanged => "password_changed",
            Self::Replaced => "replaced",
            Self::Evicted => "evicted",
            Self::UserDisabled => "user_disabled",
        }
    }

    /// The reason with this stored byte.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| *reason as u8 == byte)
    }
}

/// A trust that ended before its time, remembered in order to say why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedTrust {
    /// Digest of its token.
    pub digest: TokenDigest,
    /// Why it ended.
    pub reason: TrustEnd,
    /// Until when this is remembered.
    pub until: Timestamp,
}

/// Why a device token is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// It is none of ours: garbage, or made under a secret that the ring lacks.
    Unknown,
    /// It is another user's.
    OtherUser,
    /// The trust ended.
    Ended(TrustEnd),
}

impl Refusal {
    /// The stable word for APIs and events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::OtherUser => "other_user",
            Self::Ended(reason) => reason.as_str(),
        }
    }
}

/// A device token as it was presented for a user, as far as it can be judged without a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// One that we made for this user, with this digest.
    Authentic(TokenDigest),
    /// One that cannot be good.
    Refused(Refusal),
}

impl Presented {
    /// Judges a token that is presented for the user of this tag.
    #[must_use]
    pub fn read(ring: &KeyRing, text: &str, tag: UserTag) -> Self {
        match DeviceToken::parse(ring, text) {
            None => Self::Refused(Refusal::Unknown),
            Some(token) if token.tag() != tag => Self::Refused(Refusal::OtherUser),
            Some(token) => Self::Authentic(token.digest()),
        }
    }
}

/// A device that a login named. Kept as digests: what callers tell of devices may be personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDevice {
    /// Of its id, else of its fingerprint.
    pub key: [u8; 16],
    /// Of the fingerprint that it last showed; `None` while it showed none.
    pub fingerprint: Option<[u8; 8]>,
    /// The last login.
    pub last_seen_at: Timestamp,
}

impl KnownDevice {
    /// The device that a login names at this time; `None` where it names none.
    #[must_use]
    pub fn of(label: &Device, now: Timestamp) -> Option<Self> {
        let key = match (&label.id, &label.fingerprint) {
            (Some(id), _) => digest("id", id),
            (None, Some(fingerprint)) => digest("fingerprint", fingerprint),
            (None, None) => return None,
        };
        let fingerprint = label.fingerprint.as_deref().map(|text| digest("fingerprint", text));
        Some(Self { key, fingerprint, last_seen_at: now })
    }

    /// Until when it is remembered.
    #[must_use]
    pub fn keep_until(&self) -> Timestamp {
        self.last_seen_at.plus_ms(bounds::KNOWN_DEVICE_MS)
    }
}

fn digest<const N: usize>(what: &str, text: &str) -> [u8; N] {
    let whole: [u8; 32] = Sha256::new().chain_update(what).chain_update([0]).chain_update(text).finalize().into();
    std::array::from_fn(|place| whole[place])
}

/// All that is kept of a user's devices; part of [`crate::user::UserAggregate`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptDevices {
    /// Trusted devices in the order of trust, at most [`bounds::TRUSTED_DEVICES`]. Expired ones stay for a while, so that it can
    /// be said that they expired.
    pub trusted: Vec<TrustedDevice>,
    /// Trusts that ended before their time, oldest first, at most [`bounds::ENDED_TRUSTS`]. One that was revoked leaves none.
    pub ended: Vec<EndedTrust>,
    /// Devices that logins named, at most [`bounds::KNOWN_DEVICES`].
    pub known: Vec<KnownDevice>,
}

impl KeptDevices {
    /// Until when something is kept; zero where nothing is.
    #[must_use]
    pub fn keep_until(&self) -> Timestamp {
        let trusted = self.trusted.iter().map(|device| device.expires_at.plus_ms(bounds::ENDED_TRUST_MS));
        let ended = self.ended.iter().map(|ended| ended.until);
        trusted.chain(ended).chain(self.known.iter().map(KnownDevice::keep_until)).max().unwrap_or(Timestamp::ZERO)
    }

    /// Drops what is over. Returns whether anything was.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        let before = (self.trusted.len(), self.ended.len(), self.known.len());
        self.trusted.retain(|device| now < device.expires_at.plus_ms(bounds::ENDED_TRUST_MS));
        self.ended.retain(|ended| now < ended.until);
        self.known.retain(|known| now < known.keep_until());
        before != (self.trusted.len(), self.ended.len(), self.known.len())
    }

    /// Bytes of memory that it takes beside itself, about.
    #[must_use]
    pub fn memory(&self) -> usize {
        let lists = self.trusted.capacity() * size_of::<TrustedDevice>()
            + self.ended.capacity() * size_of::<EndedTrust>()
            + self.known.capacity() * size_of::<KnownDevice>();
        let label = |Device { id, fingerprint, name, kind }: &Device| {
            [id, fingerprint, name, kind].into_iter().flatten().map(String::len).sum::<usize>()
        };
        lists + self.trusted.iter().map(|device| label(&device.label)).sum::<usize>()
    }

    /// The devices that are trusted at this time, in the order of trust.
    pub fn valid(&self, now: Timestamp) -> impl Iterator<Item = &TrustedDevice> {
        self.trusted.iter().filter(move |device| device.is_valid(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_id_survives_its_text_and_names_its_user() {
        let tag = UserTag::anonymous();
        let id = DeviceId::generate(tag);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!((id.to_string().len(), id.tag()), (36, tag));
        for bad in ["", "dev_", "dev_AAAA", &id.to_string()[4..], &format!("{id}="), &id.to_string().replacen("dev", "ses", 1)]
        {
            assert!(bad.parse::<DeviceId>().is_err(), "{bad}");
        }
    }

    // S45: for which user a token is good can be told without a store.
    #[test]
    fn a_token_is_judged_by_its_user_before_anything_is_asked() {
        let (ring, ada, bob) = (KeyRing::ephemeral(), UserTag::anonymous(), UserTag::anonymous());
        let token = DeviceToken::mint(&ring, ada);
        let text = token.expose();
        assert_eq!(Presented::read(&ring, &text, ada), Presented::Authentic(token.digest()));
        assert_eq!(Presented::read(&ring, &text, bob), Presented::Refused(Refusal::OtherUser));
        let session_token = text.replacen("vd_", "vs_", 1);
        let foreign = DeviceToken::mint(&KeyRing::ephemeral(), ada).expose();
        for garbage in ["", "vd_", &text[..80], &session_token, &foreign, &format!("{text}A")] {
            assert_eq!(Presented::read(&ring, garbage, ada), Presented::Refused(Refusal::Unknown));
        }
        assert!(!format!("{token:?} {:?}", Presented::read(&ring, &text, ada)).contains(&text[3..20]));
    }

    #[test]
    fn a_device_is_told_apart_by_its_id_else_by_its_fingerprint() {
        let device = |id: Option<&str>, fingerprint: Option<&str>| {
            let label = Device { id: id.map(Into::into), fingerprint: fingerprint.map(Into::into), ..Device::default() };
            KnownDevice::of(&label, Timestamp::ZERO).map(|known| known.key)
        };
        assert_eq!(device(Some("a"), Some("x")), device(Some("a"), Some("y")));
        assert_ne!(device(Some("a"), None), device(Some("b"), None));
        assert_ne!(device(Some("a"), None), device(None, Some("a")), "an id is no fingerprint");
        assert_eq!(device(None, None), None);
    }
}
