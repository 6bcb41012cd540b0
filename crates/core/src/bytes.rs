//! Values as bytes: little-endian numbers, LEB128 lengths, UTF-8. What stores keep packed is made of these.

use crate::{bounds, time::Timestamp};

/// The bytes are nothing that a version of this program has packed which this one knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored value cannot be read")]
pub struct UnpackError;

/// Appends values.
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn u48(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes()[..6]);
    }

    pub(crate) fn varint(&mut self, mut value: usize) {
        while value > 0x7f {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.varint(text.len());
        self.bytes(text.as_bytes());
    }

    pub(crate) fn list(&mut self, items: &[Box<str>]) {
        self.varint(items.len());
        for item in items {
            self.text(item);
        }
    }
}

/// Takes values from the front; every shortage is an [`UnpackError`].
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], UnpackError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(UnpackError)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], UnpackError> {
        self.take(N)?.try_into().map_err(|_| UnpackError)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, UnpackError> {
        Ok(self.take(1)?[0])
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, UnpackError> {
        let mut wide = [0; 8];
        wide[..6].copy_from_slice(self.take(6)?);
        Ok(Timestamp::from_millis(u64::from_le_bytes(wide)))
    }

    pub(crate) fn varint(&mut self) -> Result<usize, UnpackError> {
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

    pub(crate) fn text(&mut self) -> Result<&'a str, UnpackError> {
        let length = self.varint()?;
        std::str::from_utf8(self.take(length)?).map_err(|_| UnpackError)
    }

    pub(crate) fn optional<T: From<&'a str>>(&mut self) -> Result<Option<T>, UnpackError> {
        let text = self.text()?;
        Ok((!text.is_empty()).then(|| text.into()))
    }

    pub(crate) fn list(&mut self) -> Result<Vec<Box<str>>, UnpackError> {
        let count = self.varint()?;
        if count > bounds::LIST_ITEMS {
            return Err(UnpackError);
        }
        (0..count).map(|_| self.text().map(Into::into)).collect()
    }

    /// At most `bound` items, after their number.
    pub(crate) fn items<T>(
        &mut self,
        bound: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, UnpackError>,
    ) -> Result<Vec<T>, UnpackError> {
        let count = self.varint()?;
        if count > bound {
            return Err(UnpackError);
        }
        (0..count).map(|_| item(self)).collect()
    }
}
