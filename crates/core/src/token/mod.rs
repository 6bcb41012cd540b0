//! Access tokens, refresh tokens, and the keys behind them.
//!
//! An access token is signed ([`jwt`], [`signing`]) and believed without asking anybody. A refresh token belongs to a [`Family`]: the
//! tokens that descend from one another, of which one is good at a time. A family belongs to a user's aggregate, like the sessions, and is
//! decided in the same step: it begins with an access token and a refresh token, each refresh replaces both, and it ends by time, by
//! revocation, with its session, or because a refresh token was presented that had been replaced long ago, which means that two
//! parties have it.
//!
//! No store holds a secret of it. A refresh token is a MAC over family and generation ([`RefreshToken`]), so that all who refresh
//! at once, and all who repeat a refresh whose answer was lost, are given the same successor on every node.
//!
//! What must not be believed any more is a [`Denial`]: written in the step that decides it, told on the bus, and held by every node
//! ([`DenyList`]) until the tokens concerned are over by themselves.

pub mod claims;
pub mod command;
mod denial;
mod deny_list;
mod family;
mod id;
mod json;
pub mod jwt;
mod packed;
mod port;
mod refresh_token;
pub mod service;
pub mod signing;
pub mod transition;

#[cfg(test)]
mod attacks;

pub use claims::AccessClaims;
pub use denial::{Denial, DenialPlace, Denied, NewDenials};
pub use deny_list::{Believed, DenyList};
pub use family::{EndedFamily, Family, FamilyEnd};
pub use id::{FamilyId, TokenId};
pub(crate) use packed::{pack, unpack};
pub use port::TokenStore;
pub use refresh_token::RefreshToken;
