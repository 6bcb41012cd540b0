//! Sessions over HTTP: cookies, client addresses, CSRF origins, proxy metadata, bodies of JSON and forms, and problems.
//!
//! Everything here reads or writes HTTP and decides nothing about a session: the rules are in the core. The readers borrow
//! from the request's headers and do not allocate in the usual case, because they run in front of every request.
//!
//! Deliberately absent: sockets, routing, configuration files, clocks, and any knowledge of a store.

pub mod bearer_layer;
pub mod bounds;
pub mod client_address;
pub mod cookie;
mod credential;
pub mod form;
pub mod forward_auth;
pub mod headers;
pub mod json;
pub mod origin;
pub mod problem;
pub mod proxy;
pub mod rate_limit;
pub mod request_id;
pub mod requirements;
pub mod return_to;
pub mod session_layer;
pub mod token_header;
mod urlencoded;
