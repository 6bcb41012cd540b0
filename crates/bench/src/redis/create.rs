//! Creates over Redis with index, cap and event (P3): through the port and over HTTP, beside tower-sessions, which has none of
//! these.

use super::{Server, fill, store};
use crate::{
    Error,
    bounds::Scale,
    callers, create, fixture, load,
    process::{self, Running},
    report::{Line, Report, median},
};
use std::{path::Path, sync::Arc, time::Duration};

/// Requests of one round over HTTP, each of a user who never came before.
const REQUESTS: usize = 100_000;

/// Adds the lines.
pub(crate) fn measure(scale: &Scale, report: &mut Report) -> Result<(), Error> {
    process::build_server()?;
    through_the_port(scale, report)?;
    over_http(scale, report)
}

/// Creates sessions for some time, see [`callers::play`].
pub(crate) async fn play(url: &str, time: Duration) -> Result<(), Error> {
    let (store, ring) = (Arc::new(store(url).await?), Arc::new(fixture::ring()?));
    callers::play(time, move |user| {
        let (store, ring) = (store.clone(), ring.clone());
        async move { fill::create(&store, &ring, user).await.map(|_| ()) }
    })
    .await
}

fn through_the_port(scale: &Scale, report: &mut Report) -> Result<(), Error> {
    let (ours, theirs) = (Server::start()?, Server::start()?);
    let mut seen: [Vec<Created>; 2] = Default::default();
    for _ in 0..scale.rounds {
        seen[0].push(created(&ours, || played("create_redis", &ours, scale.round))?);
        seen[1].push(created(&theirs, || played("create_reference", &theirs, scale.round))?);
    }
    let [ours, theirs] = seen.map(|rounds| Created::middle(&rounds));
    report.add(line("creates over Redis through the port, 64 creators", &ours, &theirs, ">= 30,000/s, >= 0.8x", 30_000.0));
    Ok(())
}

fn over_http(scale: &Scale, report: &mut Report) -> Result<(), Error> {
    let folder = tempfile::tempdir_in(".")?;
    let (ours, theirs) = (Server::start()?, Server::start()?);
    let server = Running::server_with(folder.path(), &ours.url())?;
    let reference = Running::reference(&theirs.url())?;
    let mut seen: [Vec<Created>; 2] = Default::default();
    for round in 0..scale.rounds {
        let requests: Vec<String> = (0..REQUESTS).map(|user| create::request(&format!("customer-{round}-{user}"))).collect();
        let file = folder.path().join("requests");
        load::write_requests(&file, &requests)?;
        seen[0].push(created(&ours, || loaded(&server, &file, scale.round))?);
        seen[1].push(created(&theirs, || loaded(&reference, &file, scale.round))?);
    }
    let [ours, theirs] = seen.map(|rounds| Created::middle(&rounds));
    report.add(line("creates over Redis over HTTP, 64 connections", &ours, &theirs, ">= 0.8x", 0.0));
    Ok(())
}

fn line(what: &str, ours: &Created, theirs: &Created, demanded: &'static str, least: f64) -> Line {
    let text = |seen: &Created| {
        let Created { rate, own, redis, commands, .. } = seen;
        format!("{rate:.0}/s, {own:.1} µs and {redis:.1} µs of Redis, {commands:.2} trips each")
    };
    Line {
        bar: "P3",
        what: what.into(),
        figure: format!("{:.2}x ({}, p99 {:.1} ms)", ours.rate / theirs.rate, text(ours), ours.p99_ms),
        reference: format!("tower-sessions without index {}", text(theirs)),
        demanded,
        reached: Some(ours.rate >= least && ours.rate >= theirs.rate * 0.8),
    }
}

/// Creates of one round.
#[derive(Clone, Default)]
struct Created {
    count: f64,
    rate: f64,
    p99_ms: f64,
    /// Processor time for each in microseconds: of the creator, or of the server.
    own: f64,
    redis: f64,
    /// Commands or scripts that were sent for each.
    commands: f64,
}

impl Created {
    fn middle(rounds: &[Self]) -> Self {
        let of = |field: fn(&Self) -> f64| median(rounds.iter().map(field).collect());
        Self {
            count: of(|round| round.count),
            rate: of(|round| round.rate),
            p99_ms: of(|round| round.p99_ms),
            own: of(|round| round.own),
            redis: of(|round| round.redis),
            commands: of(|round| round.commands),
        }
    }
}

/// Looks at Redis before and after.
fn created(redis: &Server, round: impl FnOnce() -> Result<Created, Error>) -> Result<Created, Error> {
    let sent = |redis: &Server| -> Result<f64, Error> {
        // What a script calls is counted by Redis too, but is no trip.
        let scripts = redis.calls("evalsha")?;
        Ok(if scripts > 0.0 { scripts + redis.calls("get")? } else { redis.calls("set")? })
    };
    let (cpu, before) = (redis.cpu()?, sent(redis)?);
    let seen = round()?;
    let (redis_cpu, after) = (redis.cpu()? - cpu, sent(redis)?);
    Ok(Created { redis: redis_cpu * 1e6 / seen.count, commands: (after - before) / seen.count, ..seen })
}

fn played(part: &str, redis: &Server, time: Duration) -> Result<Created, Error> {
    let numbers = process::numbers(process::role(&[part, &redis.url(), &time.as_millis().to_string()])?)?;
    let [count, rate, p99_ms, own] = numbers[..] else { return Err("four numbers were expected".into()) };
    Ok(Created { count, rate, p99_ms, own, ..Created::default() })
}

fn loaded(server: &Running, requests: &Path, time: Duration) -> Result<Created, Error> {
    let before = server.cpu()?;
    let numbers = process::load(&server.management, requests, time)?;
    let (count, rate, p99_ms) = (numbers[0], numbers[0] / numbers[1], numbers[3] / 1e3);
    Ok(Created { count, rate, p99_ms, own: (server.cpu()? - before) * 1e6 / count, ..Created::default() })
}
