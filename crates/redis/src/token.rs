//! [`TokenStore`] on Redis. Families stand in their user; what is denied stands in one sorted set for each home, by its end.

use crate::{RedisStore, bounds, fault::odd, key::Key};
use redis::Value;
use vestibule_core::{
    Answer,
    fault::Fault,
    id::Home,
    time::Timestamp,
    token::{Denial, DenialPlace, NewDenials, TokenStore, command::*},
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

/// When a home denied something last, as its server said; 0 where it does not know of it.
fn denied_at(answer: Value) -> Option<u64> {
    match answer {
        Value::Nil => Some(0),
        Value::BulkString(text) => std::str::from_utf8(&text).ok()?.parse().ok(),
        _ => None,
    }
}

impl RedisStore {
    /// What is denied in the homes that denied something since they were read. A time is only compared for being the same: after a
    /// failover it may be an earlier one.
    async fn new_denials(&self, now: Timestamp, after: DenialPlace) -> Result<NewDenials, Fault> {
        // Asked first: what is denied while the homes are read is read again by whoever goes on from here.
        let times = self.denied_at().await?;
        let known = |home: usize| after.figures().get(home);
        let news: Vec<Home> =
            (0..Home::COUNT).filter(|home| known(*home) != times.get(*home)).map(|home| Home(home as u8)).collect();
        Ok(NewDenials { denials: self.denied_in(&news, now).await?, place: DenialPlace::new(times) })
    }

    async fn denied_at(&self) -> Result<Vec<u64>, Fault> {
        let ask = |home| redis::cmd("HGET").arg(Key::figures(Home(home as u8))).arg("denied").take();
        let ask: Vec<_> = (0..Home::COUNT).map(ask).collect();
        let answers = self.link.within(self.link.read_all(&ask)).await?;
        answers.into_iter().map(|answer| denied_at(answer).ok_or_else(|| odd("the time of a denial is no number"))).collect()
    }

    /// A few homes a trip, each trip with a deadline of its own: this is not about one user, and there may be many.
    async fn denied_in(&self, homes: &[Home], now: Timestamp) -> Result<Vec<Denial>, Fault> {
        let mut all = Vec::new();
        let after = format!("({}", now.millis());
        for homes in homes.chunks(bounds::HOMES_AT_ONCE) {
            let ask = |home: &Home| {
                redis::cmd("ZRANGE").arg(Key::denials(*home)).arg(&after).arg("+inf").arg("BYSCORE").arg("WITHSCORES").take()
            };
            let ask: Vec<_> = homes.iter().map(ask).collect();
            for answer in self.link.within(self.link.read_all(&ask)).await? {
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

    fn denials(&self, now: Timestamp, after: DenialPlace) -> Answer<'_, NewDenials> {
        Box::pin(self.new_denials(now, after))
    }
}
