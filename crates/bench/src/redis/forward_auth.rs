//! What a proxy's question costs the server over Redis (P1), and what a million sessions add to it (P8): beside bare axum, and
//! beside tower-sessions on the same Redis.

use super::{Server, fill};
use crate::{
    Error,
    bounds::{SETTLE, Scale},
    forward_auth::{cost, request},
    load,
    process::{self, Running},
    reference,
    report::{Line, Report, median},
};
use std::{path::PathBuf, time::Duration};
use tempfile::TempDir;

/// Adds the lines.
pub(crate) fn measure(scale: &Scale, report: &mut Report) -> Result<(), Error> {
    process::build_server()?;
    let asked = Asked {
        bare: Running::bare()?,
        few: Side::ours(scale.few)?,
        many: Side::ours(scale.many)?,
        reference: Side::reference(scale.few)?,
    };
    let mut seen: [Vec<Cost>; 4] = Default::default();
    // One after the other in each round: what disturbs one disturbs all.
    for _ in 0..scale.rounds {
        let (server, rate) = cost(&asked.bare, &asked.few.requests, scale.round)?;
        seen[0].push(Cost { server, rate, ..Cost::default() });
        seen[1].push(asked.few.cost(scale.round)?);
        seen[2].push(asked.many.cost(scale.round)?);
        seen[3].push(asked.reference.cost(scale.round)?);
    }
    let [bare, few, many, reference] = seen.map(|costs| Cost::middle(&costs));
    for line in lines(scale, &bare, &few, &reference) {
        report.add(line);
    }
    report.add(Line {
        bar: "P8",
        what: format!("forward-auth over Redis, {} sessions", scale.many),
        figure: format!("{:.2}x ({:.1} µs)", many.server / few.server, many.server),
        reference: format!("{} sessions {:.1} µs", scale.few, few.server),
        demanded: "<= 1.15x",
        reached: Some(many.server <= few.server * 1.15),
    });
    Ok(())
}

fn lines(scale: &Scale, bare: &Cost, few: &Cost, reference: &Cost) -> [Line; 3] {
    [
        Line {
            bar: "P1",
            what: format!("forward-auth over Redis, {} sessions", scale.few),
            figure: format!("{:.2}x ({:.1} µs)", few.server / bare.server, few.server),
            reference: format!("bare axum 204: {:.1} µs; tower-sessions {:.1} µs", bare.server, reference.server),
            demanded: "<= 1.9x",
            reached: Some(few.server <= bare.server * 1.9),
        },
        Line {
            bar: "P1",
            what: "requests a second over Redis".into(),
            figure: format!("{:.2}x ({:.0}/s)", few.rate / reference.rate, few.rate),
            reference: format!("tower-sessions with its Redis store {:.0}/s", reference.rate),
            demanded: ">= 2x",
            reached: Some(few.rate >= reference.rate * 2.0),
        },
        Line {
            bar: "P1",
            what: "work of Redis for one request".into(),
            figure: format!("{:.2} commands, {:.1} µs", few.commands, few.redis),
            reference: format!("tower-sessions {:.2} commands, {:.1} µs", reference.commands, reference.redis),
            demanded: "1 command, <= 6 µs",
            // The commands of housekeeping, some thousands a second, are taken off; they are not exactly as many each second.
            reached: Some((few.commands - 1.0).abs() < 0.05 && few.redis <= 6.0),
        },
    ]
}

/// Of one request, in microseconds.
#[derive(Clone, Default)]
struct Cost {
    server: f64,
    /// Requests a second.
    rate: f64,
    redis: f64,
    /// Commands that read or write sessions, without those of housekeeping.
    commands: f64,
}

impl Cost {
    fn middle(costs: &[Self]) -> Self {
        let of = |field: fn(&Self) -> f64| median(costs.iter().map(field).collect());
        Self {
            server: of(|cost| cost.server),
            rate: of(|cost| cost.rate),
            redis: of(|cost| cost.redis),
            commands: of(|cost| cost.commands),
        }
    }
}

struct Asked {
    bare: Running,
    few: Side,
    many: Side,
    reference: Side,
}

/// A server on a Redis of its own with sessions, and a request for each.
struct Side {
    server: Running,
    redis: Server,
    requests: PathBuf,
    /// Commands a second where nobody asks anything: housekeeping.
    idle: f64,
    _folder: TempDir,
}

impl Side {
    fn ours(sessions: usize) -> Result<Self, Error> {
        let (redis, folder) = (Server::start()?, tempfile::tempdir_in(".")?);
        // First, since the deployment is told to an empty Redis.
        let server = Running::server_with(folder.path(), &redis.url())?;
        let tokens = tokio::runtime::Runtime::new()?.block_on(fill::with_tokens(&redis.url(), sessions))?;
        Self::new(server, redis, folder, &tokens)
    }

    fn reference(sessions: usize) -> Result<Self, Error> {
        let (redis, folder) = (Server::start()?, tempfile::tempdir_in(".")?);
        let server = Running::reference(&redis.url())?;
        let tokens = tokio::runtime::Runtime::new()?.block_on(reference::fill(&redis.url(), sessions))?;
        Self::new(server, redis, folder, &tokens)
    }

    fn new(server: Running, redis: Server, folder: TempDir, tokens: &[String]) -> Result<Self, Error> {
        let requests: Vec<String> = tokens.iter().map(|token| request(token)).collect();
        let file = folder.path().join("requests");
        load::write_requests(&file, &requests)?;
        let mut side = Self { server, redis, requests: file, idle: 0.0, _folder: folder };
        let before = side.commands()?;
        std::thread::sleep(SETTLE);
        side.idle = (side.commands()? - before) / SETTLE.as_secs_f64();
        Ok(side)
    }

    fn commands(&self) -> Result<f64, Error> {
        ["getrange", "get", "set", "getex", "expire", "evalsha", "lrange"].iter().map(|name| self.redis.calls(name)).sum()
    }

    fn cost(&self, time: Duration) -> Result<Cost, Error> {
        let (redis, commands) = (self.redis.cpu()?, self.commands()?);
        let before = self.server.cpu()?;
        let numbers = process::load(&self.server.public, &self.requests, time)?;
        let count = numbers[0];
        let each = |spent: f64| spent * 1e6 / count;
        Ok(Cost {
            server: each(self.server.cpu()? - before),
            rate: count / numbers[1],
            redis: each(self.redis.cpu()? - redis),
            commands: (self.commands()? - commands - self.idle * numbers[1]) / count,
        })
    }
}
