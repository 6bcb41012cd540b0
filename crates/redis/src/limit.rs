//! [`RedisLimits`]: counts that all processes share.
//!
//! The rule of the core is repeated in Lua (`lua/limit_*.lua`), because a limit that is asked for at every request cannot be decided here and
//! compared there: under contention every try but one would be lost.

use crate::{
    RedisOptions, RedisStore,
    address::RedisAddress,
    bounds,
    connection::Master,
    fault::odd,
    key::{Key, limit_pattern},
    link::{Link, integer},
    script::{LimitScripts, Script},
    state::RedisState,
    walk::scanned,
};
use futures_util::future::join_all;
use redis::Value;
use std::{collections::BTreeMap, time::Duration};
use vestibule_core::{
    Answer,
    fault::Fault,
    id::Home,
    limit::{Decision, Demand, LimitKey, LimitStore, Matched, Refund, ResetPattern, Rule, Standing, Verdict},
    time::Timestamp,
};

/// Whose clock counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitTime {
    /// The server's: all processes mean the same by now, however wrong their own clocks are.
    Server,
    /// The caller's, for tests in which time has to pass.
    Caller,
}

/// Counts on Redis. Every key has a TTL, written in the same step as its value.
#[derive(Debug, Clone)]
pub struct RedisLimits {
    link: Link,
    scripts: LimitScripts,
    is_cluster: bool,
    time: LimitTime,
}

impl RedisLimits {
    /// Counts on a Redis of their own. Needs a tokio runtime.
    #[must_use]
    pub fn new(address: RedisAddress, options: &RedisOptions) -> Self {
        let is_cluster = address.is_cluster();
        Self::over(Link::new(address, options, false), is_cluster)
    }

    fn over(link: Link, is_cluster: bool) -> Self {
        Self { link, scripts: LimitScripts::default(), is_cluster, time: LimitTime::Server }
    }

    /// With another clock.
    #[must_use]
    pub fn with_time(self, time: LimitTime) -> Self {
        Self { time, ..self }
    }

    /// With another deadline of each call.
    #[must_use]
    pub fn with_deadline(self, deadline: Duration) -> Self {
        Self { link: self.link.with_deadline(deadline), ..self }
    }

    /// Connects, and makes the scripts known to the server so that no request pays for it.
    ///
    /// # Errors
    /// A [`Fault`] of the server. The store can be used all the same.
    pub async fn warm_up(&self) -> Result<(), Fault> {
        self.link.within(self.link.preload(&self.scripts.all())).await
    }

    fn given(&self, now: Timestamp) -> Vec<u8> {
        match self.time {
            LimitTime::Server => Vec::new(),
            LimitTime::Caller => number(now.millis()),
        }
    }

    /// The places of what belongs together: all of it, where one server has everything; else by home.
    fn groups<'a>(&self, keys: impl Iterator<Item = &'a LimitKey>) -> Vec<(Home, Vec<usize>)> {
        let mut groups: BTreeMap<Home, Vec<usize>> = BTreeMap::new();
        let mut first = None;
        for (place, key) in keys.enumerate() {
            let home = if self.is_cluster { key.home() } else { *first.get_or_insert(key.home()) };
            groups.entry(home).or_default().push(place);
        }
        groups.into_iter().collect()
    }

    async fn ask(&self, script: &Script, home: Home, demands: &[&Demand], now: Timestamp) -> Result<Decision, Fault> {
        let keys: Vec<Key> = demands.iter().map(|demand| Key::limit(demand.rule.name(), &demand.key)).collect();
        let mut arguments = Vec::with_capacity(1 + 2 * demands.len());
        arguments.push(self.given(now));
        for demand in demands {
            arguments.push(packed(&demand.rule));
            arguments.push(number(demand.cost));
        }
        decision(self.link.at(home, self.link.run(script, &keys, &arguments)).await?, demands.len())
    }

    /// One trip: to one server, or to all that have some of the keys at once. What was decided, and the fault of whoever did not answer.
    async fn ask_all(&self, script: &Script, demands: &[Demand], now: Timestamp) -> (Vec<Part>, Option<Fault>) {
        let asked = self.groups(demands.iter().map(|demand| &demand.key)).into_iter().map(|(home, places)| async move {
            let demands: Vec<&Demand> = places.iter().map(|place| &demands[*place]).collect();
            (self.ask(script, home, &demands, now).await, places)
        });
        let (mut parts, mut fault) = (Vec::new(), None);
        for (answer, places) in join_all(asked).await {
            match answer {
                Ok(decision) => parts.push(Part { places, decision }),
                Err(error) => fault = Some(error),
            }
        }
        (parts, fault)
    }

    async fn decide(&self, demands: &[Demand], now: Timestamp) -> Result<Decision, Fault> {
        let (mut parts, fault) = self.ask_all(&self.scripts.check, demands, now).await;
        let granted = fault.is_none() && parts.iter().all(|part| part.decision.granted);
        let (places, refunds): (Vec<usize>, Vec<Refund>) =
            if granted { Default::default() } else { taken(demands, &parts).into_iter().unzip() };
        let after = self.give_back(&refunds, now).await;
        if let Some(fault) = fault {
            // What could not be given back drains off by itself.
            return Err(fault);
        }
        let after = after?;
        parts.iter_mut().for_each(|part| part.untake(demands, &places, &after));
        Ok(Decision { gave_back: !after.is_empty(), ..joined(parts, granted, demands.len()) })
    }

    /// Gives back, and tells where each key stands then.
    async fn give_back(&self, refunds: &[Refund], now: Timestamp) -> Result<Vec<(usize, Verdict)>, Fault> {
        let asked = self.groups(refunds.iter().map(|refund| &refund.key)).into_iter().map(|(home, places)| async move {
            let refunds = places.iter().map(|place| &refunds[*place]);
            let keys: Vec<Key> = refunds.clone().map(|refund| Key::limit(refund.rule.name(), &refund.key)).collect();
            let mut arguments = vec![self.given(now)];
            for refund in refunds {
                arguments.extend([packed(&refund.rule), number(refund.cost), number(refund.taken_at.millis())]);
            }
            let answer = self.link.at(home, self.link.run(&self.scripts.refund, &keys, &arguments)).await?;
            decision(answer, keys.len()).map(|decision| (places, decision))
        });
        let mut verdicts = Vec::with_capacity(refunds.len());
        for answer in join_all(asked).await {
            let (places, decision) = answer?;
            verdicts.extend(places.into_iter().zip(decision.verdicts));
        }
        Ok(verdicts)
    }

    async fn reset_all(&self, pattern: &ResetPattern) -> Result<Matched, Fault> {
        let mut matched = Matched::default();
        for master in self.link.within(self.link.masters()).await?.iter() {
            let mut cursor = 0;
            loop {
                let (next, names) = self.scan(master, cursor, pattern).await?;
                self.reset_some(pattern, &names, &mut matched).await?;
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(matched)
    }

    async fn scan(&self, master: &Master, cursor: u64, pattern: &ResetPattern) -> Result<(u64, Vec<String>), Fault> {
        let mut scan = redis::cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(limit_pattern(&pattern.rule, &pattern.glob)).arg("COUNT").arg(bounds::WALK_STEP);
        scanned(self.link.within(self.link.read_at(master, &scan)).await?)
    }

    /// A walk may meet a key twice: whoever is gone by then is not counted again.
    async fn reset_some(&self, pattern: &ResetPattern, names: &[String], matched: &mut Matched) -> Result<(), Fault> {
        let meant: Vec<_> = names
            .iter()
            .filter_map(|name| Some((name, Key::limit_text(name, &pattern.rule).filter(|text| pattern.matches(text))?)))
            .collect();
        if meant.is_empty() {
            return Ok(());
        }
        let verb = if pattern.dry_run { "EXISTS" } else { "UNLINK" };
        let ask: Vec<_> = meant.iter().map(|(name, _)| redis::cmd(verb).arg(name.as_str()).take()).collect();
        for ((_, text), answer) in meant.iter().zip(self.link.within(self.link.read_all(&ask)).await?) {
            if integer(&answer)? > 0 {
                matched.add(text);
            }
        }
        Ok(())
    }
}

impl RedisStore {
    /// Counts on the same Redis, through the same connection.
    #[must_use]
    pub fn limits(&self) -> RedisLimits {
        RedisLimits::over(self.link.clone(), self.link.is_cluster())
    }
}

impl RedisState {
    /// See [`RedisStore::limits`].
    #[must_use]
    pub fn limits(&self) -> RedisLimits {
        self.0.limits()
    }
}

/// What one server decided of some of the demands.
struct Part {
    places: Vec<usize>,
    decision: Decision,
}

impl Part {
    /// What was taken here was given back: where each key stands since, by the place of what was given back.
    fn untake(&mut self, demands: &[Demand], places: &[usize], after: &[(usize, Verdict)]) {
        for (place, verdict) in self.places.iter().zip(&mut self.decision.verdicts) {
            let is_same = |(refund, _): &&(usize, Verdict)| demands[places[*refund]].counts_with(&demands[*place]);
            if let Some((_, after)) = after.iter().find(is_same) {
                *verdict = Verdict { standing: verdict.standing, retry_ms: verdict.retry_ms, ..*after };
            }
        }
    }
}

/// What was taken, with the place of its demand.
fn taken(demands: &[Demand], parts: &[Part]) -> Vec<(usize, Refund)> {
    let granted = parts.iter().filter(|part| part.decision.granted);
    let each = granted.flat_map(|part| part.places.iter().zip(&part.decision.verdicts));
    let refund = |(place, verdict): (&usize, &Verdict)| {
        let Demand { rule, key, cost } = demands[*place].clone();
        verdict.allowed().then_some((*place, Refund { rule, key, cost, taken_at: verdict.at }))
    };
    each.filter_map(refund).collect()
}

/// Everything in the order in which it was asked.
fn joined(parts: Vec<Part>, granted: bool, count: usize) -> Decision {
    let mut verdicts: Vec<(usize, Verdict)> = Vec::with_capacity(count);
    for part in parts {
        verdicts.extend(part.places.into_iter().zip(part.decision.verdicts));
    }
    verdicts.sort_unstable_by_key(|(place, _)| *place);
    Decision { granted, verdicts: verdicts.into_iter().map(|(_, verdict)| verdict).collect(), gave_back: false }
}

/// Time, whether it is granted, and seven numbers for each demand.
fn decision(answer: Value, count: usize) -> Result<Decision, Fault> {
    const EACH: usize = 7;
    let Value::Array(items) = answer else { return Err(odd("a limit was not answered by a list")) };
    let numbers: Vec<u64> = items
        .iter()
        .map(|item| u64::try_from(integer(item)?).map_err(|_| odd("a limit was answered by a negative number")))
        .collect::<Result<_, _>>()?;
    let (Some([at, granted]), Some(rest)) = (numbers.first_chunk::<2>(), numbers.get(2..)) else {
        return Err(odd("a limit was answered by too few numbers"));
    };
    let (each, odd_ones) = rest.as_chunks::<EACH>();
    if each.len() != count || !odd_ones.is_empty() {
        return Err(odd("a limit was not answered by seven numbers a demand"));
    }
    let at = Timestamp::from_millis(*at);
    let verdicts = each.iter().map(|numbers| verdict(at, *numbers)).collect::<Result<_, _>>()?;
    Ok(Decision { granted: *granted == 1, verdicts, gave_back: false })
}

fn verdict(at: Timestamp, numbers: [u64; 7]) -> Result<Verdict, Fault> {
    let [standing, limit, remaining, next_ms, reset_ms, retry_ms, strikes] = numbers;
    let standing = match standing {
        0 => Standing::Allowed,
        1 => Standing::Denied,
        2 => Standing::Blocked,
        3 => Standing::Unsatisfiable,
        _ => return Err(odd("a limit stands as nothing that is known")),
    };
    Ok(Verdict { at, standing, limit, remaining, next_ms, reset_ms, retry_ms, strikes })
}

fn number(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// A rule for the scripts: a MessagePack array of eleven numbers.
fn packed(rule: &Rule) -> Vec<u8> {
    let rule = rule.numbers();
    let penalty = rule.penalty;
    let of_penalty = |number: fn(vestibule_core::limit::Penalty) -> u64| penalty.map_or(0, number);
    let numbers = [
        rule.algorithm.number(),
        rule.limit,
        rule.period_ms,
        rule.weight,
        rule.drain,
        u64::from(rule.shadow),
        of_penalty(|penalty| penalty.base_ms),
        of_penalty(|penalty| penalty.factor),
        of_penalty(|penalty| penalty.cap_ms),
        of_penalty(|penalty| penalty.decay_ms),
        of_penalty(|penalty| u64::from(penalty.extend_on_hit)),
    ];
    const ARRAY: u8 = 0x90;
    const UINT_64: u8 = 0xcf;
    const SMALLEST_LONG: u64 = 0x80;
    let mut bytes = Vec::with_capacity(1 + 9 * numbers.len());
    bytes.push(ARRAY | numbers.len() as u8);
    for number in numbers {
        if number < SMALLEST_LONG {
            bytes.push(number as u8);
        } else {
            bytes.push(UINT_64);
            bytes.extend(number.to_be_bytes());
        }
    }
    bytes
}

impl LimitStore for RedisLimits {
    fn check<'a>(&'a self, demands: &'a [Demand], now: Timestamp) -> Answer<'a, Decision> {
        Box::pin(self.decide(demands, now))
    }

    fn peek<'a>(&'a self, demands: &'a [Demand], now: Timestamp) -> Answer<'a, Decision> {
        Box::pin(async move {
            let (parts, fault) = self.ask_all(&self.scripts.peek, demands, now).await;
            if let Some(fault) = fault {
                return Err(fault);
            }
            let granted = parts.iter().all(|part| part.decision.granted);
            Ok(joined(parts, granted, demands.len()))
        })
    }

    fn refund<'a>(&'a self, refunds: &'a [Refund], now: Timestamp) -> Answer<'a, ()> {
        Box::pin(async move { self.give_back(refunds, now).await.map(drop) })
    }

    fn reset<'a>(&'a self, rule: &'a str, key: &'a LimitKey) -> Answer<'a, bool> {
        Box::pin(async move {
            let unlink = redis::cmd("UNLINK").arg(Key::limit(rule, key)).take();
            let answer = self.link.at(key.home(), self.link.read(&unlink)).await?;
            Ok(integer(&answer)? > 0)
        })
    }

    fn pardon<'a>(&'a self, rule: &'a Rule, key: &'a LimitKey, now: Timestamp) -> Answer<'a, ()> {
        Box::pin(async move {
            let (keys, arguments) = ([Key::limit(rule.name(), key)], [self.given(now), packed(rule)]);
            self.link.at(key.home(), self.link.run(&self.scripts.pardon, &keys, &arguments)).await.map(drop)
        })
    }

    fn reset_matching<'a>(&'a self, pattern: &'a ResetPattern) -> Answer<'a, Matched> {
        Box::pin(self.reset_all(pattern))
    }
}

#[cfg(test)]
mod tests {
    use vestibule_core::limit::Algorithm;

    #[test]
    fn algorithms_have_numbers_of_their_own() {
        let numbers = [Algorithm::Gcra, Algorithm::Sliding, Algorithm::Fixed, Algorithm::Concurrent].map(Algorithm::number);
        assert_eq!(numbers, [1, 2, 3, 4], "stored counts and scripts know them");
    }
}
