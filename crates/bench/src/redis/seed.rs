//! The layout that many backends begin with: a key of JSON for each session, and a set of session ids for each user.

use crate::Error;
use redis::{Commands as _, Connection};
use std::time::{Duration, Instant};
use vestibule::id::{SessionId, UserTag};

/// Seconds that a session rests before it ends.
const TTL: u64 = 3_600;
/// Users whose sessions are written in one trip.
const BATCH: usize = 256;

/// Fills a Redis with users of as many sessions each.
pub(super) fn fill(url: &str, users: usize, sessions: usize) -> Result<(), Error> {
    let mut redis = redis::Client::open(url)?.get_connection()?;
    let users: Vec<usize> = (0..users).collect();
    for batch in users.chunks(BATCH) {
        let mut writes = redis::pipe();
        batch.iter().for_each(|user| add(&mut writes, *user, sessions));
        writes.exec(&mut redis)?;
    }
    Ok(())
}

fn add(writes: &mut redis::Pipeline, user: usize, sessions: usize) {
    let set = set(user);
    for _ in 0..sessions {
        let id = id();
        writes.set_ex(format!("session:{id}"), session(user), TTL);
        writes.sadd(&set, id);
    }
    writes.expire(&set, TTL as i64);
}

fn set(user: usize) -> String {
    format!("user_sessions:{}", uuid(user as u128))
}

fn uuid(number: u128) -> String {
    let text = format!("{number:032x}");
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}

/// Random, and as long as a UUID.
fn id() -> String {
    let bytes = SessionId::generate(UserTag::anonymous()).to_bytes();
    uuid(bytes[8..24].iter().fold(0, |number, byte| number << 8 | u128::from(*byte)))
}

fn session(user: usize) -> String {
    let id = uuid(user as u128);
    let time = "2026-01-01T00:00:00.000000+00:00";
    format!(
        "{{\"user_id\": \"{id}\", \"user_data\": {{\"id\": \"{id}\", \"email\": \"user-{user}@example.com\", \
         \"username\": \"user-{user}\", \"full_name\": \"User Number {user}\", \"role\": \"user\"}}, \
         \"created_at\": \"{time}\", \"last_accessed\": \"{time}\"}}"
    )
}

/// How long listing all sessions of a user and ending them takes, a question for each session.
pub(super) fn list_and_end(url: &str, user: usize) -> Result<[Duration; 2], Error> {
    let mut redis = redis::Client::open(url)?.get_connection()?;
    let start = Instant::now();
    let listed = list(&mut redis, user)?;
    let took = start.elapsed();
    let start = Instant::now();
    for id in &listed {
        let _: () = redis.del(format!("session:{id}"))?;
    }
    let _: () = redis.del(set(user))?;
    Ok([took, start.elapsed()])
}

fn list(redis: &mut Connection, user: usize) -> Result<Vec<String>, Error> {
    let ids: Vec<String> = redis.smembers(set(user))?;
    for id in &ids {
        let text: String = redis.get(format!("session:{id}"))?;
        serde_json::from_str::<serde_json::Value>(&text)?;
    }
    Ok(ids)
}

/// Adds sessions of a user to those who are there.
pub(super) fn add_user(url: &str, user: usize, sessions: usize) -> Result<(), Error> {
    let mut writes = redis::pipe();
    add(&mut writes, user, sessions);
    Ok(writes.exec(&mut redis::Client::open(url)?.get_connection()?)?)
}
