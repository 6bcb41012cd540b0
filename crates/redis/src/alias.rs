//! [`AliasStore`] on Redis: one string for each alias, gone by itself when it has expired.

use crate::{
    RedisStore,
    fault::{Call, odd},
    key::Key,
    link::bytes,
};
use futures_util::future::try_join_all;
use vestibule_core::{
    Answer,
    alias::{Alias, AliasStore},
    fault::Fault,
    id::UserTag,
    session::TokenDigest,
    time::Timestamp,
};

/// Tag (12) and expiry in milliseconds (8, little-endian).
fn pack(alias: &Alias) -> Vec<u8> {
    [&alias.tag.as_bytes()[..], &alias.expires_at.millis().to_le_bytes()].concat()
}

fn unpack(stored: &[u8]) -> Result<(UserTag, Timestamp), Fault> {
    let stored: &[u8; 20] = stored.try_into().map_err(|_| odd("a stored alias cannot be read"))?;
    let (mut tag, mut expires_at) = ([0; 12], [0; 8]);
    tag.copy_from_slice(&stored[..12]);
    expires_at.copy_from_slice(&stored[12..]);
    Ok((UserTag::from_bytes(tag), Timestamp::from_millis(u64::from_le_bytes(expires_at))))
}

impl RedisStore {
    async fn keep_alias(&self, alias: &Alias) -> Result<(), Fault> {
        let mut set = redis::cmd("SET");
        set.arg(Key::alias(&alias.digest)).arg(pack(alias)).arg("NX").arg("PXAT").arg(alias.expires_at.millis());
        self.link.send(&set, Call::Write).await.map(drop)
    }
}

impl AliasStore for RedisStore {
    fn resolve(&self, digest: TokenDigest, now: Timestamp) -> Answer<'_, Option<UserTag>> {
        Box::pin(async move {
            let mut ask = redis::cmd("GET");
            ask.arg(Key::alias(&digest));
            let stored = bytes(self.link.at(Alias::home(&digest), self.link.read(&ask)).await?)?;
            let alias = stored.map(|stored| unpack(&stored)).transpose()?;
            Ok(alias.and_then(|(tag, expires_at)| (expires_at > now).then_some(tag)))
        })
    }

    fn keep(&self, aliases: Vec<Alias>) -> Answer<'_, ()> {
        Box::pin(async move {
            let each = aliases.iter().map(|alias| self.keep_alias(alias));
            self.link.within(try_join_all(each)).await.map(drop)
        })
    }
}
