//! The signature of a delivery, as in Standard Webhooks 1.0: HMAC-SHA-256 over id, time and body.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// What stands before a key that is given in base64.
const PREFIX: &str = "whsec_";
/// Shortest key in bytes.
const LEAST: usize = 16;

/// The key that the receiver of a webhook has too.
#[derive(Clone)]
pub(crate) struct SigningKey(Zeroizing<Vec<u8>>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(redacted)")
    }
}

/// The secret cannot be a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("needs at least 16 bytes; behind whsec_ they are in base64")]
pub(crate) struct WrongKey;

impl SigningKey {
    /// A key from its text: behind `whsec_` in base64, else the text itself.
    ///
    /// # Errors
    /// [`WrongKey`]
    pub(crate) fn new(text: &str) -> Result<Self, WrongKey> {
        let bytes = match text.strip_prefix(PREFIX) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| WrongKey)?,
            None => text.as_bytes().to_vec(),
        };
        let bytes = Zeroizing::new(bytes);
        if bytes.len() < LEAST { Err(WrongKey) } else { Ok(Self(bytes)) }
    }

    /// The value of `webhook-signature`. `time` is in seconds since 1970.
    pub(super) fn sign(&self, id: &str, time: u64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(format!("{id}.{time}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn a_signature_is_that_of_the_standard() {
        let key = SigningKey::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key");
        let signed = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(SigningKey::new("whsec_AAAA").err(), Some(WrongKey));
        assert_eq!(format!("{key:?}"), "SigningKey(redacted)");
    }
}
