//! The parts that this program plays when it is started again, so that what is measured has a process of its own.

use crate::{Error, load, memory, redis, reference, validate, verify};
use axum::{Router, http::StatusCode, routing::get};
use std::time::Duration;

/// Plays the part that the arguments name. What was measured goes to the standard output as numbers, see
/// [`crate::process::numbers`].
pub(crate) fn play(arguments: &[String]) -> Result<(), Error> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["bare", address] => runtime()?.block_on(bare(address)),
        ["load", address, requests, milliseconds] => {
            let time = Duration::from_millis(milliseconds.parse()?);
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(load::run(address, requests, time))
        }
        ["validate", few, many, rounds] => validate::play(few.parse()?, many.parse()?, rounds.parse()?),
        ["verify", count, rounds] => verify::play(count.parse()?, rounds.parse()?),
        ["memory", sessions] => runtime()?.block_on(memory::play(sessions.parse()?)),
        ["reference", address, redis] => runtime()?.block_on(reference::serve(address, redis)),
        ["create_redis", redis, milliseconds] => {
            runtime()?.block_on(redis::create::play(redis, Duration::from_millis(milliseconds.parse()?)))
        }
        ["create_reference", redis, milliseconds] => {
            runtime()?.block_on(reference::create(redis, Duration::from_millis(milliseconds.parse()?)))
        }
        _ => Err("there is no such part".into()),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

/// The floor of every answer over HTTP: the same framework, and nothing to do.
async fn bare(address: &str) -> Result<(), Error> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, Router::new().route("/forward-auth", get(|| async { StatusCode::NO_CONTENT }))).await?;
    Ok(())
}
