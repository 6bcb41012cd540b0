//! Secret bearer strings: the session token (`vs_`), the hand-off code (`vh_`), and those of accounts.
//!
//! 60 bytes in base64url after a prefix, 83 characters in all:
//!
//! | bytes | what |
//! |---|---|
//! | 0..12 | user tag: leads to the home that holds the session, without a lookup |
//! | 12 | key id: which secret of the ring made the MAC |
//! | 13..45 | secret: random; derived from ring, session and nonce at a rotation |
//! | 45..60 | first 15 bytes of HMAC-SHA-256(token key, prefix and bytes 0..45) |
//!
//! The MAC lets garbage be refused without asking a store. Stores see only the SHA-256 of the 60 bytes. The text is in the
//! canonical form of RFC 4648 section 5 without padding; any other spelling is garbage.

use crate::{id::SessionId, id::UserTag, secret::KeyRing};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use std::{fmt, marker::PhantomData};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroize as _;

const RAW: usize = 60;
const ENCODED: usize = 80;
const SECRET: std::ops::Range<usize> = 13..45;
const MAC_LEN: usize = 15;

/// Length of the text of a token or code in bytes.
pub const TOKEN_TEXT: usize = 3 + ENCODED;

/// What a bearer string is for; its prefix is under the MAC, so that one kind never passes for another.
pub trait Kind: Send + Sync + 'static {
    /// The three characters before the encoded bytes.
    const PREFIX: &'static str;
}

/// Marks session tokens.
pub struct SessionKind;

impl Kind for SessionKind {
    const PREFIX: &'static str = "vs_";
}

/// Marks hand-off codes.
pub struct HandoffKind;

impl Kind for HandoffKind {
    const PREFIX: &'static str = "vh_";
}

/// The secret that a client presents with each request.
pub type SessionToken = Token<SessionKind>;
/// A single-use code that is exchanged for a new session.
pub type HandoffCode = Token<HandoffKind>;

/// SHA-256 of the 60 bytes of a token: all that a store ever holds of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// A digest from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Equality in constant time. Compared in words of eight bytes: byte by byte took 50 of a lookup's 150 ns.
    #[must_use]
    pub fn matches(&self, stored: &[u8]) -> bool {
        let Ok(stored) = <&[u8; 32]>::try_from(stored) else { return false };
        words(&self.0).ct_eq(&words(stored)).into()
    }
}

fn words(bytes: &[u8; 32]) -> [u64; 4] {
    let (words, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|word| u64::from_ne_bytes(words[word]))
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(redacted)")
    }
}

/// An authentic bearer string: one that a secret of the ring has made. Redacted whole, wiped on drop.
pub struct Token<K: Kind> {
    bytes: [u8; RAW],
    kind: PhantomData<K>,
}

impl<K: Kind> Token<K> {
    /// A token with a fresh random secret.
    #[must_use]
    pub fn mint(ring: &KeyRing, tag: UserTag) -> Self {
        Self::assemble(ring, tag, crate::id::random())
    }

    /// A token with this secret.
    pub(crate) fn assemble(ring: &KeyRing, tag: UserTag, secret: [u8; 32]) -> Self {
        let keys = ring.current();
        let mut bytes = [0; RAW];
        bytes[..UserTag::LEN].copy_from_slice(tag.as_bytes());
        bytes[UserTag::LEN] = keys.id;
        bytes[SECRET].copy_from_slice(&secret);
        let mac = keys.token.sign(&[K::PREFIX.as_bytes(), &bytes[..SECRET.end]]);
        bytes[SECRET.end..].copy_from_slice(&mac[..MAC_LEN]);
        Self { bytes, kind: PhantomData }
    }

    /// Reads a token that one of the ring's secrets has made; `None` is garbage. Costs no I/O and no allocation.
    #[must_use]
    pub fn parse(ring: &KeyRing, text: &str) -> Option<Self> {
        let encoded = text.strip_prefix(K::PREFIX)?;
        let mut token = Self { bytes: [0; RAW], kind: PhantomData };
        if encoded.len() != ENCODED || URL_SAFE_NO_PAD.decode_slice(encoded, &mut token.bytes) != Ok(RAW) {
            return None;
        }
        let (signed, mac) = token.bytes.split_at(SECRET.end);
        let authentic = ring
            .keys()
            .filter(|keys| keys.id == signed[UserTag::LEN])
            .any(|keys| keys.token.verify(&[K::PREFIX.as_bytes(), signed], mac));
        authentic.then_some(token)
    }

    /// The user's tag.
    #[must_use]
    pub fn tag(&self) -> UserTag {
        let mut tag = [0; UserTag::LEN];
        tag.copy_from_slice(&self.bytes[..UserTag::LEN]);
        UserTag::from_bytes(tag)
    }

    pub(crate) fn secret(&self) -> &[u8; 32] {
        self.bytes[SECRET].first_chunk().expect("the secret has 32 bytes")
    }

    /// What a store may hold.
    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        TokenDigest(Sha256::digest(self.bytes).into())
    }

    /// The secret text, for the one answer that hands it out.
    #[must_use]
    pub fn expose(&self) -> String {
        let mut text = String::with_capacity(TOKEN_TEXT);
        text.push_str(K::PREFIX);
        URL_SAFE_NO_PAD.encode_string(self.bytes, &mut text);
        text
    }
}

impl SessionToken {
    /// The successor of a session's token at a rotation: the same ring, session and nonce give the same token, so that a lost
    /// answer can be given again and yet nothing secret is stored.
    #[must_use]
    pub fn derive(ring: &KeyRing, session: SessionId, nonce: [u8; 8]) -> Self {
        let secret = ring.current().rotation.sign(&[&session.to_bytes(), &nonce]);
        Self::assemble(ring, session.tag(), secret)
    }
}

impl<K: Kind> Drop for Token<K> {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl<K: Kind> fmt::Debug for Token<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(redacted)", K::PREFIX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn ring() -> KeyRing {
        let secret = Secret::new("golden vectors need a fixed secret").expect("long enough");
        KeyRing::new(&[secret], None).expect("one secret")
    }

    #[test]
    fn golden_vectors_of_the_token_layout() {
        // A change of these bytes logs out every user of every deployment: see docs/adr/0001-token-layout.md.
        let tag = UserTag::from_bytes(*b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b");
        let token = SessionToken::assemble(&ring(), tag, [7; 32]);
        assert_eq!(token.expose(), GOLDEN_TOKEN);
        let derived = SessionToken::derive(&ring(), SessionId::from_parts(tag, [9; 12]), [1; 8]);
        assert_eq!(derived.expose(), GOLDEN_DERIVED);
    }

    const GOLDEN_TOKEN: &str = "vs_AAECAwQFBgcICQoLSwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHXzr1z2U6XTNsDjxziNA2";
    const GOLDEN_DERIVED: &str = "vs_AAECAwQFBgcICQoLS772f4d4KzGStDCX8St5BtLC4KIkoJHgPowb-mW1LCzQLJD41Yo-cB2m2Fs91J3c";

    // S1: 256 random bits; only prefix, key id and tag repeat.
    #[test]
    fn ten_thousand_tokens_share_only_prefix_key_id_and_tag() {
        let (ring, tag) = (ring(), UserTag::anonymous());
        let tokens: Vec<_> = (0..10_000).map(|_| SessionToken::mint(&ring, tag)).collect();
        let mut digests: Vec<_> = tokens.iter().map(|token| *token.digest().as_bytes()).collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), 10_000);
        for position in 13..RAW {
            let first = tokens[0].bytes[position];
            assert!(tokens.iter().any(|token| token.bytes[position] != first), "byte {position} never changes");
        }
    }

    #[test]
    fn a_digest_matches_only_itself() {
        let digest = TokenDigest::from_bytes(std::array::from_fn(|place| place as u8));
        assert!(digest.matches(digest.as_bytes()));
        for bit in 0..256 {
            let mut other = *digest.as_bytes();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!digest.matches(&other), "bit {bit}");
        }
        assert!(!digest.matches(&digest.as_bytes()[..31]) && !digest.matches(&[]));
    }

    #[test]
    fn every_altered_character_is_garbage() {
        let ring = ring();
        let text = SessionToken::mint(&ring, UserTag::anonymous()).expose();
        assert_eq!(text.len(), TOKEN_TEXT);
        assert!(SessionToken::parse(&ring, &text).is_some_and(|token| token.expose() == text));
        assert!(HandoffCode::parse(&ring, &text.replacen("vs_", "vh_", 1)).is_none(), "a kind must not pass for another");
        for position in 0..text.len() {
            let mut altered = text.clone().into_bytes();
            altered[position] = if altered[position] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).expect("ASCII");
            assert!(SessionToken::parse(&ring, &altered).is_none(), "character {position}");
        }
        for bad in ["", "vs_", &format!("{text}="), &format!(" {text}"), &"vs_".repeat(5_000)] {
            assert!(SessionToken::parse(&ring, bad).is_none());
        }
    }

    #[test]
    fn a_token_of_a_retired_secret_is_still_read_while_it_is_in_the_ring() {
        let old = Secret::new("the secret of last year").expect("long enough");
        let new = Secret::new("the secret of this year").expect("long enough");
        let before = KeyRing::new(std::slice::from_ref(&old), None).expect("one secret");
        let text = SessionToken::mint(&before, UserTag::anonymous()).expose();
        let during = KeyRing::new(&[new.clone(), old], None).expect("two secrets");
        assert!(SessionToken::parse(&during, &text).is_some());
        let after = KeyRing::new(&[new], None).expect("one secret");
        assert!(SessionToken::parse(&after, &text).is_none());
        assert!(!format!("{:?}", SessionToken::parse(&during, &text)).contains(&text[3..]));
    }
}
