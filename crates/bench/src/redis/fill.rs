//! Fills a Redis with sessions before something is measured.

use super::{address, options, store};
use crate::{Error, bounds, fixture};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use vestibule::{
    id::UserTag,
    record::{State as _, UserSnapshot},
    redis::{RedisState, RedisStore},
    secret::KeyRing,
    session::{PackedSession, SessionStore as _, command::CreateOutcome},
    user::UserAggregate,
};

/// Runs one call for each number below `count`, [`bounds::CALLERS`] at a time.
async fn each<A>(count: usize, call: impl Fn(usize) -> A + Clone + Send + 'static) -> Result<(), Error>
where
    A: Future<Output = Result<(), Error>> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..bounds::CALLERS)
        .map(|_| {
            let (next, call) = (next.clone(), call.clone());
            tokio::spawn(async move {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return Ok::<_, Error>(());
                    }
                    call(number).await?;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await??;
    }
    Ok(())
}

/// Creates one session of a user of its own, and returns its token.
pub(super) async fn create(store: &RedisStore, ring: &KeyRing, user: usize) -> Result<String, Error> {
    let (token, session) = fixture::session(ring, user);
    let (cx, command) = fixture::create_command(session);
    match store.create(cx, command).await? {
        CreateOutcome::Created { .. } => Ok(token.expose()),
        refused => Err(format!("a session was refused: {refused:?}").into()),
    }
}

/// Creates sessions of as many users, and returns their tokens in the order of their text, which is one of chance.
pub(super) async fn with_tokens(url: &str, sessions: usize) -> Result<Vec<String>, Error> {
    let (store, ring) = (Arc::new(store(url).await?), Arc::new(fixture::ring()?));
    let tokens = Arc::new(std::sync::Mutex::new(Vec::with_capacity(sessions)));
    let kept = tokens.clone();
    each(sessions, move |user| {
        let (store, ring, kept) = (store.clone(), ring.clone(), kept.clone());
        async move {
            let token = create(&store, &ring, user).await?;
            kept.lock().map_err(|_| "another caller failed")?.push(token);
            Ok(())
        }
    })
    .await?;
    let mut tokens = std::mem::take(&mut *tokens.lock().map_err(|_| "a caller failed")?);
    tokens.sort_unstable();
    Ok(tokens)
}

/// Users with as many sessions each, without payload, index or events beside them: what they take is the string alone.
pub(super) async fn users(url: &str, users: usize, sessions: usize) -> Result<(), Error> {
    let state = Arc::new(RedisState::new(address(url)?, options()));
    state.look().await?;
    let ring = Arc::new(fixture::ring()?);
    each(users, move |user| {
        let (state, ring) = (state.clone(), ring.clone());
        async move { project(&state, &ring, user, sessions).await.map(|_| ()) }
    })
    .await
}

/// One user with as many sessions.
pub(super) async fn user(url: &str, sessions: usize) -> Result<UserTag, Error> {
    let state = RedisState::new(address(url)?, options());
    state.look().await?;
    project(&state, &fixture::ring()?, 0, sessions).await
}

async fn project(state: &RedisState, ring: &KeyRing, number: usize, sessions: usize) -> Result<UserTag, Error> {
    let tag = UserTag::anonymous();
    let mut user = UserAggregate::new(tag);
    for _ in 0..sessions {
        let (_, mut session) = fixture::session_of(ring, tag, number);
        session.data = Box::default();
        user.user_id = session.user_id.clone();
        user.live.push(PackedSession::pack(&session));
    }
    (user.revision, user.created_total) = (1, sessions as u64);
    state.project(UserSnapshot { sequence: 1, user }).await?;
    Ok(tag)
}
