//! Parts of a session as bytes.

use super::{Binding, flag};
use crate::{
    bounds,
    bytes::{Reader, UnpackError, Writer},
    id::{SessionId, UserId},
    session::{
        model::{Activity, Actor, Device, Previous, Rotation},
        token::TokenDigest,
    },
};
use std::net::IpAddr;

impl Writer {
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

impl<'a> Reader<'a> {
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

    pub(crate) fn device(&mut self) -> Result<Device, UnpackError> {
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
