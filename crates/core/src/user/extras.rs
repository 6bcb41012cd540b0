//! What a user may have besides sessions: token families, devices and the like. Most users have none of it.
//!
//! Stores keep it as one value that they do not look into:
//!
//! ```text
//! version=1 | for each part that has something: kind 1, length LEB128, body
//! ```
//!
//! Each part belongs to one capability, which packs it in a file of its own. A kind that is not known is refused and not skipped:
//! whoever writes the user back would drop it.

use crate::{
    bytes::{Reader, UnpackError, Writer},
    device::KeptDevices,
    id::UserTag,
    time::Timestamp,
    token,
};

const VERSION: u8 = 1;

/// Kinds of parts. A byte once given is never given again.
mod kind {
    pub(super) const TOKENS: u8 = 1;
    pub(super) const DEVICES: u8 = 4;
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extras {
    /// Access tokens of the user from before this epoch are not believed.
    pub token_epoch: u32,
    /// By then every access token that the user was ever given is over.
    pub access_until: Timestamp,
    /// Access tokens that were denied one by one since there was none that could be believed, or since the epoch was raised.
    pub denied_tokens: u32,
    /// Token families, in the order in which they began; at most [`crate::bounds::FAMILIES`].
    pub families: Vec<token::Family>,
    /// Families that ended before their time.
    pub ended_families: Vec<token::EndedFamily>,
    /// Their devices.
    pub devices: KeptDevices,
}

impl Extras {
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a store that is short of memory may forget it: devices alone, since that costs their user a second factor and
    /// makes nobody believe what must not be believed.
    #[must_use]
    pub fn is_dispensable(&self) -> bool {
        let Self { token_epoch: _, access_until, denied_tokens: _, families, ended_families, devices: _ } = self;
        access_until.is_zero() && families.is_empty() && ended_families.is_empty()
    }

    /// Until when it is needed: its latest deadline.
    #[must_use]
    pub fn keep_until(&self) -> Timestamp {
        let tokens = if self.access_until.is_zero() { Timestamp::ZERO } else { self.deny_until() };
        let families = self.families.iter().map(|family| family.expires_at);
        let ended = self.ended_families.iter().map(|ended| ended.until);
        families.chain(ended).fold(tokens.max(self.devices.keep_until()), Timestamp::max)
    }

    /// Drops what is over. Returns whether anything was.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        // Both, whatever the first says.
        self.expire_tokens(now) | self.devices.expire(now)
    }

    /// Bytes of memory that it takes beside itself, about.
    #[must_use]
    pub fn memory(&self) -> usize {
        let families: usize = self.families.iter().map(token::Family::memory).sum();
        families
            + self.families.capacity() * size_of::<token::Family>()
            + self.ended_families.capacity() * size_of::<token::EndedFamily>()
            + self.devices.memory()
    }

    /// The stored bytes.
    #[must_use]
    pub fn pack(&self) -> Vec<u8> {
        let mut out = Writer(vec![VERSION]);
        part(&mut out, kind::TOKENS, |body| token::pack(self, body));
        part(&mut out, kind::DEVICES, |body| self.devices.pack(body));
        out.0
    }

    /// Reads stored bytes of this user.
    ///
    /// # Errors
    /// [`UnpackError`] for anything that [`Self::pack`] could not have made.
    pub fn unpack(tag: UserTag, bytes: &[u8]) -> Result<Self, UnpackError> {
        let mut reader = Reader(bytes);
        if reader.byte()? != VERSION {
            return Err(UnpackError);
        }
        let mut extras = Self::default();
        while !reader.0.is_empty() {
            let kind = reader.byte()?;
            let length = reader.varint()?;
            let mut body = Reader(reader.take(length)?);
            match kind {
                kind::TOKENS => token::unpack(&mut extras, tag, &mut body)?,
                kind::DEVICES => extras.devices = KeptDevices::unpack(tag, &mut body)?,
                _ => return Err(UnpackError),
            }
            if !body.0.is_empty() {
                return Err(UnpackError);
            }
        }
        Ok(extras)
    }
}

/// Writes a part, if it has a body.
fn part(out: &mut Writer, kind: u8, pack: impl FnOnce(&mut Writer)) {
    let mut body = Writer(Vec::new());
    pack(&mut body);
    if !body.0.is_empty() {
        out.bytes(&[kind]);
        out.varint(body.0.len());
        out.bytes(&body.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAG: UserTag = UserTag::from_bytes([3; 12]);

    fn full() -> Extras {
        let family = token::transition::tests::family();
        let ended =
            token::EndedFamily { serial: [9; 12], end: token::FamilyEnd::Reused, until: Timestamp::from_millis(2_000_000) };
        Extras {
            token_epoch: 7,
            access_until: Timestamp::from_millis(1_000_000),
            denied_tokens: 300,
            families: vec![family.clone(), token::Family { session: None, client_id: None, ..family }],
            ended_families: vec![ended],
            devices: crate::device::packed::tests::kept(TAG),
        }
    }

    #[test]
    fn extras_survive_packing_and_every_cut_of_them_is_refused() {
        let extras = full();
        let packed = extras.pack();
        assert_eq!(Extras::unpack(TAG, &packed), Ok(extras));
        // A cut between two parts is a shorter value that was as good as any; the stores keep the length.
        for length in 0..packed.len() {
            let cut = Extras::unpack(TAG, &packed[..length]);
            assert!(cut.is_err() || cut.is_ok_and(|cut| cut.pack() == packed[..length]), "{length}");
        }
        assert_eq!(Extras::unpack(TAG, &Extras::default().pack()), Ok(Extras::default()));
    }

    #[test]
    fn a_part_of_a_newer_version_is_refused() {
        assert_eq!(Extras::unpack(TAG, &[VERSION, 200, 0]), Err(UnpackError));
        assert_eq!(Extras::unpack(TAG, &[VERSION + 1]), Err(UnpackError));
    }

    #[test]
    fn what_is_over_goes() {
        let mut extras = full();
        extras.expire(Timestamp::from_millis(extras.keep_until().millis() - 1));
        assert!(!extras.is_empty());
        assert!(extras.expire(extras.keep_until()));
        assert!(extras.is_empty());
    }
}
