//! A second implementation of the rules, written to be obviously right, and a walk that holds a store to it.
//!
//! [`Model`] keeps plain sessions in a list per user, never frees anything, and shares no rule with the core: it uses the
//! core's types for commands and outcomes and the packed form to compare sessions whole. [`Walk`] sends the same random
//! commands to a store and to the model and compares every outcome, every event and every read.

mod commands;
mod device;
mod token;
mod users;
mod walk;

pub use users::Model;
pub use walk::Walk;
