//! What a proxy's question costs the server (P2), and what a million sessions add to it (P8): processor time of the server
//! for one request, beside bare axum that answers 204 to the same bytes.

use crate::{
    Error,
    bounds::Scale,
    fixture, load,
    process::{self, Running},
    report::{Line, Report, median},
};
use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;

/// Adds the lines.
pub(crate) fn measure(scale: &Scale, report: &mut Report) -> Result<(), Error> {
    process::build_server()?;
    if !is_served()? {
        report.add(not_measured("P2", "<= 1.25x"));
        report.add(not_measured("P8", "<= 1.15x"));
        return Ok(());
    }
    let (few, many) = (Asked::new(scale.few)?, Asked::new(scale.many)?);
    let bare = Running::bare()?;
    let mut seen: [Vec<f64>; 3] = Default::default();
    let mut rates: [Vec<f64>; 2] = Default::default();
    // One after the other in each round: what disturbs one disturbs all.
    for _ in 0..scale.rounds {
        let (cost, rate) = cost(&bare, &few.requests, scale.round)?;
        seen[0].push(cost);
        rates[0].push(rate);
        let (cost, rate) = self::cost(&few.server, &few.requests, scale.round)?;
        seen[1].push(cost);
        rates[1].push(rate);
        seen[2].push(self::cost(&many.server, &many.requests, scale.round)?.0);
    }
    let [floor, few, many] = seen.map(median);
    let [floor_rate, rate] = rates.map(median);
    report.add(Line {
        bar: "P2",
        what: format!("forward-auth embedded, {} sessions", scale.few),
        figure: format!("{:.2}x ({few:.1} µs, {rate:.0}/s)", few / floor),
        reference: format!("bare axum 204: {floor:.1} µs, {floor_rate:.0}/s"),
        demanded: "<= 1.25x",
        reached: Some(few <= floor * 1.25),
    });
    report.add(Line {
        bar: "P8",
        what: format!("forward-auth embedded, {} sessions", scale.many),
        figure: format!("{:.2}x ({many:.1} µs)", many / few),
        reference: format!("{} sessions {few:.1} µs", scale.few),
        demanded: "<= 1.15x",
        reached: Some(many <= few * 1.15),
    });
    Ok(())
}

/// Whether this build answers proxies.
fn is_served() -> Result<bool, Error> {
    let folder = tempfile::tempdir_in(".")?;
    let server = Running::server(folder.path())?;
    Ok(process::status(&server.public, request("").as_bytes())? != 404)
}

fn not_measured(bar: &'static str, demanded: &'static str) -> Line {
    let what = "forward-auth embedded".into();
    Line { bar, what, figure: "-".into(), reference: "the endpoint is not served".into(), demanded, reached: None }
}

/// Microseconds of the server's processor time for one request, and requests per second.
pub(crate) fn cost(server: &Running, requests: &Path, time: Duration) -> Result<(f64, f64), Error> {
    let before = server.cpu()?;
    let numbers = process::load(&server.public, requests, time)?;
    let (count, seconds) = (numbers[0], numbers[1]);
    Ok(((server.cpu()? - before) * 1e6 / count, count / seconds))
}

/// A server with sessions, and a request for each.
struct Asked {
    server: Running,
    requests: PathBuf,
    _folder: TempDir,
}

impl Asked {
    fn new(sessions: usize) -> Result<Self, Error> {
        let folder = tempfile::tempdir_in(".")?;
        let runtime = tokio::runtime::Runtime::new()?;
        let tokens = runtime.block_on(async { fixture::fill(&fixture::record(folder.path())?, sessions).await })?;
        let requests: Vec<String> = tokens.iter().map(|token| request(token)).collect();
        let file = folder.path().join("requests");
        load::write_requests(&file, &requests)?;
        let server = Running::server(folder.path())?;
        // Each session once: the state holds all of them before anything is measured.
        process::load(&server.public, &file, Duration::ZERO)?;
        Ok(Self { server, requests: file, _folder: folder })
    }
}

/// What nginx asks.
pub(crate) fn request(token: &str) -> String {
    let (agent, address) = (fixture::AGENT, Ipv4Addr::from(fixture::ADDRESS));
    format!(
        "GET /forward-auth HTTP/1.1\r\nHost: auth.internal\r\nX-Original-Method: GET\r\nX-Original-Proto: https\r\n\
         X-Original-Host: app.example.com\r\nX-Original-Uri: /orders?page=2\r\nX-Forwarded-For: {address}\r\n\
         User-Agent: {agent}\r\nAccept: */*\r\nCookie: vestibule_dev={token}\r\n\r\n"
    )
}
