//! Sessions as deployments have them: one for each user, with a role, an address, an agent and a payload of 160 bytes.

use crate::{Error, bounds};
use std::{net::IpAddr, path::Path};
use vestibule::{
    event::Origin,
    id::{UserId, UserTag},
    record::{Record as _, Request},
    secret::{KeyRing, Secret},
    session::{
        CapPolicy, Session, SessionToken,
        command::{Cap, CreateSession},
    },
    sql::{SqliteOptions, SqliteRecord},
    time::{Clock, millis},
    user::Context,
};
use vestibule_testkit::sample;

/// The secret of every deployment that is measured.
pub(crate) const SECRET: &str = "a secret for benchmarks and for nothing else";
/// The management key of every server that is measured.
pub(crate) const KEY: &str = "vk_benchmarks_0123456789abcdef0123456789";
/// The agent that has every session.
pub(crate) const AGENT: &str = "Mozilla/5.0 Firefox/140";
/// The address that has every session.
pub(crate) const ADDRESS: [u8; 4] = [203, 0, 113, 7];

/// The keys of the secret.
pub(crate) fn ring() -> Result<KeyRing, Error> {
    Ok(KeyRing::new(&[Secret::new(SECRET)?], None)?)
}

/// A payload of 160 bytes as JSON.
pub(crate) fn payload() -> String {
    format!("{{\"cart\":[17,4,42],\"locale\":\"en-GB\",\"csrf\":null,\"note\":\"{}\"}}", "x".repeat(103))
}

/// What a backend tells of a user who logs in, as JSON.
pub(crate) fn facts(user: &str) -> String {
    let payload = payload();
    format!("{{\"user_id\":\"{user}\",\"roles\":[\"member\"],\"user_agent\":\"{AGENT}\",\"data\":{payload}}}")
}

/// A new session of a user with its token.
pub(crate) fn session(ring: &KeyRing, user: usize) -> (SessionToken, Session) {
    session_of(ring, UserTag::anonymous(), user)
}

/// A new session of the user with this tag.
pub(crate) fn session_of(ring: &KeyRing, tag: UserTag, user: usize) -> (SessionToken, Session) {
    let now = Clock::system().now();
    let token = SessionToken::mint(ring, tag);
    let session = Session {
        user_id: UserId::new(format!("user-{user}")).ok(),
        digest: token.digest(),
        idle_timeout_ms: millis(bounds::IDLE),
        ip: Some(IpAddr::from(ADDRESS)),
        user_agent: Some(AGENT.into()),
        data: ring.seal(tag.as_bytes(), payload().as_bytes()).into(),
        ..sample::session(now, tag)
    };
    (token, session)
}

/// A create as the record takes it.
pub(crate) fn create(session: Session) -> Request {
    let (cx, command) = create_command(session);
    Request { cx, touches: Vec::new(), command: command.into() }
}

/// A create as a store takes it.
pub(crate) fn create_command(session: Session) -> (Context, CreateSession) {
    let cap = Cap { limit: bounds::CAP, policy: CapPolicy::EvictOldest };
    let cx = Context { now: session.created_at, origin: Origin { ip: session.ip, ..Origin::default() } };
    (cx, CreateSession { session, cap, login: false, device: None, is_new_browser: false })
}

/// Opens the record in a folder.
pub(crate) fn record(folder: &Path) -> Result<SqliteRecord, Error> {
    Ok(SqliteRecord::open(folder, SqliteOptions::default())?)
}

/// Writes sessions to a record. Returns their tokens in the order of their text, which is one of chance.
pub(crate) async fn fill(record: &SqliteRecord, sessions: usize) -> Result<Vec<String>, Error> {
    let ring = ring()?;
    let mut tokens = Vec::with_capacity(sessions);
    for first in (0..sessions).step_by(bounds::FILL_BATCH) {
        let made = (first..sessions.min(first + bounds::FILL_BATCH)).map(|user| session(&ring, user));
        let batch = made.map(|(token, session)| {
            tokens.push(token.expose());
            create(session)
        });
        record.decide(batch.collect()).await?;
    }
    tokens.sort_unstable();
    Ok(tokens)
}
