//! The started binary, from outside: what a client, a browser, a proxy and an operator see.

mod api;
mod auth;
mod chaos;
mod cli;
mod cost;
mod crash;
mod device;
mod environment;
mod event;
mod import;
mod isolation;
mod limit;
mod management;
mod password;
mod plumbing;
mod postgres;
mod proxy;
mod redis;
mod token;
