//! Sessions: who is logged in, from where, until when, and with which rights.
//!
//! [`token`] is the secret a client holds, [`packed`] the stored form, [`command`] what can be asked of a store,
//! [`transition`] the rules ([`unseen`]: one of them for stores that do not look), [`port`] the trait that stores implement,
//! [`service`] what applications call. Policies are in
//! [`policy`], CSRF tokens in [`csrf`], tokens of other systems in [`legacy`], the comparison of addresses and agents in [`binding`].

pub mod binding;
pub mod command;
pub mod csrf;
pub mod legacy;
pub mod model;
pub mod packed;
pub mod policy;
pub mod port;
pub mod service;
pub mod token;
pub mod transition;
pub mod unseen;

pub use legacy::LegacyToken;
pub use model::{Activity, Actor, Device, EndReason, Ended, IMPORTED, Previous, Rotation, Session, SessionKind};
pub use packed::PackedSession;
pub use policy::{BindingMode, CapPolicy, Policies, Profile};
pub use port::{SessionStore, WalkPlace, WalkStep};
pub use service::Sessions;
pub use token::{HandoffCode, SessionToken, TokenDigest};
