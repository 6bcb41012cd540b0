//! What a client is told of its limits: the fields of draft-ietf-httpapi-ratelimit-headers-10 and those that came before them.

use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use parking_lot::RwLock;
use vestibule_core::limit::{Checked, Outcome, Said, Verdict};
use vestibule_core::time::millis;

static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
static X_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
static X_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
static X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Which fields are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LimitFields {
    /// `RateLimit` and `RateLimit-Policy`, structured fields (RFC 9651) that name each rule.
    Ietf,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset` (seconds) of the rule that leaves least.
    Legacy,
    /// Both.
    #[default]
    Both,
    /// None but `Retry-After`.
    Off,
}

/// A choice of fields that may change while requests are answered. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct ChosenFields(Arc<RwLock<LimitFields>>);

impl ChosenFields {
    /// What is chosen now.
    #[must_use]
    pub fn get(&self) -> LimitFields {
        *self.0.read()
    }

    /// Chooses anew.
    pub fn set(&self, fields: LimitFields) {
        *self.0.write() = fields;
    }
}

impl From<LimitFields> for ChosenFields {
    fn from(fields: LimitFields) -> Self {
        Self(Arc::new(RwLock::new(fields)))
    }
}

/// Puts the fields of a check into an answer.
pub fn put(fields: LimitFields, checked: &Checked, headers: &mut HeaderMap) {
    if matches!(fields, LimitFields::Ietf | LimitFields::Both) {
        insert(headers, &RATE_LIMIT_POLICY, &policies(checked));
        insert(headers, &RATE_LIMIT, &standings(checked));
    }
    if matches!(fields, LimitFields::Legacy | LimitFields::Both)
        && let Some(verdict) = tightest(checked)
    {
        headers.insert(&X_LIMIT, HeaderValue::from(verdict.limit));
        headers.insert(&X_REMAINING, HeaderValue::from(verdict.remaining));
        headers.insert(&X_RESET, HeaderValue::from(seconds(verdict.reset_ms)));
    }
    if let Outcome::Denied { retry_after_ms } | Outcome::Challenge { retry_after_ms, .. } = checked.outcome {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds(retry_after_ms).max(1)));
    }
}

fn insert(headers: &mut HeaderMap, name: &HeaderName, list: &[String]) {
    if !list.is_empty()
        && let Ok(value) = HeaderValue::try_from(list.join(", "))
    {
        headers.insert(name, value);
    }
}

/// A rule's name is a structured string as it is: letters, digits, `_`, `-` and `.`.
fn policies(checked: &Checked) -> Vec<String> {
    let policy = |said: &Said| {
        let rule = said.ask.rule();
        let window = seconds(millis(rule.options().rate.period));
        format!("\"{}\";q={};w={window}", rule.name(), rule.numbers().limit)
    };
    each(checked).map(policy).collect()
}

fn standings(checked: &Checked) -> Vec<String> {
    let standing = |said: &Said| {
        let verdict = said.verdict?;
        Some(format!("\"{}\";r={};t={}", said.ask.rule().name(), verdict.remaining, seconds(verdict.next_ms)))
    };
    each(checked).filter_map(standing).collect()
}

/// Clients are told of rules that may deny them.
fn each(checked: &Checked) -> impl Iterator<Item = &Said> {
    checked.said.iter().filter(|said| !said.ask.rule().numbers().shadow && said.ask.listed().is_none())
}

fn tightest(checked: &Checked) -> Option<Verdict> {
    each(checked).filter_map(|said| said.verdict).min_by_key(|verdict| (verdict.remaining, std::cmp::Reverse(verdict.reset_ms)))
}

/// Rounded up: whoever waits so long is not too early.
fn seconds(ms: u64) -> u64 {
    ms.div_ceil(1_000)
}
