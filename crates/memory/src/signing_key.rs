//! [`SigningKeyStore`] in process: keys of their own for each start.

use crate::MemoryStore;
use vestibule_core::{
    Answer,
    token::signing::{KeyDocument, ReplaceKeysOutcome, SigningKeyStore},
};

impl SigningKeyStore for MemoryStore {
    fn signing_keys(&self) -> Answer<'_, Option<KeyDocument>> {
        Box::pin(async move { Ok(self.signing_keys.lock().clone()) })
    }

    fn replace_signing_keys(&self, document: KeyDocument) -> Answer<'_, ReplaceKeysOutcome> {
        Box::pin(async move {
            let mut kept = self.signing_keys.lock();
            if kept.as_ref().map_or(0, |kept| kept.version) + 1 != document.version {
                return Ok(ReplaceKeysOutcome::Conflict);
            }
            *kept = Some(document);
            Ok(ReplaceKeysOutcome::Replaced)
        })
    }
}
