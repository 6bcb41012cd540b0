//! [`RefreshToken`]: what a client exchanges for its next access token.
//!
//! 67 bytes in base64url after the prefix `vr_`, 93 characters in all:
//!
//! | bytes | what |
//! |---|---|
//! | 0..12 | user tag |
//! | 12 | key id: which secret of the ring made the MAC |
//! | 13..25 | serial of the family |
//! | 25..29 | generation |
//! | 29..35 | end of the family at the latest, in milliseconds |
//! | 35..67 | HMAC-SHA-256(refresh key, prefix and bytes 0..35) |
//!
//! The MAC is the secret: it cannot be made without the ring, and with it every node makes the same. So garbage is refused without
//! asking a store, a repeat is given what was lost, and nothing of it has to be stored. Numbers are little-endian.

use super::{Family, FamilyId};
use crate::{
    id::UserTag,
    secret::{KeyRing, Keys},
    time::Timestamp,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::fmt;
use zeroize::Zeroize as _;

const PREFIX: &str = "vr_";
const SIGNED: usize = 35;
const RAW: usize = SIGNED + 32;
const ENCODED: usize = 90;

/// An authentic refresh token: one that a secret of the ring has made. Redacted whole, wiped on drop.
pub struct RefreshToken([u8; RAW]);

impl RefreshToken {
    /// Length of the text in bytes.
    pub const TEXT: usize = PREFIX.len() + ENCODED;

    /// The token of a family's present generation. `None` where the ring lacks the secret under which the deciding step began that
    /// generation: this node was not given the deployment's newest secret.
    #[must_use]
    pub fn of(ring: &KeyRing, tag: UserTag, family: &Family) -> Option<Self> {
        let keys = ring.keys().find(|keys| keys.id == family.key_id)?;
        let mut bytes = [0; RAW];
        bytes[..12].copy_from_slice(tag.as_bytes());
        bytes[12] = family.key_id;
        bytes[13..25].copy_from_slice(&family.serial);
        bytes[25..29].copy_from_slice(&family.generation.to_le_bytes());
        bytes[29..SIGNED].copy_from_slice(&family.expires_at.millis().to_le_bytes()[..6]);
        let mac = mac(keys, &bytes[..SIGNED]);
        bytes[SIGNED..].copy_from_slice(&mac);
        Some(Self(bytes))
    }

    /// Reads a token that one of the ring's secrets has made; `None` is garbage. Costs no I/O.
    #[must_use]
    pub fn parse(ring: &KeyRing, text: &str) -> Option<Self> {
        let encoded = text.strip_prefix(PREFIX)?;
        let mut token = Self([0; RAW]);
        if encoded.len() != ENCODED || URL_SAFE_NO_PAD.decode_slice(encoded, &mut token.0) != Ok(RAW) {
            return None;
        }
        let (signed, given) = token.0.split_at(SIGNED);
        let mut keys = ring.keys().filter(|keys| keys.id == signed[12]);
        let authentic = keys.any(|keys| keys.refresh.verify(&[PREFIX.as_bytes(), signed], given));
        authentic.then_some(token)
    }

    fn part<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut part = [0; N];
        part.copy_from_slice(&self.0[at..at + N]);
        part
    }

    /// The user's tag.
    #[must_use]
    pub fn tag(&self) -> UserTag {
        UserTag::from_bytes(self.part(0))
    }

    /// The family.
    #[must_use]
    pub fn family(&self) -> FamilyId {
        FamilyId::from_parts(self.tag(), self.part(13))
    }

    /// Which one of its family it is, from 0.
    #[must_use]
    pub fn generation(&self) -> u32 {
        u32::from_le_bytes(self.part(25))
    }

    /// The end of its family at the latest.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        let mut wide = [0; 8];
        wide[..6].copy_from_slice(&self.0[29..SIGNED]);
        Timestamp::from_millis(u64::from_le_bytes(wide))
    }

    /// The secret text, for the one answer that hands it out.
    #[must_use]
    pub fn expose(&self) -> String {
        let mut text = String::with_capacity(Self::TEXT);
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(self.0, &mut text);
        text
    }
}

fn mac(keys: &Keys, signed: &[u8]) -> [u8; 32] {
    keys.refresh.sign(&[PREFIX.as_bytes(), signed])
}

impl Drop for RefreshToken {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RefreshToken({}, redacted)", self.family())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{secret::Secret, token::transition::tests::family};

    fn secret(text: &str) -> Secret {
        Secret::new(text).expect("long enough")
    }

    fn ring(secrets: &[&str]) -> KeyRing {
        KeyRing::new(&secrets.iter().map(|text| secret(text)).collect::<Vec<_>>(), None).expect("one to four")
    }

    const TAG: UserTag = UserTag::from_bytes([7; 12]);

    #[test]
    fn a_token_says_what_it_was_made_of_and_every_altered_character_is_garbage() {
        let ring = ring(&["a secret for refresh tokens"]);
        let family = Family { generation: 9, key_id: ring.current_id(), ..family() };
        let text = RefreshToken::of(&ring, TAG, &family).expect("the secret is there").expose();
        assert_eq!(text.len(), RefreshToken::TEXT);
        let token = RefreshToken::parse(&ring, &text).expect("authentic");
        assert_eq!((token.tag(), token.family(), token.generation()), (TAG, FamilyId::from_parts(TAG, family.serial), 9));
        assert_eq!(token.expires_at(), family.expires_at);
        assert!(!format!("{token:?}").contains(&text[60..]));
        for position in 0..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[position] = if altered[position] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).expect("ASCII");
            assert!(RefreshToken::parse(&ring, &altered).is_none(), "character {position}");
        }
        for bad in ["", "vr_", &format!("{text}="), &format!(" {text}"), &"vr_".repeat(5_000)] {
            assert!(RefreshToken::parse(&ring, bad).is_none());
        }
    }

    /// S63: the step says under which secret, so nodes in the middle of a change of secrets agree.
    #[test]
    fn nodes_with_different_current_secrets_make_the_same_token() {
        let before = ring(&["the secret of last year", "the secret of this year"]);
        let after = ring(&["the secret of this year", "the secret of last year"]);
        let family = Family { key_id: before.current_id(), ..family() };
        let text = |ring| RefreshToken::of(ring, TAG, &family).map(|token| token.expose());
        assert!(text(&before).is_some());
        assert_eq!(text(&before), text(&after));
        assert_eq!(text(&ring(&["the secret of this year"])), None);
    }

    #[test]
    fn a_golden_vector_of_the_layout() {
        // A change of these bytes takes every client its refresh token.
        let ring = ring(&["golden vectors need a fixed secret"]);
        let family = Family { key_id: ring.current_id(), ..family() };
        assert_eq!(RefreshToken::of(&ring, TAG, &family).expect("known").expose(), GOLDEN);
    }

    const GOLDEN: &str = "vr_BwcHBwcHBwcHBwcHSwQEBAQEBAQEBAQEBAMAAABAVIkAAACf14htcLBFvFGSpd3URZEXYJDSCexsaZIKFhLC_88hlg";
}
