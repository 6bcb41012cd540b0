//! [`Denial`]: access tokens that must not be believed any more.

use crate::{id::UserTag, time::Timestamp};

/// Access tokens of one user that must not be believed, until they are over by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Denial {
    /// The user.
    pub tag: UserTag,
    /// Which of their tokens.
    pub what: Denied,
    /// From then on all of them are over.
    pub until: Timestamp,
}

/// Which access tokens of a user are denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denied {
    /// The one with this serial in its id.
    Token([u8; 12]),
    /// All of the family with this serial.
    Family([u8; 12]),
    /// All from before this token epoch.
    Before(u32),
}

/// How far the denials of a store were read. Only the store that gave it understands it; the default is not at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DenialPlace(Box<[u64]>);

impl DenialPlace {
    /// A place, in whatever figures the store goes by.
    #[must_use]
    pub fn new(figures: impl Into<Box<[u64]>>) -> Self {
        Self(figures.into())
    }

    /// The figures; none where nothing was read.
    #[must_use]
    pub fn figures(&self) -> &[u64] {
        &self.0
    }
}

/// What was read of a store's denials.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewDenials {
    /// At least those from after the place that was read from; others, and the same again, do no harm.
    pub denials: Vec<Denial>,
    /// From where to go on.
    pub place: DenialPlace,
}

mod kind {
    pub(super) const TOKEN: u8 = 1;
    pub(super) const FAMILY: u8 = 2;
    pub(super) const BEFORE: u8 = 3;
}

impl Denial {
    /// What it is about, as stores keep it beside its end: kind 1, user tag 12, then a serial of 12 bytes or an epoch of 4.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (kind, rest): (u8, &[u8]) = match &self.what {
            Denied::Token(serial) => (kind::TOKEN, serial),
            Denied::Family(serial) => (kind::FAMILY, serial),
            Denied::Before(epoch) => (kind::BEFORE, &epoch.to_le_bytes()),
        };
        [&[kind], &self.tag.as_bytes()[..], rest].concat()
    }

    /// The inverse of [`Self::to_bytes`]; `None` for anything that it could not have made.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], until: Timestamp) -> Option<Self> {
        let (denial, rest) = read(bytes, until)?;
        rest.is_empty().then_some(denial)
    }

    /// Many with their ends, one after the other: end u48, then as [`Self::to_bytes`].
    #[must_use]
    pub fn pack(denials: &[Self]) -> Vec<u8> {
        let mut out = Vec::with_capacity(denials.len() * 31);
        for denial in denials {
            out.extend_from_slice(&denial.until.millis().to_le_bytes()[..6]);
            out.extend_from_slice(&denial.to_bytes());
        }
        out
    }

    /// The inverse of [`Self::pack`].
    #[must_use]
    pub fn unpack(mut bytes: &[u8]) -> Option<Vec<Self>> {
        let mut denials = Vec::new();
        while let Some((until, rest)) = bytes.split_first_chunk::<6>() {
            let mut wide = [0; 8];
            wide[..6].copy_from_slice(until);
            let (denial, rest) = read(rest, Timestamp::from_millis(u64::from_le_bytes(wide)))?;
            denials.push(denial);
            bytes = rest;
        }
        bytes.is_empty().then_some(denials)
    }
}

fn read(bytes: &[u8], until: Timestamp) -> Option<(Denial, &[u8])> {
    let (kind, bytes) = bytes.split_first()?;
    let (tag, bytes) = bytes.split_first_chunk()?;
    let (what, rest) = match *kind {
        kind::TOKEN => bytes.split_first_chunk().map(|(serial, rest)| (Denied::Token(*serial), rest))?,
        kind::FAMILY => bytes.split_first_chunk().map(|(serial, rest)| (Denied::Family(*serial), rest))?,
        kind::BEFORE => bytes.split_first_chunk().map(|(epoch, rest)| (Denied::Before(u32::from_le_bytes(*epoch)), rest))?,
        _ => return None,
    };
    Some((Denial { tag: UserTag::from_bytes(*tag), what, until }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn denials_survive_packing() {
        let (tag, until) = (UserTag::from_bytes([1; 12]), Timestamp::from_millis(1_234_567_890_123));
        let all = [Denied::Token([2; 12]), Denied::Family([3; 12]), Denied::Before(77)].map(|what| Denial { tag, what, until });
        for denial in all {
            let bytes = denial.to_bytes();
            assert_eq!(Denial::from_bytes(&bytes, until), Some(denial));
            for length in 0..bytes.len() {
                assert_eq!(Denial::from_bytes(&bytes[..length], until), None, "{length}");
            }
        }
        let packed = Denial::pack(&all);
        assert_eq!(Denial::unpack(&packed), Some(all.to_vec()));
        assert_eq!(Denial::unpack(&packed[..packed.len() - 1]), None);
        assert_eq!(Denial::from_bytes(&[9; 25], until), None);
    }
}
