//! Public names that lead to their user: a tag and 12 bytes of their own.

/// Defines an id of a user's tag and 12 bytes, with a prefix in its text form.
macro_rules! tagged_id {
    ($(#[$doc:meta])+ $name:ident, $prefix:literal, $wrong:literal) => {
        $(#[$doc])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            tag: $crate::id::UserTag,
            serial: [u8; 12],
        }

        impl $name {
            /// A fresh id for a user.
            #[must_use]
            pub fn generate(tag: $crate::id::UserTag) -> Self {
                Self { tag, serial: $crate::id::random() }
            }

            /// An id from its parts.
            #[must_use]
            pub const fn from_parts(tag: $crate::id::UserTag, serial: [u8; 12]) -> Self {
                Self { tag, serial }
            }

            /// The user's tag.
            #[must_use]
            pub const fn tag(&self) -> $crate::id::UserTag {
                self.tag
            }

            /// What tells it from others of the same user.
            #[must_use]
            pub const fn serial(&self) -> &[u8; 12] {
                &self.serial
            }

            /// Tag and serial as 24 bytes.
            #[must_use]
            pub fn to_bytes(&self) -> [u8; 24] {
                let mut bytes = [0; 24];
                bytes[..12].copy_from_slice(self.tag.as_bytes());
                bytes[12..].copy_from_slice(&self.serial);
                bytes
            }

            /// The inverse of [`Self::to_bytes`].
            #[must_use]
            pub fn from_bytes(bytes: &[u8; 24]) -> Self {
                let (mut tag, mut serial) = ([0; 12], [0; 12]);
                tag.copy_from_slice(&bytes[..12]);
                serial.copy_from_slice(&bytes[12..]);
                Self { tag: $crate::id::UserTag::from_bytes(tag), serial }
            }

            /// The id as text in a buffer on the stack, for hot paths that must not allocate.
            #[must_use]
            pub fn to_text(&self) -> $crate::id::IdText<{ $prefix.len() + 32 }> {
                $crate::id::IdText::new($prefix, &self.to_bytes())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::id::IdError;

            fn from_str(text: &str) -> Result<Self, $crate::id::IdError> {
                let bytes = $crate::id::tagged::bytes(text, $prefix).ok_or($crate::id::IdError($wrong))?;
                Ok(Self::from_bytes(&bytes))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.to_text().as_str())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.to_text().as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use tagged_id;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

/// The ASCII characters of an id: its prefix and 32 characters of base64url.
#[derive(Clone, Copy)]
pub struct IdText<const LENGTH: usize>([u8; LENGTH]);

impl<const LENGTH: usize> IdText<LENGTH> {
    pub(crate) fn new(prefix: &str, bytes: &[u8; 24]) -> Self {
        let mut text = [0; LENGTH];
        let (head, rest) = text.split_at_mut(prefix.len());
        head.copy_from_slice(prefix.as_bytes());
        let written = URL_SAFE_NO_PAD.encode_slice(bytes, rest);
        debug_assert_eq!(written, Ok(32));
        Self(text)
    }

    /// The text.
    ///
    /// # Panics
    /// Never: prefixes and base64url are ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("prefixes and base64url are ASCII")
    }
}

/// The bytes in an id's text; `None` where it is none.
pub(crate) fn bytes(text: &str, prefix: &str) -> Option<[u8; 24]> {
    let encoded = text.strip_prefix(prefix)?;
    let mut bytes = [0; 24];
    (encoded.len() == 32 && URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes) == Ok(24)).then_some(bytes)
}
