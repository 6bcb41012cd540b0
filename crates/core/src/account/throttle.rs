//! How often somebody may be wrong about a password: by account and by address, without ever locking an account.
//!
//! A lockout would let anybody lock anybody out. Instead the budget of failures fills up again by and by, and a device on
//! which its owner has logged in before has a budget of its own ([`super::known_device`]), so that it does not matter to the
//! owner what strangers do.
//!
//! An account's budget is kept by the address that was typed, whether there is an account or not: being throttled tells
//! nothing.

use crate::{Answer, bounds, time::Timestamp};
use parking_lot::Mutex;
use std::{collections::HashMap, net::IpAddr, time::Duration};

/// Somebody is about to say a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Whose password it is said to be, or on which known device, in which session: a pseudonym. `None` where what was typed is
    /// nobody's address: strangers to each other share no count.
    pub subject: Option<[u8; 12]>,
    /// The client's address, as far as trusted proxies tell it.
    pub address: Option<IpAddr>,
}

/// Whether an attempt may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may, and counts as failed until [`LoginThrottle::settle`] says otherwise.
    Allowed(CountedIn),
    /// There were too many failures.
    Throttled {
        /// When the next attempt may be made.
        retry_after: Duration,
    },
}

impl Admission {
    /// Whether it may be made.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed(_))
    }
}

/// Where an attempt was counted, and is to be given back: a count that never had it would forgive somebody else's failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CountedIn {
    /// Nowhere.
    Nothing,
    /// In this process.
    Process,
    /// In the store that nodes share.
    Store {
        /// When, by its clock.
        at: Timestamp,
    },
}

/// How an admitted attempt ended, unless it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptEnd {
    /// The password was right: the subject begins anew, and the address gets this attempt back.
    Succeeded,
    /// Nothing was found out, as when the hashing pool was full: both get this attempt back.
    Undecided,
}

/// Bounds guessing. An attempt is counted before the password is looked at and given back where it did not fail: so a client
/// that hangs up early, or many attempts at once, gain nothing.
pub trait LoginThrottle: Send + Sync {
    /// Asks for an attempt. Atomic: of several at once no more are allowed than the budget has. Not idempotent.
    fn admit(&self, attempt: Attempt, now: Timestamp) -> Answer<'_, Admission>;

    /// Gives an attempt back where it was counted. What is never told counts as failed.
    fn settle(&self, attempt: Attempt, counted: CountedIn, end: AttemptEnd) -> Answer<'_, ()>;
}

/// So many failures at once; they are forgotten one by one, evenly over the period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Failures.
    pub failures: u32,
    /// The time after which all of them are forgotten.
    pub period: Duration,
}

impl Budget {
    fn interval_ms(&self) -> u64 {
        (self.period_ms() / u64::from(self.failures.max(1))).max(1)
    }

    fn period_ms(&self) -> u64 {
        crate::time::millis(self.period)
    }

    /// How long a key with this theoretical arrival time has to wait (GCRA: the virtual scheduling of ITU-T I.371).
    fn wait_ms(&self, arrival: u64, now: u64) -> u64 {
        let tolerance = self.period_ms().saturating_sub(self.interval_ms());
        arrival.saturating_sub(now).saturating_sub(tolerance)
    }
}

/// The budgets of a [`LocalThrottle`]; `None` does not bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budgets {
    /// Of one account, or of one known device. Default 50 in 4 hours: half of the failures that NIST SP 800-63B-4 3.2.2
    /// allows in a row, then one in five minutes.
    pub account: Option<Budget>,
    /// Of one address; of a /64 network in IPv6. Default 300 in an hour: many people may stand behind one address.
    pub address: Option<Budget>,
}

impl Default for Budgets {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(60 * 60);
        Self {
            account: Some(Budget { failures: 50, period: Duration::from_secs(4 * 60 * 60) }),
            address: Some(Budget { failures: 300, period: HOUR }),
        }
    }
}

impl Budgets {
    /// Of requests for a new password, each of which may become a mail.
    pub(super) const RESETS: Self = Self {
        account: Some(Budget { failures: 3, period: Duration::from_secs(30 * 60) }),
        address: Some(Budget { failures: 60, period: Duration::from_secs(60 * 60) }),
    };
}

/// Counts in this process. Several nodes allow together as much as each of them.
#[derive(Debug)]
pub struct LocalThrottle {
    budgets: Budgets,
    /// Theoretical arrival times in milliseconds. A key that is not there has its whole budget.
    arrivals: Mutex<HashMap<Key, u64>>,
    capacity: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    Subject([u8; 12]),
    Address(IpAddr),
}

impl LocalThrottle {
    /// With nothing counted so far.
    #[must_use]
    pub fn new(budgets: Budgets) -> Self {
        Self { budgets, arrivals: Mutex::default(), capacity: bounds::THROTTLED_KEYS }
    }

    /// As [`LoginThrottle::admit`]; needs no waiting.
    pub fn admit_at(&self, attempt: &Attempt, now: Timestamp) -> Admission {
        let (keys, now) = (self.keys(attempt), now.millis());
        let mut arrivals = self.arrivals.lock();
        let arrival = |arrivals: &HashMap<Key, u64>, key| arrivals.get(key).copied().unwrap_or_default().max(now);
        let wait_ms = keys.iter().map(|(key, budget)| budget.wait_ms(arrival(&arrivals, key), now)).max().unwrap_or_default();
        if wait_ms > 0 {
            return Admission::Throttled { retry_after: Duration::from_millis(wait_ms) };
        }
        for (key, budget) in &keys {
            let next = arrival(&arrivals, key) + budget.interval_ms();
            self.make_room(&mut arrivals, now);
            arrivals.insert(*key, next);
        }
        Admission::Allowed(CountedIn::Process)
    }

    /// As [`LoginThrottle::settle`]; needs no waiting.
    pub fn settle_now(&self, attempt: &Attempt, counted: CountedIn, end: AttemptEnd) {
        let mut arrivals = self.arrivals.lock();
        for (key, budget) in self.keys(attempt) {
            match (key, end) {
                (Key::Subject(_), AttemptEnd::Succeeded) => {
                    arrivals.remove(&key);
                }
                // Whoever has an account of their own must not buy guesses at others with it: the address is not forgiven.
                _ => {
                    if let Some(arrival) = arrivals.get_mut(&key).filter(|_| counted == CountedIn::Process) {
                        *arrival = arrival.saturating_sub(budget.interval_ms());
                    }
                }
            }
        }
    }

    fn keys(&self, attempt: &Attempt) -> Vec<(Key, Budget)> {
        let subject = attempt.subject.map(Key::Subject).zip(self.budgets.account);
        let address = attempt.address.map(|address| Key::Address(network(address))).zip(self.budgets.address);
        subject.into_iter().chain(address).collect()
    }

    /// Forgets who has been forgiven, or else the eighth that will be first, so that a flood pays for one look at all in so many keys.
    /// What is counted has cost a hash or is one of an account, and keys that were used often go last: a flood that drives out a key
    /// which matters takes longer than the key would last.
    fn make_room(&self, arrivals: &mut HashMap<Key, u64>, now: u64) {
        if arrivals.len() < self.capacity {
            return;
        }
        arrivals.retain(|_, arrival| *arrival > now);
        if arrivals.len() >= self.capacity {
            let mut ends: Vec<u64> = arrivals.values().copied().collect();
            let (_, first, _) = ends.select_nth_unstable(self.capacity / 8);
            arrivals.retain(|_, arrival| arrival > first);
        }
    }

    /// Keys that are counted now.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.arrivals.lock().len()
    }
}

impl LoginThrottle for LocalThrottle {
    fn admit(&self, attempt: Attempt, now: Timestamp) -> Answer<'_, Admission> {
        let admission = self.admit_at(&attempt, now);
        Box::pin(async move { Ok(admission) })
    }

    fn settle(&self, attempt: Attempt, counted: CountedIn, end: AttemptEnd) -> Answer<'_, ()> {
        self.settle_now(&attempt, counted, end);
        Box::pin(async { Ok(()) })
    }
}

/// One customer has a /64 of IPv6 to choose addresses from.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);
    const TEN_A_MINUTE: Budget = Budget { failures: 10, period: Duration::from_secs(60) };

    fn throttle(account: Option<Budget>, address: Option<Budget>) -> LocalThrottle {
        LocalThrottle::new(Budgets { account, address })
    }

    fn attempt(subject: u8, address: &str) -> Attempt {
        Attempt { subject: Some([subject; 12]), address: Some(address.parse().expect("an address")) }
    }

    fn allowed(throttle: &LocalThrottle, attempt: &Attempt, at: Timestamp, tries: usize) -> usize {
        (0..tries).filter(|_| throttle.admit_at(attempt, at).is_allowed()).count()
    }

    // S86: strangers on many addresses use up the account's budget, not the one of a known device.
    #[test]
    fn an_account_is_throttled_whatever_the_address_and_another_subject_is_not() {
        let throttle = throttle(Some(TEN_A_MINUTE), None);
        let from_everywhere =
            (0..100).filter(|n| throttle.admit_at(&attempt(1, &format!("203.0.113.{n}")), START).is_allowed());
        assert_eq!(from_everywhere.count(), 10);
        assert_eq!(allowed(&throttle, &attempt(2, "203.0.113.1"), START, 100), 10);
    }

    #[test]
    fn failures_are_forgotten_one_by_one_and_nobody_is_locked_out() {
        let (throttle, one) = (throttle(Some(TEN_A_MINUTE), None), attempt(1, "203.0.113.1"));
        assert_eq!(allowed(&throttle, &one, START, 20), 10);
        let Admission::Throttled { retry_after } = throttle.admit_at(&one, START) else { panic!("the budget is used up") };
        assert_eq!(retry_after, Duration::from_secs(6));
        assert_eq!(allowed(&throttle, &one, START.plus_ms(5_999), 20), 0, "denied attempts cost nothing and gain nothing");
        assert_eq!(allowed(&throttle, &one, START.plus_ms(6_000), 20), 1);
        assert_eq!(allowed(&throttle, &one, START.plus_ms(66_000), 20), 10);
    }

    #[test]
    fn a_success_clears_the_subject_and_gives_the_address_one_back() {
        let throttle = throttle(Some(TEN_A_MINUTE), Some(TEN_A_MINUTE));
        let one = attempt(1, "203.0.113.1");
        assert_eq!(allowed(&throttle, &one, START, 10), 10);
        throttle.settle_now(&one, CountedIn::Process, AttemptEnd::Succeeded);
        assert_eq!(allowed(&throttle, &one, START, 10), 1, "the address has nine failures");
        assert_eq!(allowed(&throttle, &attempt(1, "203.0.113.2"), START, 10), 9, "the subject has one");
    }

    #[test]
    fn an_account_of_ones_own_buys_no_guesses_at_others() {
        let throttle = throttle(None, Some(TEN_A_MINUTE));
        let (own, other) = (attempt(1, "203.0.113.1"), attempt(2, "203.0.113.1"));
        let guesses = (0..100).filter(|_| {
            if throttle.admit_at(&own, START).is_allowed() {
                throttle.settle_now(&own, CountedIn::Process, AttemptEnd::Succeeded);
            }
            throttle.admit_at(&other, START).is_allowed()
        });
        assert_eq!(guesses.count(), 10);
    }

    #[test]
    fn what_was_not_decided_is_given_back() {
        let (throttle, one) = (throttle(Some(TEN_A_MINUTE), Some(TEN_A_MINUTE)), attempt(1, "203.0.113.1"));
        for _ in 0..50 {
            assert!(throttle.admit_at(&one, START).is_allowed());
            throttle.settle_now(&one, CountedIn::Process, AttemptEnd::Undecided);
        }
        assert_eq!(allowed(&throttle, &one, START, 20), 10);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address_and_so_is_mapped_ipv4() {
        let throttle = throttle(None, Some(TEN_A_MINUTE));
        assert_eq!(allowed(&throttle, &attempt(1, "2001:db8::1"), START, 10), 10);
        assert_eq!(allowed(&throttle, &attempt(2, "2001:db8::ffff:2"), START, 1), 0);
        assert_eq!(allowed(&throttle, &attempt(2, "2001:db8:0:1::2"), START, 1), 1);
        assert_eq!(allowed(&throttle, &attempt(3, "203.0.113.1"), START, 10), 10);
        assert_eq!(allowed(&throttle, &attempt(3, "::ffff:203.0.113.1"), START, 1), 0);
    }

    #[test]
    fn it_remembers_no_more_than_its_bound_and_drops_who_is_forgiven_first() {
        let mut throttle = throttle(Some(TEN_A_MINUTE), None);
        throttle.capacity = 8;
        let victim = attempt(255, "203.0.113.1");
        assert_eq!(allowed(&throttle, &victim, START, 10), 10);
        for subject in 0..100 {
            assert_eq!(allowed(&throttle, &attempt(subject, "203.0.113.1"), START, 1), 1);
        }
        assert!(throttle.len() <= 8);
        assert_eq!(allowed(&throttle, &victim, START, 1), 0, "the key that matters is the last to go");
    }

    // S86
    #[test]
    fn the_default_budget_of_an_account_is_below_what_nist_allows() {
        let throttle = LocalThrottle::new(Budgets::default());
        let guesses = (0..100).filter(|n| throttle.admit_at(&attempt(1, &format!("203.0.113.{n}")), START).is_allowed());
        assert_eq!(guesses.count(), 50);
    }

    #[test]
    fn who_names_no_account_shares_no_count() {
        let throttle = throttle(Some(TEN_A_MINUTE), None);
        let nobody = Attempt { subject: None, address: None };
        assert_eq!(allowed(&throttle, &nobody, START, 100), 100);
    }

    #[test]
    fn without_a_budget_nothing_is_bounded() {
        assert_eq!(allowed(&throttle(None, None), &attempt(1, "203.0.113.1"), START, 1_000), 1_000);
    }
}
