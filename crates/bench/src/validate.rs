//! Validation in process, on one core, over the memory store (P7), and what a million sessions add to it (P8).

use crate::{
    Error,
    bounds::{self, Scale},
    fixture, process,
    report::{Line, Report, median},
};
use std::{hint::black_box, sync::Arc};
use vestibule::{
    Options, Vestibule,
    event::Origin,
    id::UserId,
    secret::KeyRing,
    session::{
        SessionToken, Sessions,
        binding::Client,
        service::{
            create::{Creation, NewSession},
            validate::{Presented, Validation},
        },
    },
};

/// Validations of one round.
const ROUND: usize = 500_000;

/// Adds the lines.
pub(crate) fn measure(scale: &Scale, report: &mut Report) -> Result<(), Error> {
    let sizes = [scale.few, scale.many, scale.rounds].map(|size| size.to_string());
    let numbers = process::numbers(process::role(&["validate", &sizes[0], &sizes[1], &sizes[2]])?)?;
    let [token, few, opened, many] = numbers[..] else { return Err("four numbers were expected".into()) };
    let line = |what: &str, ns: f64, demanded, least: f64| Line {
        bar: "P7",
        what: format!("validate in process, {} sessions, {what}", scale.few),
        figure: format!("{:.0}/s ({ns:.0} ns)", 1e9 / ns),
        reference: format!("reading and digesting the token alone {token:.0} ns"),
        demanded,
        reached: Some(1e9 / ns >= least),
    };
    report.add(line("metadata only", few, ">= 1,500,000/s", 1.5e6));
    report.add(line("with the payload opened", opened, ">= 900,000/s", 0.9e6));
    report.add(Line {
        bar: "P8",
        what: format!("validate in process, {} sessions", scale.many),
        figure: format!("{:.2}x ({many:.0} ns)", many / few),
        reference: format!("{} sessions {few:.0} ns", scale.few),
        demanded: "<= 1.8x",
        reached: Some(many <= few * 1.8),
    });
    Ok(())
}

/// Measures and prints nanoseconds of processor time: token alone, few sessions, few with payload, many sessions. They take
/// turns, so that what disturbs one disturbs all.
pub(crate) fn play(few: usize, many: usize, rounds: usize) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (few, many) = (Filled::new(few).await?, Filled::new(many).await?);
        let mut seen: [Vec<f64>; 4] = Default::default();
        for _ in 0..rounds {
            seen[0].push(few.read_tokens()?);
            seen[1].push(few.validate(false).await?);
            seen[2].push(few.validate(true).await?);
            seen[3].push(many.validate(false).await?);
        }
        let [token, small, opened, large] = seen.map(median);
        println!("{token} {small} {opened} {large}");
        Ok(())
    })
}

struct Filled {
    ring: KeyRing,
    sessions: Arc<Sessions>,
    /// Side by side in the order in which they are presented, which is not that of their sessions: reading them is no part
    /// of what is measured.
    tokens: String,
}

impl Filled {
    async fn new(count: usize) -> Result<Self, Error> {
        let mut options = Options { memory_limit: bounds::MEMORY_LIMIT, ..Options::new(fixture::ring()?) };
        options.policies.default.idle_timeout = bounds::IDLE;
        options.policies.default.touch_throttle = bounds::THROTTLE;
        let sessions = Vestibule::open(options).await?.sessions;
        let mut tokens = Vec::with_capacity(count);
        for user in 0..count {
            let new = NewSession {
                user_id: Some(UserId::new(format!("user-{user}"))?),
                roles: vec!["member".into()],
                data: Some(serde_json::from_str(&fixture::payload())?),
                ip: Some(fixture::ADDRESS.into()),
                user_agent: Some(fixture::AGENT.into()),
                ..NewSession::default()
            };
            match sessions.create(new, Origin::default()).await? {
                Creation::Created(issued) => tokens.push(issued.token.expose()),
                refused => return Err(format!("a session was refused: {refused:?}").into()),
            }
        }
        tokens.sort_unstable();
        Ok(Self { ring: fixture::ring()?, sessions, tokens: tokens.concat() })
    }

    fn tokens(&self) -> impl Iterator<Item = &str> {
        let length = vestibule::session::token::TOKEN_TEXT;
        (0..self.tokens.len() / length).cycle().map(move |place| &self.tokens[place * length..][..length]).take(ROUND)
    }

    fn read_tokens(&self) -> Result<f64, Error> {
        let start = cpu_ns()?;
        for token in self.tokens() {
            black_box(SessionToken::parse(&self.ring, token).map(|token| token.digest()));
        }
        Ok((cpu_ns()? - start) / ROUND as f64)
    }

    async fn validate(&self, opened: bool) -> Result<f64, Error> {
        let client = Client { ip: Some(fixture::ADDRESS.into()), user_agent: Some(fixture::AGENT) };
        let start = cpu_ns()?;
        for token in self.tokens() {
            let presented = Presented { token, client, ..Presented::default() };
            let Validation::Valid(valid) = self.sessions.validate(presented).await? else {
                return Err("a session is not valid".into());
            };
            black_box((valid.id(), valid.user_id().map(str::len), valid.mfa()));
            if opened {
                black_box(self.sessions.payload_json(&valid)?);
            }
        }
        Ok((cpu_ns()? - start) / ROUND as f64)
    }
}

/// Processor time of this thread in nanoseconds: what others do on the machine does not count.
pub(crate) fn cpu_ns() -> Result<f64, Error> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(stat.split_whitespace().next().ok_or("the kernel shows no times")?.parse()?)
}
