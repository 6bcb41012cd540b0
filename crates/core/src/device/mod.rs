//! Devices: those that a user has been seen with, and those that a user trusts.
//!
//! What a caller tells of a device ([`crate::session::Device`]) is a label and proves nothing. A *trusted* device proves itself
//! with a secret of its own, the [`DeviceToken`]: presented at a login it says that the second factor was done on this device
//! before, so that the application need not ask for it again. That is all it says. It stands for no password, begins no session,
//! and leaves a session without its second factor: `amr` gains [`TRUSTED`], `mfa` stays false.
//!
//! A device is *known* once a login named it. The first login of each tells `device.new`, and one with another fingerprint
//! tells `device.changed`. Both are signals; nothing is refused for them.
//!
//! [`model`] is what is kept, inside the user's aggregate; [`command`] what can be asked; [`transition`] the rules; [`port`] the
//! trait of the stores; [`service`] what applications call.

pub mod command;
pub mod model;
pub(crate) mod packed;
pub mod port;
pub mod service;
pub mod transition;

pub use model::{DeviceId, DeviceToken, EndedTrust, KeptDevices, KnownDevice, Presented, Refusal, TrustEnd, TrustedDevice};
pub use port::DeviceStore;
pub use service::Devices;

/// The authentication method of a session that began on a trusted device. RFC 8176 has no name for it.
pub const TRUSTED: &str = "trusted_device";
