//! What the tests of all crates share; never part of a release.
//!
//! [`conformance`] is the one suite that every store must pass: cases by capability, stamped on a store by
//! [`session_conformance!`]. [`model`] is a second, obvious implementation of the rules and a random walk that compares a
//! store with it. [`process`] starts real programs: the server as a user starts it, nginx, and a client that shows and sends
//! bytes as they are. [`load`] has many callers work through servers and holds these to what they acknowledged. [`sample`] is a
//! plain session.
//!
//! Failing loudly is the purpose of this crate, so its functions panic where a test would.

pub mod bounds;
pub mod conformance;
pub mod load;
pub mod model;
pub mod process;
pub mod sample;
