//! Log out everywhere, and the list of sessions, for a user with 10,000 sessions among others (P6), beside a set of session ids.

use super::{Server, fill, seed, store};
use crate::{
    Error,
    bounds::Scale,
    report::{Line, Report, median},
};
use std::time::{Duration, Instant};
use vestibule::{
    event::Origin,
    redis::RedisStore,
    session::{
        EndReason, SessionStore as _,
        command::{EndSessions, Selection},
    },
    time::Clock,
    user::Context,
};

/// Sessions of the user, and of one who shows what ten times as many add.
const MANY: usize = 10_000;
const FEW: usize = 1_000;

/// Adds the lines.
pub(crate) fn measure(scale: &Scale, report: &mut Report) -> Result<(), Error> {
    let (ours, theirs) = (Server::start()?, Server::start()?);
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(fill::users(&ours.url(), scale.preloaded, 1))?;
    seed::fill(&theirs.url(), scale.preloaded, 1)?;
    let mut seen: [Vec<f64>; 5] = Default::default();
    for round in 0..scale.rounds {
        let few = runtime.block_on(list_and_end(&ours.url(), FEW))?;
        let many = runtime.block_on(list_and_end(&ours.url(), MANY))?;
        let user = scale.preloaded + round;
        seed::add_user(&theirs.url(), user, MANY)?;
        let seed = seed::list_and_end(&theirs.url(), user)?;
        for (seen, time) in seen.iter_mut().zip([many[0], many[1], few[1], seed[0], seed[1]]) {
            seen.push(time.as_secs_f64() * 1e3);
        }
    }
    let [list, end, end_few, seed_list, seed_end] = seen.map(median);
    report.add(Line {
        bar: "P6",
        what: format!("log out everywhere, {MANY} sessions among {} others", scale.preloaded),
        figure: format!("{end:.2} ms; with {FEW} sessions {end_few:.2} ms"),
        reference: format!("a set of session ids, a command for each: {seed_end:.0} ms"),
        demanded: "<= 2 ms",
        reached: Some(end <= 2.0),
    });
    report.add(Line {
        bar: "P6",
        what: format!("list {MANY} sessions"),
        figure: format!("{list:.1} ms"),
        reference: format!("a set of session ids, a command for each: {seed_list:.0} ms"),
        demanded: "<= 40 ms",
        reached: Some(list <= 40.0),
    });
    Ok(())
}

async fn list_and_end(url: &str, sessions: usize) -> Result<[Duration; 2], Error> {
    let tag = fill::user(url, sessions).await?;
    let store: RedisStore = store(url).await?;
    let now = Clock::system().now();
    let start = Instant::now();
    let listed = store.list(tag, now).await?.len();
    let listing = start.elapsed();
    let cx = Context { now, origin: Origin::default() };
    let command = EndSessions { tag, selection: Selection::All { except: Vec::new() }, reason: EndReason::Revoked };
    let start = Instant::now();
    let ended = store.end(cx, command).await?;
    let ending = start.elapsed();
    if listed != sessions || ended.revoked != sessions as u64 {
        return Err(format!("{listed} of {sessions} sessions were listed, {} ended", ended.revoked).into());
    }
    Ok([listing, ending])
}
