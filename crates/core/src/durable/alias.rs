//! [`AliasStore`] over a record: what it said is remembered in process, so that whoever still holds the token of another system
//! does not reach the record with every request.

use super::Durable;
use crate::{
    Answer,
    alias::{Alias, AliasStore},
    bounds::{ALIAS_ENTRIES, NEGATIVE_TTL_MS},
    id::UserTag,
    session::TokenDigest,
    time::Timestamp,
};
use parking_lot::Mutex;
use std::collections::HashMap;

/// What the record said, and when. Where a token leads never changes, so that is believed for as long as a minute, and while the
/// record is away; that it leads nowhere for as long as any negative answer.
#[derive(Default)]
pub(super) struct Aliases(Mutex<HashMap<TokenDigest, Said>>);

type Said = (Option<UserTag>, Timestamp);

/// An alias expires without a word, so what leads somewhere is asked again after this time, in milliseconds.
const BELIEVED_MS: u64 = 60_000;

impl Aliases {
    fn get(&self, digest: &TokenDigest) -> Option<Said> {
        self.0.lock().get(digest).copied()
    }

    fn put(&self, digest: TokenDigest, tag: Option<UserTag>, now: Timestamp) {
        let mut known = self.0.lock();
        if known.len() >= ALIAS_ENTRIES {
            known.retain(|_, said| is_fresh(*said, now));
            if known.len() >= ALIAS_ENTRIES {
                known.clear();
            }
        }
        known.insert(digest, (tag, now));
    }

    fn forget(&self, aliases: &[Alias]) {
        let mut known = self.0.lock();
        for alias in aliases {
            known.remove(&alias.digest);
        }
    }
}

fn is_fresh((tag, at): Said, now: Timestamp) -> bool {
    let believed_ms = if tag.is_some() { BELIEVED_MS } else { NEGATIVE_TTL_MS };
    now >= at && now.since_ms(at) < believed_ms
}

impl AliasStore for Durable {
    fn resolve(&self, digest: TokenDigest, now: Timestamp) -> Answer<'_, Option<UserTag>> {
        self.read(async move {
            let known = self.0.aliases.get(&digest);
            if let Some(said) = known.filter(|said| is_fresh(*said, now)) {
                return Ok(said.0);
            }
            match self.0.watch(self.0.record.resolve(digest, now).await) {
                Ok(tag) => {
                    self.0.aliases.put(digest, tag, now);
                    Ok(tag)
                }
                Err(fault) => known.and_then(|(tag, _)| tag).map(Some).ok_or(fault),
            }
        })
    }

    fn keep(&self, aliases: Vec<Alias>) -> Answer<'_, ()> {
        Box::pin(async move {
            let joined = self.0.clone();
            let kept = joined.watch(joined.record.keep(aliases.clone()).await);
            // Whatever was said of them before, also that they lead nowhere, is to be asked again.
            joined.aliases.forget(&aliases);
            kept
        })
    }
}
