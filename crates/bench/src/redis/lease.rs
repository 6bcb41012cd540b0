//! A hot global key at 200,000 checks a second over 8 nodes (L23): how many of them Redis sees, and how many are granted.

use super::{Server, limit::node};
use crate::{
    Error,
    bounds::Scale,
    report::{Line, Report},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::{MissedTickBehavior, interval};
use vestibule::limit::{Level, Limiter, OnStoreFailure, Rate, Rule, RuleOptions};

const NODES: u64 = 8;
/// Callers of each node, who ask once in a millisecond.
const CALLERS: usize = 25;

/// Adds the lines: a limit that is far away, and one that a quarter of the checks would fill.
pub(crate) fn measure(scale: &Scale, report: &mut Report) -> Result<(), Error> {
    let runtime = tokio::runtime::Runtime::new()?;
    for limit in [1_000_000, 50_000] {
        let server = Server::start()?;
        let seen = runtime.block_on(flood(&server.url(), limit, scale.round * scale.rounds as u32))?;
        let asked = server.calls("evalsha")? * 100.0 / seen.checks as f64;
        let due = limit + (seen.time.as_secs_f64() * limit as f64).ceil() as u64;
        let rate = seen.checks as f64 / seen.time.as_secs_f64();
        report.add(Line {
            bar: "L23",
            what: format!("a hot global key over {NODES} nodes, limit {limit}/s"),
            figure: format!("{rate:.0} checks/s, {asked:.2} % of them calls to Redis; {} granted", seen.granted),
            reference: format!("{} are due", due.min(seen.checks)),
            demanded: "< 1 %, none too many",
            reached: Some(asked < 1.0 && seen.granted <= due),
        });
    }
    Ok(())
}

struct Seen {
    checks: u64,
    granted: u64,
    time: Duration,
}

async fn flood(url: &str, limit: u64, time: Duration) -> Result<Seen, Error> {
    let rule = Rule::new(RuleOptions {
        on_store_failure: OnStoreFailure::Closed,
        ..RuleOptions::new("hot", Level::Global, Rate { count: limit, period: Duration::from_secs(1) })
    })?;
    let nodes = (0..NODES).map(|_| node(url, rule.clone())).collect::<Result<Vec<_>, Error>>()?;
    let started = Instant::now();
    let callers = nodes.iter().flat_map(|node| (0..CALLERS).map(|_| node.clone()));
    let serving: Vec<_> = callers.map(|node| tokio::spawn(serve(node, started + time))).collect();
    let (mut checks, mut granted) = (0, 0);
    for caller in serving {
        let (asked, allowed) = caller.await??;
        (checks, granted) = (checks + asked, granted + allowed);
    }
    Ok(Seen { checks, granted, time: started.elapsed() })
}

/// What one caller of a node asks, evenly, and what is allowed.
async fn serve(node: Arc<Limiter>, end: Instant) -> Result<(u64, u64), Error> {
    let mut ticks = interval(Duration::from_millis(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut checks, mut granted) = (0, 0);
    while Instant::now() < end {
        ticks.tick().await;
        let checked = node.check(vec![node.ask("hot", "all", 1)?]).await?;
        checks += 1;
        granted += u64::from(checked.outcome.allowed());
    }
    Ok((checks, granted))
}
