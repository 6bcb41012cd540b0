//! [`AliasStore`] in process.

use crate::MemoryStore;
use std::collections::{HashMap, hash_map::Entry};
use vestibule_core::{
    Answer,
    alias::{Alias, AliasStore},
    bounds::MEMORY_ALIASES,
    fault::Fault,
    id::UserTag,
    session::TokenDigest,
    time::Timestamp,
};

/// Milliseconds between two sweeps: each looks at every alias.
const SWEEP_MS: u64 = 60_000;

/// Aliases by digest.
#[derive(Debug, Default)]
pub(crate) struct Aliases {
    by_digest: HashMap<TokenDigest, Alias>,
    wake_at: Timestamp,
}

impl AliasStore for MemoryStore {
    fn resolve(&self, digest: TokenDigest, now: Timestamp) -> Answer<'_, Option<UserTag>> {
        Box::pin(async move {
            let kept = self.aliases.read();
            Ok(kept.by_digest.get(&digest).filter(|alias| alias.expires_at > now).map(|alias| alias.tag))
        })
    }

    fn keep(&self, aliases: Vec<Alias>) -> Answer<'_, ()> {
        Box::pin(async move {
            let mut kept = self.aliases.write();
            for alias in aliases {
                let is_full = kept.by_digest.len() >= MEMORY_ALIASES;
                match kept.by_digest.entry(alias.digest) {
                    Entry::Occupied(_) => {}
                    Entry::Vacant(_) if is_full => {
                        return Err(Fault::Unavailable("the memory store keeps a million imported tokens at most".into()));
                    }
                    Entry::Vacant(free) => {
                        free.insert(alias);
                    }
                }
            }
            Ok(())
        })
    }
}

impl MemoryStore {
    /// Drops what has expired, some time after it has.
    pub(crate) fn forget_aliases(&self, now: Timestamp) {
        if now < self.aliases.read().wake_at {
            return;
        }
        let mut kept = self.aliases.write();
        kept.by_digest.retain(|_, alias| alias.expires_at > now);
        kept.by_digest.shrink_to_fit();
        kept.wake_at = now.plus_ms(SWEEP_MS);
    }
}
