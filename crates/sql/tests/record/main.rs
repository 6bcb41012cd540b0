//! The record: what is true of SQLite alone, and, in a module of its own, of Postgres. What both must do is in the
//! conformance suite.

mod account;
mod batch;
mod damage;
mod file;
mod full;
mod load;
mod mark;
#[cfg(feature = "postgres")]
mod postgres;
mod scene;
