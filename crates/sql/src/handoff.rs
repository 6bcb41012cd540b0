//! The stored form of a user's hand-off codes.
//!
//! ```text
//! version=1 | for each code: digest 32 | session serial 12 | expires u48 | redeemed 0 or 1 | redeeming serial 12
//! ```
//!
//! Times are little-endian milliseconds. Serials belong to the user's own tag.

use vestibule_core::{
    id::{SessionId, UserTag},
    session::TokenDigest,
    time::Timestamp,
    user::Handoff,
};

const VERSION: u8 = 1;
const ENTRY: usize = 32 + 12 + 6 + 1 + 12;

/// Packs the codes; `None` where there are none.
pub(crate) fn pack(handoffs: Option<&[Handoff]>) -> Option<Vec<u8>> {
    let handoffs = handoffs.filter(|handoffs| !handoffs.is_empty())?;
    let mut out = Vec::with_capacity(1 + handoffs.len() * ENTRY);
    out.push(VERSION);
    for handoff in handoffs {
        out.extend_from_slice(handoff.digest.as_bytes());
        out.extend_from_slice(handoff.session.serial());
        out.extend_from_slice(&handoff.expires_at.millis().to_le_bytes()[..6]);
        out.push(u8::from(handoff.redeemed.is_some()));
        out.extend_from_slice(handoff.redeemed.as_ref().map_or(&[0; 12][..], |id| id.serial()));
    }
    Some(out)
}

/// The inverse of [`pack`]; `None` for anything that it could not have made.
pub(crate) fn unpack(bytes: &[u8], tag: UserTag) -> Option<Vec<Handoff>> {
    let entries = bytes.strip_prefix(&[VERSION])?;
    let (entries, []) = entries.as_chunks::<ENTRY>() else { return None };
    entries.iter().map(|entry| unpack_entry(entry, tag)).collect()
}

fn unpack_entry(entry: &[u8; ENTRY], tag: UserTag) -> Option<Handoff> {
    let (digest, rest) = entry.split_first_chunk::<32>()?;
    let (session, rest) = rest.split_first_chunk::<12>()?;
    let (expires, rest) = rest.split_first_chunk::<6>()?;
    let (redeemed, by) = rest.split_first_chunk::<1>()?;
    let mut wide = [0; 8];
    wide[..6].copy_from_slice(expires);
    let redeemed = match redeemed {
        [0] => None,
        [1] => Some(SessionId::from_parts(tag, by.try_into().ok()?)),
        _ => return None,
    };
    Some(Handoff {
        digest: TokenDigest::from_bytes(*digest),
        session: SessionId::from_parts(tag, *session),
        expires_at: Timestamp::from_millis(u64::from_le_bytes(wide)),
        redeemed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_packing_and_every_cut_of_them_is_refused() {
        let tag = UserTag::from_bytes([1; 12]);
        let code = |redeemed| Handoff {
            digest: TokenDigest::from_bytes([2; 32]),
            session: SessionId::from_parts(tag, [3; 12]),
            expires_at: Timestamp::from_millis(1_234_567_890_123),
            redeemed,
        };
        let codes = vec![code(None), code(Some(SessionId::from_parts(tag, [4; 12])))];
        let packed = pack(Some(&codes)).expect("there are some");
        assert_eq!(unpack(&packed, tag), Some(codes));
        for length in (0..packed.len()).filter(|length| length % ENTRY != 1) {
            assert_eq!(unpack(&packed[..length], tag), None, "{length}");
        }
        assert_eq!(pack(None), None);
        assert_eq!(pack(Some(&[])), None);
    }
}
