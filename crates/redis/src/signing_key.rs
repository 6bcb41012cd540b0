//! [`SigningKeyStore`] on Redis: one string without TTL.

use crate::{
    RedisStore,
    fault::odd,
    key::{FIRST_HOME, Key},
    link::{bytes, integer},
};
use vestibule_core::{
    Answer,
    fault::Fault,
    token::signing::{KeyDocument, ReplaceKeysOutcome, SigningKeyStore},
};

/// Version (8, little-endian), then the document.
fn pack(document: &KeyDocument) -> Vec<u8> {
    [&document.version.to_le_bytes()[..], &document.bytes].concat()
}

fn unpack(stored: &[u8]) -> Result<KeyDocument, Fault> {
    let (version, bytes) = stored.split_first_chunk().ok_or_else(|| odd("the stored signing keys cannot be read"))?;
    Ok(KeyDocument { version: u64::from_le_bytes(*version), bytes: bytes.to_vec() })
}

impl SigningKeyStore for RedisStore {
    fn signing_keys(&self) -> Answer<'_, Option<KeyDocument>> {
        Box::pin(async move {
            let mut ask = redis::cmd("GET");
            ask.arg(Key::signing_keys());
            let stored = bytes(self.link.at(FIRST_HOME, self.link.read(&ask)).await?)?;
            stored.map(|stored| unpack(&stored)).transpose()
        })
    }

    fn replace_signing_keys(&self, document: KeyDocument) -> Answer<'_, ReplaceKeysOutcome> {
        Box::pin(async move {
            let before = document.version.saturating_sub(1);
            let expected = if before == 0 { Vec::new() } else { before.to_le_bytes().to_vec() };
            let (keys, arguments) = ([Key::signing_keys()], [expected, pack(&document)]);
            let answer = self.link.at(FIRST_HOME, self.link.run(&self.scripts.replace_document, &keys, &arguments)).await?;
            Ok(match integer(&answer)? {
                0 => ReplaceKeysOutcome::Conflict,
                _ => ReplaceKeysOutcome::Replaced,
            })
        })
    }
}
