//! Limits over Redis (P10): four levels in one script, one level, and a key that is known to be denied.

use super::{Server, options};
use crate::{
    Error,
    bounds::Scale,
    report::{Line, Report, median},
};
use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};
use vestibule::{
    bus::{LocalBus, Repeats},
    deployment::Deployment,
    event::Observer,
    limit::{Demand, Level, LimitKey, LimitStore as _, Limiter, LimiterParts, Rate, Rule, RuleOptions},
    memory::MemoryLimits,
    redis::RedisLimits,
    secret::KeyRing,
    time::Clock,
};

/// Checks under way at a time.
const ASKERS: usize = 256;
/// Keys of each level.
const KEYS: usize = 10_000;
/// Denials of which the time is taken.
const DENIALS: u32 = 1_000_000;

/// Adds the lines.
pub(crate) fn measure(scale: &Scale, report: &mut Report) -> Result<(), Error> {
    let server = Server::start()?;
    let runtime = tokio::runtime::Runtime::new()?;
    for (levels, least, demanded) in [(4, 60_000.0, ">= 60,000/s"), (1, 120_000.0, ">= 120,000/s")] {
        let mut rates = Vec::new();
        let mut costs = Vec::new();
        for _ in 0..scale.rounds {
            let cpu = server.cpu()?;
            let count = runtime.block_on(checks(&server.url(), levels, scale.round))?;
            rates.push(count / scale.round.as_secs_f64());
            costs.push((server.cpu()? - cpu) * 1e6 / count);
        }
        let (rate, cost) = (median(rates), median(costs));
        report.add(Line {
            bar: "P10",
            what: format!("limit check over Redis, {levels} in one script"),
            figure: format!("{rate:.0}/s, {cost:.1} µs of Redis"),
            reference: "–".into(),
            demanded,
            reached: Some(rate >= least),
        });
    }
    let denied = runtime.block_on(denied(&server.url()))?;
    report.add(Line {
        bar: "P10",
        what: "a key that is known to be denied".into(),
        figure: format!("{} ns, no round trip", denied.as_nanos()),
        reference: "–".into(),
        demanded: "<= 200 ns",
        reached: Some(denied <= Duration::from_nanos(200)),
    });
    Ok(())
}

fn rule(level: usize, count: u64) -> Result<Rule, Error> {
    Ok(Rule::new(RuleOptions::new(
        &format!("level-{level}"),
        Level::Custom,
        Rate { count, period: Duration::from_secs(3_600) },
    ))?)
}

/// Checks that were granted in some time.
async fn checks(url: &str, levels: usize, time: Duration) -> Result<f64, Error> {
    let limits = Arc::new(RedisLimits::new(super::address(url)?, &options()));
    limits.warm_up().await?;
    let rules: Vec<Arc<Rule>> = (0..levels).map(|level| Ok(rule(level, 1_000_000)?.shared())).collect::<Result<_, Error>>()?;
    let end = Instant::now() + time;
    let ask = |asker: usize| {
        let (limits, rules) = (limits.clone(), rules.clone());
        tokio::spawn(async move {
            let mut count = 0_u64;
            while Instant::now() < end {
                let number = (asker * 7_919 + count as usize) % KEYS;
                let key = LimitKey::new(&format!("key-{number}"))?;
                let demands: Vec<Demand> =
                    rules.iter().map(|rule| Demand { rule: rule.clone(), key: key.clone(), cost: 1 }).collect();
                limits.check(&demands, Clock::system().now()).await?;
                count += 1;
            }
            Ok::<u64, Error>(count)
        })
    };
    let mut total = 0;
    for asker in (0..ASKERS).map(ask).collect::<Vec<_>>() {
        total += asker.await??;
    }
    Ok(total as f64)
}

/// A node with one rule and a connection of its own.
pub(super) fn node(url: &str, rule: Rule) -> Result<Arc<Limiter>, Error> {
    Ok(Limiter::start(LimiterParts {
        store: Arc::new(RedisLimits::new(super::address(url)?, &options())),
        fallback: Arc::new(MemoryLimits::default()),
        bus: Arc::new(LocalBus::new(Repeats::Told)),
        deployment: Deployment::new(&[1; 32]),
        ring: Arc::new(KeyRing::ephemeral()),
        verifier: None,
        rules: [rule].into_iter().collect(),
        observer: Observer::new().0,
        clock: Clock::system(),
    }))
}

/// The time of one denial.
async fn denied(url: &str) -> Result<Duration, Error> {
    let limiter = node(url, rule(9, 1)?)?;
    for _ in 0..2 {
        limiter.check(vec![limiter.ask("level-9", "denied", 1)?]).await?;
    }
    let start = Instant::now();
    for _ in 0..DENIALS {
        let checked = limiter.check(vec![limiter.ask("level-9", "denied", 1)?]).await?;
        if black_box(checked).outcome.allowed() {
            return Err("the key is allowed".into());
        }
    }
    Ok(start.elapsed() / DENIALS)
}
