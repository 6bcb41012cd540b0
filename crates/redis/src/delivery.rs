//! [`DeliveryStore`] on Redis: a string for each name, without TTL.

use crate::{
    RedisStore,
    fault::odd,
    key::{FIRST_HOME, Key},
    link::{bytes, integer},
};
use vestibule_core::{
    Answer,
    event::{DeliveryDocument, DeliveryStore},
    fault::Fault,
};

/// Version (8, little-endian), then the document.
fn pack(document: &DeliveryDocument) -> Vec<u8> {
    [&document.version.to_le_bytes()[..], &document.bytes].concat()
}

fn unpack(stored: &[u8]) -> Result<DeliveryDocument, Fault> {
    let (version, bytes) = stored.split_first_chunk().ok_or_else(|| odd("a stored delivery cannot be read"))?;
    Ok(DeliveryDocument { version: u64::from_le_bytes(*version), bytes: bytes.to_vec() })
}

impl DeliveryStore for RedisStore {
    fn delivery(&self, name: &str) -> Answer<'_, Option<DeliveryDocument>> {
        let key = Key::delivery(name);
        Box::pin(async move {
            let ask = redis::cmd("GET").arg(key).take();
            let stored = bytes(self.link.at(FIRST_HOME, self.link.read(&ask)).await?)?;
            stored.map(|stored| unpack(&stored)).transpose()
        })
    }

    fn replace_delivery(&self, name: &str, document: DeliveryDocument) -> Answer<'_, bool> {
        let key = Key::delivery(name);
        Box::pin(async move {
            let before = document.version.saturating_sub(1);
            let expected = if before == 0 { Vec::new() } else { before.to_le_bytes().to_vec() };
            let (keys, arguments) = ([key], [expected, pack(&document)]);
            let replace = self.link.run(&self.scripts.replace_document, &keys, &arguments);
            Ok(integer(&self.link.at(FIRST_HOME, replace).await?)? == 1)
        })
    }
}
