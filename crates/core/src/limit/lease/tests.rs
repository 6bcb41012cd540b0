//! Leases of several nodes over one bucket, in a time of their own, held to one exact limiter that sees only what was spent.

use super::*;
use crate::{
    limit::{
        Algorithm, Demand, Level, LimitKey, RuleOptions, Tally, Usage, decide,
        rule::tests::{options, rule},
    },
    time::Timestamp,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

const KEY: &str = "all";
const SECOND: Duration = Duration::from_secs(1);
const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

fn leased(count: u64, burst: u64) -> Rule {
    let of = options(Algorithm::Gcra, count, SECOND);
    Rule::new(RuleOptions { level: Level::Global, burst: Some(burst), ..of }).expect("a rule")
}

/// What happens at a time, which is in microseconds since the start.
#[derive(Debug)]
enum Step {
    /// A refill gets to the store.
    Refilled { node: usize, cost: u64, batch: u64, asked_at: u64 },
    /// A refill is back.
    Back { node: usize, cost: u64, filled: Option<Filled> },
}

/// Nodes, and the store that they share.
struct Fleet {
    rule: Arc<Rule>,
    nodes: Vec<Leases>,
    /// The costs of requests that wait for the refill of their node; `None` where none is under way.
    waiting: Vec<Option<Vec<u64>>>,
    base: Instant,
    /// How far the server's clock is into a millisecond when the nodes' begins one.
    phase_us: u64,
    trip_us: u64,
    /// Of so many answers one is lost; 0 for none.
    lost_each: u64,
    steps: BTreeMap<(u64, usize), Step>,
    number: usize,
    kept: Option<Usage>,
    /// Sees only what was spent, when it was.
    exact: Tally,
    granted: u64,
    questions: u64,
}

impl Fleet {
    fn new(rule: Rule, nodes: usize, phase_us: u64, trip_us: u64) -> Self {
        let exact = Tally::new(rule.numbers(), START);
        Self {
            rule: rule.shared(),
            nodes: (0..nodes).map(|_| Leases::default()).collect(),
            waiting: vec![None; nodes],
            base: Instant::now(),
            phase_us,
            trip_us,
            lost_each: 0,
            steps: BTreeMap::new(),
            number: 0,
            kept: None,
            exact,
            granted: 0,
            questions: 0,
        }
    }

    fn at(&mut self, us: u64, step: Step) {
        self.number += 1;
        self.steps.insert((us, self.number), step);
    }

    fn instant(&self, us: u64) -> Instant {
        self.base + Duration::from_micros(us)
    }

    fn server(&self, us: u64) -> Timestamp {
        START.plus_ms((us + self.phase_us) / 1_000)
    }

    /// A request comes to a node, after all that came before it.
    fn ask(&mut self, us: u64, node: usize, cost: u64, comes_to_nothing: bool) {
        self.run_until(us);
        let draw = self.nodes[node].draw(&self.rule, KEY, cost, self.instant(us));
        self.drawn(us, (node, cost), draw, comes_to_nothing);
    }

    fn run_until(&mut self, end: u64) {
        while let Some(first) = self.steps.first_entry().filter(|first| first.key().0 <= end) {
            let ((us, _), step) = first.remove_entry();
            match step {
                Step::Refilled { node, cost, batch, asked_at } => {
                    let filled = self.take_ahead(us, cost, batch, asked_at);
                    let is_lost = self.questions.checked_rem(self.lost_each) == Some(0);
                    self.at(us + self.trip_us, Step::Back { node, cost, filled: (!is_lost).then_some(filled) });
                }
                Step::Back { node, cost, filled } => self.back(us, node, cost, filled),
            }
        }
    }

    fn drawn(&mut self, us: u64, (node, cost): (usize, u64), draw: Draw, comes_to_nothing: bool) {
        match draw {
            Draw::Spent(verdict) if comes_to_nothing => {
                let key = LimitKey::new(KEY).expect("a key");
                let spent = Refund { rule: self.rule.clone(), key, cost, taken_at: verdict.at };
                self.nodes[node].put_back(&spent);
            }
            Draw::Spent(_) => self.grant(us, cost),
            Draw::Cold if self.take(us, cost).0 => self.grant(us, cost),
            Draw::Dry { batch, .. } => match &mut self.waiting[node] {
                Some(waiting) => waiting.push(cost),
                none => {
                    *none = Some(Vec::new());
                    self.at(us + self.trip_us, Step::Refilled { node, cost, batch, asked_at: us });
                }
            },
            Draw::Cold | Draw::Denied(_) => {}
        }
    }

    fn back(&mut self, us: u64, node: usize, cost: u64, filled: Option<Filled>) {
        let (leases, now) = (&self.nodes[node], self.instant(us));
        if let Draw::Dry { refill, .. } = leases.draw_again(&self.rule, KEY, cost, now) {
            match filled {
                Some(filled) => leases.fill(&self.rule, KEY, &refill, filled, now),
                None => leases.give_up(&self.rule, KEY, &refill),
            }
        }
        let waiting = self.waiting[node].take().unwrap_or_default();
        for cost in std::iter::once(cost).filter(|_| filled.is_some()).chain(waiting) {
            let draw = self.nodes[node].draw_again(&self.rule, KEY, cost, now);
            self.drawn(us, (node, cost), draw, false);
        }
    }

    /// Asks the store.
    fn take(&mut self, us: u64, cost: u64) -> (bool, Verdict) {
        self.questions += 1;
        let demand = Demand { rule: self.rule.clone(), key: LimitKey::new(KEY).expect("a key"), cost };
        let (decision, mut changed) = decide(&[demand], vec![self.kept.clone()], self.server(us));
        if let Some((_, usage)) = changed.pop() {
            self.kept = Some(usage);
        }
        (decision.granted, decision.verdicts[0])
    }

    fn take_ahead(&mut self, us: u64, cost: u64, batch: u64, asked_at: u64) -> Filled {
        let (granted, verdict) = self.take(us, batch);
        let asked_at = self.instant(asked_at);
        if granted {
            return Filled::Units { units: batch, is_whole: true, verdict, asked_at };
        }
        let units = cost.max(verdict.remaining.min(batch));
        match self.take(us, units) {
            (true, verdict) => Filled::Units { units, is_whole: false, verdict, asked_at },
            (false, verdict) => Filled::Nothing { cost, verdict },
        }
    }

    /// Whatever a node allows, the exact limiter allows at that time.
    fn grant(&mut self, us: u64, cost: u64) {
        let (rule, now) = (self.rule.numbers(), self.server(us));
        self.exact = self.exact.clone().at(rule, now);
        assert_eq!(self.exact.wait_ms(rule, cost, now), 0, "{cost} too many at {us} µs, after {}", self.granted);
        self.exact.take(rule, cost, now);
        self.granted += cost;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    /// L23: nothing is ever granted that one limiter would not have granted.
    #[test]
    fn nodes_never_grant_more_than_one_limiter(
        nodes in 1_usize..9,
        count in 100_u64..100_000,
        burst in 128_u64..2_000,
        phase_us in 0_u64..1_000,
        trip_us in 0_u64..3_000,
        asks in prop::collection::vec((0_u64..100, 1_u64..12, 0_u8..8), 500..2_000),
        rests in prop::collection::btree_map(0_usize..2_000, 0_u64..40_000, 0..30),
    ) {
        let mut fleet = Fleet { lost_each: 5, ..Fleet::new(leased(count, burst), nodes, phase_us, trip_us) };
        let mut us = 0;
        for (number, (wait, cost, dice)) in asks.into_iter().enumerate() {
            // A bucket that was left alone is empty, and whatever is still held of it would come on top of a burst.
            us += wait + rests.get(&number).copied().unwrap_or(0);
            // Neighbours in time are mostly of one node, so that some of them are hot.
            let node = if dice < 2 { number } else { number / 150 } % nodes;
            fleet.ask(us, node, cost, dice == 7);
        }
        fleet.run_until(u64::MAX);
    }
}

/// So many checks of one key in a second, evenly from 8 nodes: how many questions they cost, and how many are granted.
fn hot(count: u64, burst: u64, checks: u64) -> (u64, u64) {
    const NODES: u64 = 8;
    let mut fleet = Fleet::new(leased(count, burst), NODES as usize, 300, 150);
    for number in 0..checks {
        fleet.ask(number * 1_000_000 / checks, (number % NODES) as usize, 1, false);
    }
    fleet.run_until(u64::MAX);
    (fleet.questions, fleet.granted)
}

/// L23: 200,000 checks a second over 8 nodes cost less than a question in a hundred, and get what is due.
#[test]
fn a_hot_key_is_hardly_asked_for() {
    const CHECKS: u64 = 200_000;
    // Far below the limit, near it, and far above it.
    for count in [1_000_000, 210_000, 5_000] {
        let (questions, granted) = hot(count, count, CHECKS);
        let due = (2 * count).min(CHECKS);
        assert!(questions * 100 < CHECKS, "{count}: {questions} questions");
        assert!(granted * 100 >= due * 95, "{count}: {granted} of {due}");
    }
}

/// A key that is just hot, under a limit that is far away, is not asked for because what is held drains off.
#[test]
fn a_lease_outlives_a_bucket_that_drains_fast() {
    const CHECKS: u64 = 16_000;
    let (questions, granted) = hot(1_000_000, 1_000_000, CHECKS);
    assert_eq!(granted, CHECKS);
    // A hundred for each node before it is hot, and one each 60 ms after that.
    assert!(questions < 1_200, "{questions}");
}

#[test]
fn a_key_that_is_not_hot_is_asked_one_by_one() {
    let (leases, rule, start) = (Leases::default(), leased(1_000, 1_000), Instant::now());
    for number in 0..1_000 {
        let now = start + number * Duration::from_millis(2);
        assert!(matches!(leases.draw(&rule, KEY, 1, now), Draw::Cold), "{number}");
    }
    let now = start + 3 * SECOND;
    let hot = (0..LEASE_HOT).map(|_| leases.draw(&rule, KEY, 1, now)).last();
    assert!(matches!(hot, Some(Draw::Dry { batch: 62, .. })), "{hot:?}: a sixteenth of the limit");
    assert!(matches!(leases.draw(&rule, KEY, 63, now), Draw::Cold), "more than a batch");
    leases.forget(rule.name(), Some(KEY));
    assert!(matches!(leases.draw(&rule, KEY, 1, now), Draw::Cold), "forgotten");
}

#[test]
fn keys_that_are_counted_are_bounded() {
    let (leases, rule, now) = (Leases::default(), rule(Algorithm::Gcra, 1_000, SECOND), Instant::now());
    for number in 0..3 * bounds::LEASED_KEYS {
        leases.draw(&rule, &number.to_string(), 1, now);
    }
    assert!(leases.0.lock()[rule.name()].len() <= bounds::LEASED_KEYS);
}
