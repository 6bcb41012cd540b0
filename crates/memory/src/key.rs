//! [`KeyStore`] in process.

use crate::MemoryStore;
use vestibule_core::{
    Answer, bounds,
    event::Event,
    key::{InsertKeyOutcome, KeyRecord, KeyStore},
};

impl KeyStore for MemoryStore {
    fn insert(&self, key: KeyRecord, event: Event) -> Answer<'_, InsertKeyOutcome> {
        Box::pin(async move {
            let mut keys = self.keys.lock();
            if keys.len() >= bounds::KEYS {
                return Ok(InsertKeyOutcome::Full);
            }
            keys.push(key);
            self.append_event(&event);
            Ok(InsertKeyOutcome::Inserted)
        })
    }

    fn list(&self) -> Answer<'_, Vec<KeyRecord>> {
        Box::pin(async move { Ok(self.keys.lock().clone()) })
    }

    fn delete(&self, id: Box<str>, event: Event) -> Answer<'_, bool> {
        Box::pin(async move {
            let mut keys = self.keys.lock();
            let before = keys.len();
            keys.retain(|key| key.id != id);
            let deleted = keys.len() < before;
            if deleted {
                self.append_event(&event);
            }
            Ok(deleted)
        })
    }
}
