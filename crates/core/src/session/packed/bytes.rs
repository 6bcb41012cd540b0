//! Values as bytes: little-endian numbers, LEB128 lengths, UTF-8.

use super::{Binding, UnpackError, flag};
use crate::{
    bounds,
    id::{SessionId, UserId},
    session::{
        model::{Activity, Actor, Device, Previous, Rotation},
        token::TokenDigest,
    },
    time::Timestamp,
};
use std::net::IpAddr;

/// Appends values.
pub(super) struct Writer(pub(super) Vec<u8>);

impl Writer {
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(super) fn u48(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes()[..6]);
    }

    pub(super) fn varint(&mut self, mut value: usize) {
        while value > 0x7f {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.varint(text.len());
        self.bytes(text.as_bytes());
    }

    pub(super) fn list(&mut self, items: &[Box<str>]) {
        self.varint(items.len());
        for item in items {
            self.text(item);
        }
    }

    pub(super) fn address(&mut self, ip: Option<IpAddr>) {
        match ip {
            None => self.bytes(&[0]),
            Some(IpAddr::V4(v4)) => {
                self.bytes(&[4]);
                self.bytes(&v4.octets());
            }
            Some(IpAddr::V6(v6)) => {
                self.bytes(&[16]);
                self.bytes(&v6.octets());
            }
        }
    }
}

/// Takes values from the front; every shortage is an [`UnpackError`].
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], UnpackError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(UnpackError)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], UnpackError> {
        self.take(N)?.try_into().map_err(|_| UnpackError)
    }

    pub(super) fn byte(&mut self) -> Result<u8, UnpackError> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn time(&mut self) -> Result<Timestamp, UnpackError> {
        let mut wide = [0; 8];
        wide[..6].copy_from_slice(self.take(6)?);
        Ok(Timestamp::from_millis(u64::from_le_bytes(wide)))
    }

    pub(super) fn varint(&mut self) -> Result<usize, UnpackError> {
        let mut value = 0_usize;
        for shift in [0, 7, 14, 21] {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(UnpackError)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, UnpackError> {
        let length = self.varint()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| UnpackError)
    }

    pub(super) fn optional<T: From<&'a str>>(&mut self) -> Result<Option<T>, UnpackError> {
        let text = self.text()?;
        Ok((!text.is_empty()).then(|| text.into()))
    }

    /// Reads from the beginning up to the agent.
    pub(super) fn binding(&mut self, flags: u8) -> Result<Binding<'a>, UnpackError> {
        self.skip_text()?;
        self.skip_list()?;
        if flags & flag::PREVIOUS != 0 {
            self.take(32 + 6 + 1 + 6 + 6)?;
            self.skip_list()?;
        }
        self.take(if flags & flag::ROTATION != 0 { 12 } else { 0 })?;
        self.take(if flags & flag::PARENT != 0 { 12 } else { 0 })?;
        self.skip_list()?;
        self.skip_list()?;
        Ok(Binding { profile: self.text()?, ip: self.address()?, user_agent: self.text()? })
    }

    /// Passes from the beginning to the sealed payload.
    pub(super) fn skip_to_data(&mut self, flags: u8) -> Result<(), UnpackError> {
        self.binding(flags)?;
        for _device_and_label in 0..5 {
            self.skip_text()?;
        }
        if flags & flag::ACTOR != 0 {
            self.actor()?;
        }
        for _ in 0..self.varint()? {
            self.time()?;
            self.skip_text()?;
        }
        Ok(())
    }

    /// Passes over a text. Whether it is UTF-8 was seen when the session was taken over: every request passes here.
    fn skip_text(&mut self) -> Result<(), UnpackError> {
        let length = self.varint()?;
        self.take(length)?;
        Ok(())
    }

    fn skip_list(&mut self) -> Result<(), UnpackError> {
        for _ in 0..self.varint()? {
            self.skip_text()?;
        }
        Ok(())
    }

    pub(super) fn list(&mut self) -> Result<Vec<Box<str>>, UnpackError> {
        let count = self.varint()?;
        if count > bounds::LIST_ITEMS {
            return Err(UnpackError);
        }
        (0..count).map(|_| self.text().map(Into::into)).collect()
    }

    pub(super) fn address(&mut self) -> Result<Option<IpAddr>, UnpackError> {
        Ok(match self.byte()? {
            0 => None,
            4 => Some(IpAddr::from(self.array::<4>()?)),
            16 => Some(IpAddr::from(self.array::<16>()?)),
            _ => return Err(UnpackError),
        })
    }

    pub(super) fn previous(&mut self) -> Result<Previous, UnpackError> {
        Ok(Previous {
            digest: TokenDigest::from_bytes(self.array()?),
            until: self.time()?,
            mfa: self.byte()? != 0,
            mfa_at: self.time()?,
            auth_time: self.time()?,
            amr: self.list()?,
        })
    }

    pub(super) fn rotation(&mut self) -> Result<Rotation, UnpackError> {
        Ok(Rotation { nonce: self.array()?, revision: u32::from_le_bytes(self.array()?) })
    }

    pub(super) fn device(&mut self) -> Result<Device, UnpackError> {
        Ok(Device { id: self.optional()?, fingerprint: self.optional()?, name: self.optional()?, kind: self.optional()? })
    }

    pub(super) fn actor(&mut self) -> Result<Actor, UnpackError> {
        let user_id = UserId::new(self.text()?).map_err(|_| UnpackError)?;
        let session_id = match self.byte()? {
            0 => None,
            _ => Some(SessionId::from_bytes(&self.array()?)),
        };
        Ok(Actor { user_id, session_id })
    }

    pub(super) fn trail(&mut self) -> Result<Vec<Activity>, UnpackError> {
        let count = self.varint()?;
        if count > bounds::ACTIVITY_TRAIL {
            return Err(UnpackError);
        }
        (0..count).map(|_| Ok(Activity { at: self.time()?, activity: self.text()?.into() })).collect()
    }

    pub(super) fn rest(&mut self) -> Result<Box<[u8]>, UnpackError> {
        if self.0.len() > bounds::SEALED_BYTES { Err(UnpackError) } else { Ok(self.0.into()) }
    }
}
