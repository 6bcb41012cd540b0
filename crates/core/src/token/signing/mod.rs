//! The keys behind access tokens: how one signs, which of them signs when, and how all nodes of a deployment come to hold the same.
//!
//! A key is *published* first, for [`SigningConfig::publish_before_ms`], so that every node and every verifier that caches the
//! [key set](jwks) knows it before a token needs it; then it *signs*, until the next key does; then it is *retired* and still
//! verifies until the last token that it signed has expired; then it is *removed*. These states are not stored. They follow from
//! times alone ([`ring`]), so that no node has to do anything at the right moment.
//!
//! Deliberately absent: a schedule. A rotation is asked for, by an operator or a cron job.

mod algorithm;
mod document;
pub mod jwks;
mod key_pair;
mod keys;
mod port;
pub mod ring;

pub use algorithm::Algorithm;
pub use jwks::Jwks;
pub use key_pair::{KeyPairError, SigningKeyPair, VerifyingKey};
pub use keys::{RotateKeysOutcome, SigningConfig, SigningKeys};
pub use port::{KeyDocument, ReplaceKeysOutcome, SigningKeyStore};
pub use ring::{HeldKey, SigningRing};
