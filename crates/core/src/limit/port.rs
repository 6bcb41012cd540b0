//! The port of limits.

use super::{Decision, Demand, LimitKey, Rule, bounds};
use crate::{Answer, time::Timestamp};
use std::sync::Arc;

/// Gives back what was taken.
#[derive(Debug, Clone)]
pub struct Refund {
    /// The rule.
    pub rule: Arc<Rule>,
    /// The key.
    pub key: LimitKey,
    /// Units.
    pub cost: u64,
    /// When they were taken: [`super::Verdict::at`].
    pub taken_at: Timestamp,
}

/// Which keys of a rule: `*` stands for anything, `?` for one character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResetPattern {
    /// The name of the rule.
    pub rule: Box<str>,
    /// The keys.
    pub glob: Box<str>,
    /// Whether nothing is reset, only found.
    pub dry_run: bool,
}

/// What a pattern met.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Matched {
    /// How many keys.
    pub count: u64,
    /// Some of them by name, [`bounds::PATTERN_SAMPLE`] at most.
    pub sample: Vec<Box<str>>,
}

impl Matched {
    /// Counts one more.
    pub fn add(&mut self, key: &str) {
        self.count += 1;
        if self.sample.len() < bounds::PATTERN_SAMPLE {
            self.sample.push(key.into());
        }
    }
}

impl ResetPattern {
    /// Whether it means a key.
    #[must_use]
    pub fn matches(&self, key: &str) -> bool {
        glob_matches(self.glob.as_bytes(), key.as_bytes())
    }
}

/// Linear but for the way back to the last `*`.
fn glob_matches(glob: &[u8], text: &[u8]) -> bool {
    let (mut at, mut here, mut star) = (0, 0, None);
    while here < text.len() {
        match glob.get(at) {
            Some(b'*') => {
                star = Some((at, here));
                at += 1;
            }
            Some(wanted) if *wanted == b'?' || *wanted == text[here] => (at, here) = (at + 1, here + 1),
            _ => {
                let Some((back, from)) = star else { return false };
                (at, here) = (back + 1, from + 1);
                star = Some((back, from + 1));
            }
        }
    }
    glob[at..].iter().all(|rest| *rest == b'*')
}

/// Keeps counts.
///
/// A store on a server decides by that server's clock and ignores `now`; one in process goes by it. Nothing here is a promise that
/// survives the loss of the state: what is forgotten is forgiven.
pub trait LimitStore: std::fmt::Debug + Send + Sync {
    /// Decides all demands together by [`super::decide`].
    ///
    /// Atomic, in one round trip; on a Cluster, where the keys lie on several servers, one trip to all at once, and what was taken is given
    /// back where another denied: it never allows too much, and may for one round trip deny what somebody else's refused request held.
    /// A lost answer may have taken its cost. Nothing is repeated by itself.
    fn check<'a>(&'a self, demands: &'a [Demand], now: Timestamp) -> Answer<'a, Decision>;

    /// Whether a check costs a round trip, so that it is worth taking units of a hot key ahead.
    fn costs_a_trip(&self) -> bool {
        true
    }

    /// How the demands stand, taking nothing. A read.
    fn peek<'a>(&'a self, demands: &'a [Demand], now: Timestamp) -> Answer<'a, Decision>;

    /// Gives back what was taken, each by itself. A repeat gives back twice.
    fn refund<'a>(&'a self, refunds: &'a [Refund], now: Timestamp) -> Answer<'a, ()>;

    /// Forgets a key: count, strikes and block. Whether there was anything.
    fn reset<'a>(&'a self, rule: &'a str, key: &'a LimitKey) -> Answer<'a, bool>;

    /// Lets a key begin anew: count and block are forgotten, strikes stay. A repeat changes nothing.
    fn pardon<'a>(&'a self, rule: &'a Rule, key: &'a LimitKey, now: Timestamp) -> Answer<'a, ()>;

    /// Forgets all keys that a pattern means, by a walk in bounded steps off the request path.
    fn reset_matching<'a>(&'a self, pattern: &'a ResetPattern) -> Answer<'a, Matched>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_is_stars_and_question_marks() {
        let matches = |glob, text| glob_matches(str::as_bytes(glob), str::as_bytes(text));
        for (glob, text) in
            [("*", ""), ("*", "x"), ("a*c", "abbc"), ("a*c*", "acc"), ("?b", "ab"), ("10.0.*", "10.0.3.4"), ("[a]", "[a]")]
        {
            assert!(matches(glob, text), "{glob} {text}");
        }
        for (glob, text) in [("", "x"), ("a*c", "abb"), ("?", ""), ("??", "a"), ("[a]", "a"), ("a", "ab")] {
            assert!(!matches(glob, text), "{glob} {text}");
        }
        assert!(!matches(&"*a".repeat(40), &"a".repeat(39)));
    }
}
