//! CSRF tokens: HMAC of session id and rotation counter, so that they need no storage, die with a rotation and never serve
//! another session (OWASP CSRF Prevention Cheat Sheet, signed double-submit bound to the session).

use crate::{id::SessionId, secret::KeyRing};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

const RAW: usize = 24;

/// The CSRF token of a session between two rotations: 32 characters of base64url.
#[must_use]
pub fn csrf_token(ring: &KeyRing, session: SessionId, rotation: u32) -> String {
    let mac = ring.current().csrf.sign(&[&session.to_bytes(), &rotation.to_be_bytes()]);
    URL_SAFE_NO_PAD.encode(&mac[..RAW])
}

/// Whether `given` is the CSRF token of this session and rotation, under any secret of the ring. Constant time.
#[must_use]
pub fn csrf_matches(ring: &KeyRing, session: SessionId, rotation: u32, given: &str) -> bool {
    let mut raw = [0; RAW];
    if given.len() != RAW / 3 * 4 || URL_SAFE_NO_PAD.decode_slice(given, &mut raw) != Ok(RAW) {
        return false;
    }
    ring.keys().any(|keys| keys.csrf.verify(&[&session.to_bytes(), &rotation.to_be_bytes()], &raw))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::UserTag, secret::Secret};

    // S34: a token of another session or from before a rotation is refused.
    #[test]
    fn a_csrf_token_serves_one_session_between_two_rotations() {
        let secret = Secret::new("a secret for a test of CSRF").expect("long enough");
        let ring = KeyRing::new(&[secret], None).expect("one secret");
        let (mine, other) = (SessionId::generate(UserTag::anonymous()), SessionId::generate(UserTag::anonymous()));
        let token = csrf_token(&ring, mine, 3);
        assert!(csrf_matches(&ring, mine, 3, &token));
        assert!(!csrf_matches(&ring, mine, 4, &token));
        assert!(!csrf_matches(&ring, other, 3, &token));
        for bad in ["", "x", &token[1..], &format!("{token}="), &"A".repeat(32)] {
            assert!(!csrf_matches(&ring, mine, 3, bad));
        }
    }
}
