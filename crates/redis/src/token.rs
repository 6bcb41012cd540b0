//! [`TokenStore`] on Redis. Families stand in their user; what is denied stands in one sorted set for each home, by its end.

use crate::{RedisStore, bounds, fault::odd, key::Key};
use redis::Value;
use vestibule_core::{
    Answer,
    fault::Fault,
    id::Home,
    time::Timestamp,
    token::{Denial, TokenStore, command::*},
    user::Context,
};

/// A member of the set, with its score.
fn denial(member: &Value, score: &Value) -> Option<Denial> {
    let Value::BulkString(bytes) = member else { return None };
    let until = match score {
        Value::Double(until) => *until as u64,
        Value::BulkString(text) => std::str::from_utf8(text).ok()?.parse::<f64>().ok()? as u64,
        _ => return None,
    };
    Denial::from_bytes(bytes, Timestamp::from_millis(until))
}

/// Pairs, one after the other or each in a list of its own, as the protocol has it.
fn denials(answer: Value) -> Option<Vec<Denial>> {
    let Value::Array(items) = answer else { return None };
    let pairs = items.iter().all(|item| matches!(item, Value::Array(_)));
    let flat = match pairs {
        true => items.into_iter().flat_map(|item| if let Value::Array(pair) = item { pair } else { Vec::new() }).collect(),
        false => items,
    };
    let (pairs, []) = flat.as_chunks::<2>() else { return None };
    pairs.iter().map(|[member, score]| denial(member, score)).collect()
}

impl RedisStore {
    /// A few homes a trip, each trip with a deadline of its own: this is not about one user, and there may be many.
    async fn denied(&self, now: Timestamp) -> Result<Vec<Denial>, Fault> {
        let mut all = Vec::new();
        for first in (0..Home::COUNT).step_by(bounds::HOMES_AT_ONCE) {
            let ask = (first..first + bounds::HOMES_AT_ONCE).map(|home| {
                let mut ask = redis::cmd("ZRANGE");
                ask.arg(Key::denials(Home(home as u8)))
                    .arg(format!("({}", now.millis()))
                    .arg("+inf")
                    .arg("BYSCORE")
                    .arg("WITHSCORES");
                ask
            });
            for answer in self.link.within(self.link.read_all(&ask.collect::<Vec<_>>())).await? {
                all.append(&mut denials(answer).ok_or_else(|| odd("a stored denial cannot be read"))?);
            }
        }
        Ok(all)
    }
}

impl TokenStore for RedisStore {
    fn issue(&self, cx: Context, command: IssueFamily) -> Answer<'_, IssueOutcome> {
        Box::pin(self.run(cx, command))
    }

    fn refresh(&self, cx: Context, command: Refresh) -> Answer<'_, RefreshOutcome> {
        Box::pin(self.run(cx, command))
    }

    fn revoke(&self, cx: Context, command: RevokeTokens) -> Answer<'_, RevokeOutcome> {
        Box::pin(self.run_ending(cx, command))
    }

    fn denials(&self, now: Timestamp) -> Answer<'_, Vec<Denial>> {
        Box::pin(self.denied(now))
    }
}
