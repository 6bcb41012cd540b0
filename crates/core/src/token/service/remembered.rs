//! Access tokens whose signature was checked a moment ago, by their digest.
//!
//! A signature costs some 40 µs, a digest half of one, so a token that comes with each request is verified once. What is remembered
//! is that a text is authentic and what it claims; whether it is over or denied is asked each time.

use crate::{bounds, id::Home, token::AccessClaims};
use parking_lot::RwLock;
use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

type Digest = [u8; 32];
type Shard = HashMap<Digest, Arc<AccessClaims>, BuildHasherDefault<FirstBytes>>;

/// Digests are spread evenly by themselves, and nobody can choose one: any eight bytes will do.
#[derive(Default)]
struct FirstBytes(u64);

impl Hasher for FirstBytes {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some((first, _)) = bytes.split_first_chunk() {
            self.0 = u64::from_ne_bytes(*first);
        }
    }

    /// The length of an array comes first, and says nothing.
    fn write_usize(&mut self, _: usize) {}
}

/// The remembered tokens: the newer half and the older one, which is forgotten whole when the newer one is full.
pub(super) struct Remembered(Box<[RwLock<Halves>]>);

#[derive(Default)]
struct Halves {
    newer: Shard,
    older: Shard,
}

impl Default for Remembered {
    fn default() -> Self {
        Self((0..Home::COUNT).map(|_| RwLock::default()).collect())
    }
}

impl Remembered {
    pub(super) fn get(&self, digest: &Digest) -> Option<Arc<AccessClaims>> {
        let shard = self.shard(digest);
        let halves = shard.read();
        if let Some(claims) = halves.newer.get(digest) {
            return Some(claims.clone());
        }
        let claims = halves.older.get(digest).cloned()?;
        drop(halves);
        self.put(*digest, claims.clone());
        Some(claims)
    }

    pub(super) fn put(&self, digest: Digest, claims: Arc<AccessClaims>) {
        let mut halves = self.shard(&digest).write();
        if halves.newer.len() >= bounds::REMEMBERED_TOKENS / Home::COUNT / 2 {
            halves.older = std::mem::take(&mut halves.newer);
        }
        halves.newer.insert(digest, claims);
    }

    pub(super) fn forget(&self, digest: &Digest) {
        let mut halves = self.shard(digest).write();
        halves.newer.remove(digest);
        halves.older.remove(digest);
    }

    fn shard(&self, digest: &Digest) -> &RwLock<Halves> {
        // The last byte, since the first eight place it within its shard.
        &self.0[usize::from(digest[31])]
    }
}
