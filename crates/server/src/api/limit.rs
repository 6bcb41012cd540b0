//! Rate limits over HTTP, for backends and operators.

use super::{
    Server, Shared,
    access::{By, LimitsRead, LimitsWrite},
    answer::{ok, unavailable},
    query::{StrictQuery, page_size},
};
use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{net::IpAddr, sync::Arc, time::Duration};
use vestibule::{
    http::{
        json::StrictJson,
        problem::{Problem, ProblemCode},
        rate_limit,
    },
    limit::{
        Ask, AskError, Challenge, Checked, Listed, OnStoreFailure, Puzzle, ResetPattern, Ruled, Said, Solution, SolveError,
        Solved, Verdict,
        bounds::{DEMANDS, KEY_BYTES, LONGEST_WAIT, TOP_KEYS},
    },
    time::parse_duration,
};

pub(super) fn routes() -> Router<Arc<Server>> {
    Router::new()
        .route("/limits", get(rules))
        .route("/limits/check", post(check))
        .route("/limits/solve", post(solve))
        .route("/limits/reset", post(reset_matching))
        .route("/limits/top", get(top))
        .route("/limits/{rule}/{key}", get(show).delete(reset))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckBody {
    checks: Vec<CheckOne>,
    #[serde(default)]
    peek: bool,
    wait: Option<String>,
}

impl CheckBody {
    /// How long the caller would wait to be allowed.
    fn wait(&self) -> Result<Duration, Problem> {
        let Some(text) = &self.wait else { return Ok(Duration::ZERO) };
        let wait = parse_duration(text).ok().filter(|wait| *wait <= LONGEST_WAIT && !self.peek);
        let expected = format!("expected a duration of at most {} s, and no peek", LONGEST_WAIT.as_secs());
        wait.ok_or_else(|| Problem::invalid_field("wait", expected))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckOne {
    rule: String,
    key: String,
    #[serde(default = "one")]
    cost: u64,
}

fn one() -> u64 {
    1
}

/// What one rule says. Times are milliseconds; null is what this node does not know without asking: a key beside one that is
/// known to be denied, unless both were asked for together when that was told.
#[derive(Serialize)]
struct Item<'a> {
    rule: &'a str,
    /// As it was asked.
    key: &'a str,
    allowed: bool,
    limit: u64,
    remaining: Option<u64>,
    next_after_ms: Option<u64>,
    reset_after_ms: Option<u64>,
    retry_after_ms: Option<u64>,
    strikes: Option<u64>,
    /// Whether hardly anything is left.
    near: bool,
    /// On which list the address is: `exempt` or `refused`.
    #[serde(skip_serializing_if = "Option::is_none")]
    listed: Option<&'static str>,
    /// By which policy it was answered, where the store failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'static str>,
}

impl<'a> Item<'a> {
    fn new(said: &'a Said, key: &'a str) -> Self {
        let of = |number: fn(Verdict) -> u64| said.verdict.map(number);
        let limit = said.ask.rule().numbers().limit;
        let untouched = (said.ask.listed() == Some(Listed::Exempt)).then_some(limit);
        Self {
            rule: said.ask.rule().name(),
            key,
            allowed: said.allowed,
            limit,
            remaining: of(|verdict| verdict.remaining).or(untouched),
            next_after_ms: of(|verdict| verdict.next_ms),
            reset_after_ms: of(|verdict| verdict.reset_ms),
            retry_after_ms: of(|verdict| verdict.retry_ms),
            strikes: of(|verdict| verdict.strikes),
            near: said.verdict.is_some_and(|verdict| verdict.is_near()),
            listed: said.ask.listed().map(Listed::as_str),
            policy: said.policy.map(OnStoreFailure::as_str),
        }
    }
}

fn refused(error: AskError, place: Option<usize>) -> Problem {
    let of = |name: &str| place.map_or_else(|| name.to_owned(), |place| format!("checks[{place}].{name}"));
    match error {
        AskError::UnknownRule => Problem::new(ProblemCode::RuleUnknown).with_field(of("rule")),
        AskError::Key(_) | AskError::UserId => Problem::invalid_field(of("key"), error.to_string()),
        AskError::Cost => Problem::invalid_field(of("cost"), error.to_string()),
        AskError::TooMany => Problem::invalid_field("checks", error.to_string()),
        AskError::UserPattern => Problem::invalid_field("pattern", error.to_string()),
    }
}

async fn check(
    by: By<LimitsWrite>,
    State(server): Shared,
    StrictJson(body): StrictJson<CheckBody>,
) -> Result<Response, Problem> {
    let limits = &server.vestibule.limits;
    if body.checks.is_empty() || body.checks.len() > DEMANDS {
        return Err(Problem::invalid_field("checks", format!("expected 1 to {DEMANDS} checks")));
    }
    let wait = body.wait()?;
    let ask = |(place, one): (usize, &CheckOne)| {
        limits.ask(&one.rule, &one.key, one.cost).map_err(|error| refused(error, Some(place)))
    };
    let asks: Vec<Ask> = body.checks.iter().enumerate().map(ask).collect::<Result<_, _>>()?;
    let checked = if body.peek {
        limits.peek(asks).await.map_err(unavailable)?
    } else {
        limits.check_until(asks, wait).await.map_err(|error| refused(error, None))?
    };
    if !checked.outcome.allowed() && !body.peek {
        limits.note_denial(&checked, &by.origin());
    }
    let keys = body.checks.iter().map(|one| one.key.as_str());
    let items: Vec<Item<'_>> = checked.said.iter().zip(keys).map(|(said, key)| Item::new(said, key)).collect();
    let outcome = checked.outcome;
    let mut answer = json!({"outcome": outcome.as_str(), "allowed": outcome.allowed(), "limits": items});
    if let Some((ask, challenge)) = limits.challenge(&checked) {
        let is_asked = |said: &Said| said.ask.rule() == ask.rule() && said.ask.key() == ask.key();
        let place = checked.said.iter().position(is_asked).unwrap_or_default();
        answer["challenge"] = challenge_body(&body.checks[place], challenge);
    }
    Ok(with_fields(&server, &checked, ok(answer).into()))
}

fn challenge_body(asked: &CheckOne, challenge: Challenge) -> Value {
    let CheckOne { rule, key, .. } = asked;
    match challenge {
        Challenge::Puzzle(Puzzle { puzzle, difficulty, expires_at }) => json!({"rule": rule, "key": key, "type": "puzzle",
            "algorithm": "sha-256", "puzzle": puzzle, "difficulty": difficulty, "expires_at": expires_at}),
        Challenge::Response => json!({"rule": rule, "key": key, "type": "response"}),
    }
}

fn with_fields(server: &Server, checked: &Checked, mut response: Response) -> Response {
    let mut fields = HeaderMap::new();
    rate_limit::put(server.limit_fields.get(), checked, &mut fields);
    response.headers_mut().extend(fields);
    response
}

async fn show(
    _: By<LimitsRead>,
    State(server): Shared,
    Path((rule, key)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let limits = &server.vestibule.limits;
    let ask = limits.ask(&rule, &key, 1).map_err(|error| refused(error, None))?;
    let checked = limits.peek(vec![ask]).await.map_err(unavailable)?;
    let item = checked.said.first().map(|said| Item::new(said, &key));
    Ok(with_fields(&server, &checked, ok(item).into()))
}

async fn reset(
    by: By<LimitsWrite>,
    State(server): Shared,
    Path((rule, key)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let limits = &server.vestibule.limits;
    let ask = limits.ask(&rule, &key, 1).map_err(|error| refused(error, None))?;
    let was_there = limits.reset(&ask).await.map_err(unavailable)?;
    limits.note_reset(&format!("{rule}:{key}"), u64::from(was_there), &by.origin());
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SolveBody {
    rule: String,
    key: String,
    puzzle: Option<String>,
    solution: Option<String>,
    response: Option<String>,
    ip: Option<IpAddr>,
}

impl SolveBody {
    fn solution(&self) -> Result<Solution<'_>, Problem> {
        match (&self.puzzle, &self.solution, &self.response) {
            (Some(puzzle), Some(text), None) => Ok(Solution::Work { puzzle, text }),
            (None, None, Some(text)) => Ok(Solution::Response { text, client: self.ip }),
            (Some(_), None, None) => Err(Problem::invalid_field("solution", "expected the text that solves the puzzle")),
            _ => Err(Problem::invalid_field("puzzle", "expected puzzle and solution, or response")),
        }
    }
}

async fn solve(
    _: By<LimitsWrite>,
    State(server): Shared,
    StrictJson(body): StrictJson<SolveBody>,
) -> Result<Response, Problem> {
    let limits = &server.vestibule.limits;
    let ask = limits.ask(&body.rule, &body.key, 1).map_err(|error| refused(error, None))?;
    let solved = limits.solve(&ask, body.solution()?).await.map_err(|error| match error {
        SolveError::Store(fault) => unavailable(fault),
        SolveError::TooOften { retry_ms } => Problem::rate_limited(retry_ms.div_ceil(1_000)),
        SolveError::Verifier(_) => Problem::new(ProblemCode::VerifierUnavailable),
    })?;
    Ok(ok(json!({"solved": solved == Solved::Cleared, "outcome": solved.as_str()})).into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ResetBody {
    rule: String,
    pattern: String,
    #[serde(default)]
    dry_run: bool,
}

async fn reset_matching(
    by: By<LimitsWrite>,
    State(server): Shared,
    StrictJson(body): StrictJson<ResetBody>,
) -> Result<Response, Problem> {
    if body.pattern.is_empty() || body.pattern.len() > KEY_BYTES || body.pattern.chars().any(char::is_control) {
        return Err(Problem::invalid_field("pattern", "expected 1 to 256 bytes without control characters"));
    }
    let pattern = ResetPattern { rule: body.rule.into(), glob: body.pattern.into(), dry_run: body.dry_run };
    let matched = server.vestibule.limits.reset_matching(&pattern).await.map_err(|error| refused(error, None))?;
    let matched = matched.map_err(unavailable)?;
    let reset = if body.dry_run { 0 } else { matched.count };
    if !body.dry_run {
        server.vestibule.limits.note_reset(&format!("{}:{}", pattern.rule, pattern.glob), reset, &by.origin());
    }
    Ok(ok(json!({"matched": matched.count, "reset": reset, "keys": matched.sample})).into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TopQuery {
    limit: Option<String>,
}

async fn top(_: By<LimitsRead>, State(server): Shared, StrictQuery(query): StrictQuery<TopQuery>) -> Result<Response, Problem> {
    const USUAL: usize = 20;
    let limit = page_size(query.limit.as_deref(), USUAL)?.min(TOP_KEYS);
    Ok(ok(json!({"keys": server.vestibule.limits.top(limit)})).into())
}

/// A rule in effect.
#[derive(Serialize)]
struct RuleBody<'a> {
    name: &'a str,
    level: &'static str,
    algorithm: &'static str,
    limit: u64,
    count: u64,
    period_ms: u64,
    /// Which requests count.
    counted: &'static str,
    /// Paths that it guards by itself.
    apply: &'a [Box<str>],
    /// How many keys have numbers of their own.
    overrides: usize,
    has_penalty: bool,
    challenge: bool,
    shadow: bool,
    /// Whether a node takes units of a hot key ahead.
    leased: bool,
    on_store_failure: &'static str,
}

async fn rules(_: By<LimitsRead>, State(server): Shared) -> Response {
    let rules = server.vestibule.limits.rules();
    let body = |ruled: &Arc<Ruled>| {
        let (options, numbers) = (ruled.rule.options(), ruled.rule.numbers());
        json!(RuleBody {
            name: ruled.rule.name(),
            level: options.level.as_str(),
            algorithm: options.algorithm.as_str(),
            limit: numbers.limit,
            count: options.rate.count,
            period_ms: numbers.period_ms,
            counted: options.counted.as_str(),
            apply: &ruled.paths,
            overrides: ruled.overrides.len(),
            has_penalty: options.penalty.is_some(),
            challenge: options.challenge,
            shadow: numbers.shadow,
            leased: ruled.rule.is_leased(),
            on_store_failure: options.on_store_failure.as_str(),
        })
    };
    let bodies: Vec<_> = rules.iter().map(body).collect();
    let [exempt, refused] = [rules.exempt(), rules.refused()].map(|networks| networks.texts().collect::<Vec<_>>());
    Response::from(ok(json!({"rules": bodies, "exempt": exempt, "refused": refused}))).into_response()
}
