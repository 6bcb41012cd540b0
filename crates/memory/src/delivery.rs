//! [`DeliveryStore`] in process: gone with it, like the events.

use crate::MemoryStore;
use vestibule_core::{
    Answer,
    event::{DeliveryDocument, DeliveryStore},
};

impl DeliveryStore for MemoryStore {
    fn delivery(&self, name: &str) -> Answer<'_, Option<DeliveryDocument>> {
        let found = self.deliveries.lock().get(name).cloned();
        Box::pin(async move { Ok(found) })
    }

    fn replace_delivery(&self, name: &str, document: DeliveryDocument) -> Answer<'_, bool> {
        let mut kept = self.deliveries.lock();
        let is_next = kept.get(name).map_or(0, |kept| kept.version) + 1 == document.version;
        if is_next {
            kept.insert(name.into(), document);
        }
        Box::pin(async move { Ok(is_next) })
    }
}
