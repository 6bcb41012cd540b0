//! The signed deny-list: for verifiers outside, which check signatures by the key set and cannot hear what is revoked.

use super::Tokens;
use crate::{
    fault::Fault,
    token::{Denied, FamilyId, TokenId, jwt},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

/// How long a deny-list may be used, in seconds: whoever has an older one knows too little.
pub const DENY_LIST_LIFE: u64 = 60;

impl Tokens {
    /// What must not be believed, as a JWS of `typ: deny-list+jwt`:
    ///
    /// * `entries`: `{jti, exp}`, one access token;
    /// * `families`: `{fam, exp}`, all with this `fam`;
    /// * `users`: `{tag, ver, exp}`, all whose `jti` begins with this tag and whose `ver` is less.
    ///
    /// An entry stays until `exp`, when the tokens that it is about are over by themselves.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] while this node does not know for certain what was revoked.
    pub fn signed_deny_list(&self) -> Result<String, Fault> {
        if !self.deny_list.is_ready() {
            return Err(Fault::Unavailable("this node does not know for certain which access tokens were revoked".into()));
        }
        let now = self.now();
        let (mut entries, mut families, mut users) = (Vec::new(), Vec::new(), Vec::new());
        for denial in self.deny_list.all() {
            let (tag, exp) = (denial.tag, denial.until.millis().div_ceil(1_000));
            match denial.what {
                Denied::Token(serial) => entries.push(json!({"jti": TokenId::from_parts(tag, serial), "exp": exp})),
                Denied::Family(serial) => families.push(json!({"fam": FamilyId::from_parts(tag, serial), "exp": exp})),
                Denied::Before(epoch) => {
                    users.push(json!({"tag": URL_SAFE_NO_PAD.encode(tag.as_bytes()), "ver": epoch, "exp": exp}));
                }
            }
        }
        let issued_at = now.millis() / 1_000;
        let mut payload = Map::new();
        payload.insert("iss".to_owned(), self.policy.issuer.as_ref().into());
        payload.insert("iat".to_owned(), issued_at.into());
        payload.insert("exp".to_owned(), (issued_at + DENY_LIST_LIFE).into());
        for (name, list) in [("entries", entries), ("families", families), ("users", users)] {
            payload.insert(name.to_owned(), Value::Array(list));
        }
        let ring = self.keys.ring();
        let signer = ring.signer(now).ok_or_else(|| Fault::Corrupt("there is no signing key".into()))?;
        Ok(jwt::sign(&signer.pair, jwt::DENY_LIST, &payload))
    }
}
