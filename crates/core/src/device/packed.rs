//! A user's devices as bytes: a part of the packed extras of a user. `docs/keyspace.md` has the layout.

use super::model::{DeviceId, EndedTrust, KeptDevices, KnownDevice, TrustEnd, TrustedDevice};
use crate::{
    bounds,
    bytes::{Reader, UnpackError, Writer},
    id::UserTag,
    session::TokenDigest,
};

impl KeptDevices {
    /// Appends the packed form; nothing where nothing is kept.
    pub(crate) fn pack(&self, out: &mut Writer) {
        if *self == Self::default() {
            return;
        }
        out.varint(self.trusted.len());
        for device in &self.trusted {
            out.bytes(device.id.serial());
            out.bytes(device.digest.as_bytes());
            for field in [&device.label.id, &device.label.fingerprint, &device.label.name, &device.label.kind] {
                out.text(field.as_deref().unwrap_or_default());
            }
            out.u48(device.trusted_at.millis());
            out.u48(device.expires_at.millis());
            out.u48(device.last_used_at.millis());
        }
        out.varint(self.ended.len());
        for ended in &self.ended {
            out.bytes(ended.digest.as_bytes());
            out.bytes(&[ended.reason as u8]);
            out.u48(ended.until.millis());
        }
        out.varint(self.known.len());
        for known in &self.known {
            out.bytes(&known.key);
            out.bytes(&[u8::from(known.fingerprint.is_some())]);
            out.bytes(known.fingerprint.as_ref().map_or(&[], |fingerprint| fingerprint));
            out.u48(known.last_seen_at.millis());
        }
    }

    /// The inverse of [`Self::pack`].
    pub(crate) fn unpack(tag: UserTag, reader: &mut Reader<'_>) -> Result<Self, UnpackError> {
        let trusted = (0..count(reader, bounds::TRUSTED_DEVICES)?).map(|_| trusted(tag, reader)).collect::<Result<_, _>>()?;
        let ended = (0..count(reader, bounds::ENDED_TRUSTS)?).map(|_| ended(reader)).collect::<Result<_, _>>()?;
        let known = (0..count(reader, bounds::KNOWN_DEVICES)?).map(|_| known(reader)).collect::<Result<_, _>>()?;
        Ok(Self { trusted, ended, known })
    }
}

fn count(reader: &mut Reader<'_>, bound: usize) -> Result<usize, UnpackError> {
    let count = reader.varint()?;
    if count > bound { Err(UnpackError) } else { Ok(count) }
}

fn trusted(tag: UserTag, reader: &mut Reader<'_>) -> Result<TrustedDevice, UnpackError> {
    Ok(TrustedDevice {
        id: DeviceId::from_parts(tag, reader.array()?),
        digest: TokenDigest::from_bytes(reader.array()?),
        label: reader.device()?,
        trusted_at: reader.time()?,
        expires_at: reader.time()?,
        last_used_at: reader.time()?,
    })
}

fn ended(reader: &mut Reader<'_>) -> Result<EndedTrust, UnpackError> {
    Ok(EndedTrust {
        digest: TokenDigest::from_bytes(reader.array()?),
        reason: TrustEnd::from_byte(reader.byte()?).ok_or(UnpackError)?,
        until: reader.time()?,
    })
}

fn known(reader: &mut Reader<'_>) -> Result<KnownDevice, UnpackError> {
    let key = reader.array()?;
    let fingerprint = if reader.byte()? != 0 { Some(reader.array()?) } else { None };
    Ok(KnownDevice { key, fingerprint, last_seen_at: reader.time()? })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{session::Device, time::Timestamp};

    const TAG: UserTag = UserTag::from_bytes([2; 12]);

    pub(crate) fn kept(tag: UserTag) -> KeptDevices {
        let label = Device { id: Some("phone-1".into()), name: Some("Ada's phone".into()), ..Device::default() };
        let at = Timestamp::from_millis;
        let trusted = TrustedDevice {
            id: DeviceId::from_parts(tag, [3; 12]),
            digest: TokenDigest::from_bytes([4; 32]),
            label: label.clone(),
            trusted_at: at(1_000),
            expires_at: at(9_000),
            last_used_at: Timestamp::ZERO,
        };
        let ended =
            EndedTrust { digest: TokenDigest::from_bytes([5; 32]), reason: TrustEnd::PasswordChanged, until: at(7_000) };
        let seen = Device { fingerprint: Some("f".into()), ..label };
        let known = [Device::default(), seen].iter().filter_map(|label| KnownDevice::of(label, at(5_000))).collect();
        KeptDevices { trusted: vec![trusted], ended: vec![ended], known }
    }

    #[test]
    fn devices_survive_their_bytes_and_a_shortage_is_an_error() {
        let mut out = Writer(Vec::new());
        kept(TAG).pack(&mut out);
        let mut reader = Reader(&out.0);
        assert_eq!(KeptDevices::unpack(TAG, &mut reader), Ok(kept(TAG)));
        assert!(reader.0.is_empty());
        for length in 0..out.0.len() {
            assert_eq!(KeptDevices::unpack(TAG, &mut Reader(&out.0[..length])), Err(UnpackError), "{length}");
        }
    }

    #[test]
    fn what_is_over_goes_and_the_rest_says_how_long_it_is_kept() {
        let mut kept = kept(TAG);
        let last = kept.keep_until();
        assert!(!kept.expire(Timestamp::from_millis(6_999)));
        assert!(kept.expire(Timestamp::from_millis(7_000)) && kept.ended.is_empty() && kept.trusted.len() == 1);
        kept.expire(last.minus_ms(1));
        assert_ne!(kept, KeptDevices::default(), "something is kept until the last moment");
        assert!(kept.expire(last) && kept == KeptDevices::default() && kept.keep_until() == Timestamp::ZERO);
    }
}
