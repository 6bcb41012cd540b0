//! Devices on which somebody has logged in: their owner still gets in while others are guessing the password.
//!
//! A login leaves a token with the browser that tells user and time under a MAC, so nothing is stored. It stands for nothing
//! but a place of its own in the count of failed logins ([`super::throttle`]): it proves no factor and opens no session.

use super::Account;
use crate::{
    bounds,
    id::UserTag,
    secret::KeyRing,
    session::token::{Kind, Token},
    time::{Timestamp, millis},
};

/// Bytes of the secret that hold the time of issue.
const TIME: usize = 8;

/// Marks tokens of known devices.
pub struct KnownDeviceKind;

impl Kind for KnownDeviceKind {
    const PREFIX: &'static str = "vn_";
}

/// What a device keeps of a login on it. Its secret is the time of issue in milliseconds (8 bytes, big-endian) and 24 random
/// bytes.
pub type KnownDeviceToken = Token<KnownDeviceKind>;

impl KnownDeviceToken {
    /// A token for the device on which the user just proved who they are.
    #[must_use]
    pub fn issue(ring: &KeyRing, tag: UserTag, now: Timestamp) -> Self {
        let mut secret: [u8; 32] = crate::id::random();
        secret[..TIME].copy_from_slice(&now.millis().to_be_bytes());
        Self::assemble(ring, tag, secret)
    }

    fn issued_at(&self) -> Timestamp {
        let time = self.secret().first_chunk::<TIME>().expect("a secret is longer");
        Timestamp::from_millis(u64::from_be_bytes(*time))
    }

    /// Whether this account was logged in to on the device with the password that it still has, not longer than
    /// [`bounds::KNOWN_DEVICE_TTL`] ago. `tag` is the account's user's.
    pub(super) fn knows(&self, account: &Account, tag: UserTag, now: Timestamp) -> bool {
        let issued_at = self.issued_at();
        self.tag() == tag
            && issued_at >= account.password_changed_at
            && now.since_ms(issued_at) < millis(bounds::KNOWN_DEVICE_TTL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{account::Email, id::UserId};

    const ISSUED: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn account(password_changed_at: Timestamp) -> Account {
        Account {
            user_id: UserId::new("ada").expect("a user id"),
            email: Email::new("ada@example.com").expect("an address"),
            name: None,
            password_hash: "$argon2id$".into(),
            created_at: Timestamp::ZERO,
            password_changed_at,
            reset: None,
        }
    }

    // S86
    #[test]
    fn a_device_is_known_to_one_user_for_a_year_and_until_the_password_changes() {
        let (ring, tag) = (KeyRing::ephemeral(), UserTag::anonymous());
        let text = KnownDeviceToken::issue(&ring, tag, ISSUED).expose();
        let token = KnownDeviceToken::parse(&ring, &text).expect("our own token");
        let year = millis(bounds::KNOWN_DEVICE_TTL);
        let unchanged = account(ISSUED.minus_ms(1));
        assert!(token.knows(&unchanged, tag, ISSUED));
        assert!(token.knows(&unchanged, tag, ISSUED.plus_ms(year - 1)));
        assert!(!token.knows(&unchanged, tag, ISSUED.plus_ms(year)));
        assert!(!token.knows(&unchanged, UserTag::anonymous(), ISSUED), "another user's device");
        assert!(!token.knows(&account(ISSUED.plus_ms(1)), tag, ISSUED.plus_ms(2)), "the password changed since");
    }

    #[test]
    fn nothing_else_passes_for_a_known_device() {
        let (ring, tag) = (KeyRing::ephemeral(), UserTag::anonymous());
        let session = crate::session::SessionToken::mint(&ring, tag).expose();
        assert!(KnownDeviceToken::parse(&ring, &session).is_none());
        assert!(KnownDeviceToken::parse(&ring, &session.replacen("vs_", "vn_", 1)).is_none());
        let foreign = KnownDeviceToken::issue(&KeyRing::ephemeral(), tag, ISSUED).expose();
        assert!(KnownDeviceToken::parse(&ring, &foreign).is_none());
    }
}
