//! The store on a real server.

mod access;
mod bus;
mod cluster;
mod conformance;
mod counts;
mod end_all;
mod faults;
mod inspect;
mod limit;
mod limit_load;
mod load;
mod memory;
mod model;
mod monitor;
mod sentinel;
mod state;
mod support;
mod token;
