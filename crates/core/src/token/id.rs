//! The public names of access tokens and of families of refresh tokens. Knowing one gives no access.

use crate::id::{IdError, UserTag, random};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{fmt, str::FromStr};

/// Defines an id of a user's tag and 12 bytes of its own, with a prefix in its text form.
macro_rules! tagged_id {
    ($(#[$doc:meta])+ $name:ident, $prefix:literal, $wrong:literal) => {
        $(#[$doc])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            tag: UserTag,
            serial: [u8; 12],
        }

        impl $name {
            /// A fresh id for a user.
            #[must_use]
            pub fn generate(tag: UserTag) -> Self {
                Self { tag, serial: random() }
            }

            /// An id from its parts.
            #[must_use]
            pub const fn from_parts(tag: UserTag, serial: [u8; 12]) -> Self {
                Self { tag, serial }
            }

            /// The user's tag.
            #[must_use]
            pub const fn tag(&self) -> UserTag {
                self.tag
            }

            /// What tells it from others of the same user.
            #[must_use]
            pub const fn serial(&self) -> &[u8; 12] {
                &self.serial
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                const WRONG: IdError = IdError($wrong);
                let encoded = text.strip_prefix($prefix).ok_or(WRONG)?;
                let mut bytes = [0; 24];
                if encoded.len() != 32 || URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes) != Ok(24) {
                    return Err(WRONG);
                }
                let (mut tag, mut serial) = ([0; 12], [0; 12]);
                tag.copy_from_slice(&bytes[..12]);
                serial.copy_from_slice(&bytes[12..]);
                Ok(Self { tag: UserTag::from_bytes(tag), serial })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let bytes = [&self.tag.as_bytes()[..], &self.serial].concat();
                write!(f, "{}{}", $prefix, URL_SAFE_NO_PAD.encode(bytes))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

tagged_id! {
    /// `jti` of an access token: 32 characters of base64url (user tag, then 12 random bytes). The tag leads to whoever has to say
    /// that the token is revoked.
    TokenId, "", "a token id is 32 characters of base64url"
}

tagged_id! {
    /// The name of a family: a refresh token with all its successors. `fam_` and 32 characters of base64url.
    FamilyId, "fam_", "a family id is fam_ and 32 characters of base64url"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_survive_their_text_and_nothing_else_is_one() {
        let (id, family) = (TokenId::generate(UserTag::anonymous()), FamilyId::generate(UserTag::anonymous()));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(family.to_string().parse(), Ok(family));
        for bad in ["", "fam_", &family.to_string(), &format!("{id}="), &format!("{id}A"), &"'".repeat(32)] {
            assert!(bad.parse::<TokenId>().is_err(), "{bad}");
        }
        assert!(id.to_string().parse::<FamilyId>().is_err());
    }
}
