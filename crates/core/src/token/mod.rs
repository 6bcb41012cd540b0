//! Access tokens, refresh tokens, and the keys behind them.

pub mod claims;
mod id;
mod json;
pub mod jwt;
pub mod signing;

#[cfg(test)]
mod attacks;

pub use claims::AccessClaims;
pub use id::{FamilyId, TokenId};
