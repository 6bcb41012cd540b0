//! Counts: every algorithm, all levels of a request at once, penalties, and what becomes of them when time passes or goes back.

mod guess;
mod hot;
mod limiter;
mod meanwhile;
mod together;

pub use guess::{
    a_challenge_is_solved_once_by_all_nodes, a_pardon_forgives_all_but_the_strikes, stuffed_credentials_get_nowhere,
};
pub use hot::nodes_share_a_hot_key;
pub use limiter::{
    a_caller_may_wait_to_be_allowed, listed_addresses_are_not_counted, rules_change_and_counts_go_on,
    single_keys_have_numbers_of_their_own,
};
pub use meanwhile::{
    a_denial_on_its_way_does_not_outlive_a_reset, a_refund_is_told_of_what_was_nearly_used_up,
    a_wait_for_several_units_asks_no_more_than_it_must, a_waiter_goes_by_the_rules_in_effect,
    an_attempt_is_given_back_where_it_was_counted,
};
pub use together::{a_request_takes_from_all_its_rules_or_from_none, demands_for_one_key_add_up};

use crate::bounds::{LIMIT_STEPS, LIMIT_TASKS};
use std::{
    any::Any,
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use vestibule_core::{
    bus::{Bus, LocalBus, Repeats},
    deployment::Deployment,
    event::Observer,
    limit::{
        Algorithm, Decision, Demand, Level, LimitKey, LimitStore, Limiter, LimiterParts, Penalty, Rate, Refund, ResetPattern,
        Rule, RuleOptions, Rules, Standing, Usage, Verdict, decide, give_back, look, pardon,
    },
    secret::KeyRing,
    time::{Clock, Timestamp},
};

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A store of counts under test, empty, that goes by the caller's time.
pub struct LimitScene {
    store: Arc<dyn LimitStore>,
    now_ms: AtomicU64,
    takes_in_parts: bool,
    _guards: Vec<Box<dyn Any + Send + Sync>>,
}

impl LimitScene {
    /// A stage at the time of day.
    #[must_use]
    pub fn of(store: Arc<dyn LimitStore>) -> Self {
        Self { store, now_ms: AtomicU64::new(Clock::system().now().millis()), takes_in_parts: false, _guards: Vec::new() }
    }

    /// Says that several servers take what is of several keys, and give back where one denies: counts are then as right, but a window may
    /// begin with a request that was denied.
    #[must_use]
    pub fn in_parts(mut self) -> Self {
        self.takes_in_parts = true;
        self
    }

    /// Keeps something alive for as long as the scene.
    #[must_use]
    pub fn keeping(mut self, guard: impl Any + Send + Sync) -> Self {
        self._guards.push(Box::new(guard));
        self
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.now_ms.load(Ordering::SeqCst))
    }

    fn advance(&self, ms: u64) {
        self.now_ms.fetch_add(ms, Ordering::SeqCst);
    }

    fn go_back(&self, ms: u64) {
        self.now_ms.fetch_sub(ms, Ordering::SeqCst);
    }

    /// A node with one rule, which goes by the time of day.
    fn node(&self, rule: &Rule, ring: &Arc<KeyRing>) -> Arc<Limiter> {
        node(self.store.clone(), [rule.clone()].into_iter().collect(), ring.clone(), Arc::new(LocalBus::new(Repeats::Told)))
    }

    async fn check(&self, demands: &[Demand]) -> Decision {
        self.store.check(demands, self.now()).await.expect("check answers")
    }

    async fn peek(&self, demands: &[Demand]) -> Decision {
        self.store.peek(demands, self.now()).await.expect("peek answers")
    }

    /// One unit under one rule.
    async fn ask(&self, rule: &Arc<Rule>, key: &str) -> Verdict {
        self.check(&[demand(rule, key, 1)]).await.verdicts[0]
    }

    /// How many of so many single units are allowed.
    async fn allowed(&self, rule: &Arc<Rule>, key: &str, asked: usize) -> usize {
        let mut allowed = 0;
        for _ in 0..asked {
            allowed += usize::from(self.ask(rule, key).await.allowed());
        }
        allowed
    }

    async fn give_back(&self, rule: &Arc<Rule>, key: &str, cost: u64, taken_at: Timestamp) {
        let refund = Refund { rule: rule.clone(), key: key_of(key), cost, taken_at };
        self.store.refund(&[refund], self.now()).await.expect("refund answers");
    }
}

fn node(store: Arc<dyn LimitStore>, rules: Rules, ring: Arc<KeyRing>, bus: Arc<dyn Bus>) -> Arc<Limiter> {
    Limiter::start(LimiterParts {
        fallback: store.clone(),
        store,
        bus,
        deployment: Deployment::new(&[1; 32]),
        ring,
        verifier: None,
        rules,
        observer: Observer::new().0,
        clock: Clock::system(),
    })
}

fn key_of(text: &str) -> LimitKey {
    LimitKey::new(text).expect("a key")
}

fn demand(rule: &Arc<Rule>, key: &str, cost: u64) -> Demand {
    Demand { rule: rule.clone(), key: key_of(key), cost }
}

fn options(name: &str, algorithm: Algorithm, count: u64, period_ms: u64) -> RuleOptions {
    RuleOptions { algorithm, ..RuleOptions::new(name, Level::Custom, Rate { count, period: Duration::from_millis(period_ms) }) }
}

fn made(options: RuleOptions) -> Arc<Rule> {
    Rule::new(options).expect("a rule").shared()
}

fn rule(name: &str, algorithm: Algorithm, count: u64, period_ms: u64) -> Arc<Rule> {
    made(options(name, algorithm, count, period_ms))
}

/// L1: the burst at once, then the rate to the unit.
pub async fn gcra_allows_its_burst_and_then_its_rate(scene: LimitScene) {
    let rule = made(RuleOptions { burst: Some(20), ..options("gcra", Algorithm::Gcra, 10, SECOND) });
    assert_eq!(scene.allowed(&rule, "k", 25).await, 20);
    let denied = scene.ask(&rule, "k").await;
    assert_eq!((denied.standing, denied.remaining, denied.limit), (Standing::Denied, 0, 20));
    assert_eq!((denied.retry_ms, denied.next_ms, denied.reset_ms), (100, 100, 2 * SECOND));
    scene.advance(99);
    assert_eq!(scene.allowed(&rule, "k", 2).await, 0);
    scene.advance(1);
    assert_eq!(scene.allowed(&rule, "k", 2).await, 1);
    scene.advance(HOUR);
    assert_eq!(scene.allowed(&rule, "k", 25).await, 20);
    assert_eq!(scene.allowed(&rule, "other", 25).await, 20, "another key");
}

/// L1: callers at once share one count.
pub async fn callers_at_once_never_get_more_than_there_is(scene: LimitScene) {
    let rule = made(RuleOptions { burst: Some(20), ..options("race", Algorithm::Gcra, 10, SECOND) });
    let now = scene.now();
    let ask = |_| {
        let (store, rule) = (scene.store.clone(), rule.clone());
        tokio::spawn(async move {
            let asked = [demand(&rule, "k", 1)];
            store.check(&asked, now).await.expect("check answers").granted
        })
    };
    let mut granted = 0;
    for task in (0..LIMIT_TASKS).map(ask).collect::<Vec<_>>() {
        granted += usize::from(task.await.expect("the task ends"));
    }
    assert_eq!(granted, 20);
}

/// L2
pub async fn a_sliding_window_has_no_seam(scene: LimitScene) {
    let rule = rule("sliding", Algorithm::Sliding, 100, MINUTE);
    assert!(scene.ask(&rule, "k").await.allowed());
    scene.advance(59 * SECOND);
    assert_eq!(scene.allowed(&rule, "k", 110).await, 99);
    scene.advance(SECOND);
    assert_eq!(scene.allowed(&rule, "k", 5).await, 0);
    scene.advance(SECOND);
    assert!(scene.allowed(&rule, "k", 110).await <= 2);
    scene.advance(2 * MINUTE);
    assert_eq!(scene.allowed(&rule, "k", 110).await, 100);
}

/// Windows of the calendar begin for everybody at once.
pub async fn a_fixed_window_ends_with_the_calendar(scene: LimitScene) {
    let rule = rule("fixed", Algorithm::Fixed, 3, DAY);
    let to_midnight = DAY - scene.now().millis() % DAY;
    scene.advance(to_midnight + HOUR);
    assert_eq!(scene.allowed(&rule, "k", 5).await, 3);
    assert_eq!(scene.ask(&rule, "k").await.retry_ms, 23 * HOUR);
    scene.advance(23 * HOUR - 1);
    assert_eq!(scene.allowed(&rule, "k", 1).await, 0);
    scene.advance(1);
    assert_eq!(scene.allowed(&rule, "k", 5).await, 3);
}

/// What is in flight counts until it is given back, or forgotten after the period.
pub async fn requests_in_flight_are_counted(scene: LimitScene) {
    let rule = rule("flight", Algorithm::Concurrent, 2, 30 * SECOND);
    let taken_at = scene.check(&[demand(&rule, "k", 1)]).await.verdicts[0].at;
    scene.advance(SECOND);
    assert_eq!(scene.allowed(&rule, "k", 3).await, 1);
    scene.give_back(&rule, "k", 1, taken_at).await;
    assert_eq!(scene.allowed(&rule, "k", 3).await, 1);
    scene.give_back(&rule, "k", 1, taken_at).await;
    assert_eq!(scene.allowed(&rule, "k", 3).await, 0, "given back once already");
    scene.advance(30 * SECOND);
    assert_eq!(scene.allowed(&rule, "k", 3).await, 2);
}

/// More in flight than a short array holds; strikes survive that the rule counts otherwise from now on.
pub async fn many_requests_in_flight_are_counted(scene: LimitScene) {
    let penalty = Penalty { base_ms: MINUTE, factor: 4, cap_ms: HOUR, decay_ms: 2 * HOUR, extend_on_hit: false };
    let of = |algorithm| made(RuleOptions { penalty: Some(penalty), ..options("many", algorithm, 40, HOUR) });
    let flight = of(Algorithm::Concurrent);
    let taken_at = scene.now();
    assert_eq!(scene.allowed(&flight, "k", 40).await, 40);
    scene.give_back(&flight, "k", 30, taken_at).await;
    assert_eq!(scene.allowed(&flight, "k", 31).await, 30);
    let otherwise = scene.peek(&[demand(&of(Algorithm::Gcra), "k", 1)]).await.verdicts[0];
    assert_eq!((otherwise.standing, otherwise.strikes), (Standing::Blocked, 1));
    scene.advance(MINUTE);
    assert_eq!(scene.allowed(&of(Algorithm::Gcra), "k", 41).await, 40, "counted anew");
}

/// L8
pub async fn odd_limits_are_answered_cleanly(scene: LimitScene) {
    for algorithm in [Algorithm::Gcra, Algorithm::Sliding, Algorithm::Fixed, Algorithm::Concurrent] {
        let name = |text: &str| format!("{text}-{algorithm:?}");
        let nothing = rule(&name("zero"), algorithm, 0, SECOND);
        let denied = scene.ask(&nothing, "k").await;
        assert_eq!((denied.standing, denied.limit, denied.remaining), (Standing::Denied, 0, 0), "{algorithm:?}");
        assert!(denied.retry_ms > 0);
        let one = rule(&name("one"), algorithm, 1, MINUTE);
        assert_eq!(scene.allowed(&one, "k", 3).await, 1, "{algorithm:?}");
        let never = scene.check(&[demand(&one, "other", 2)]).await;
        assert_eq!((never.granted, never.verdicts[0].standing), (false, Standing::Unsatisfiable), "{algorithm:?}");
        assert_eq!((never.verdicts[0].retry_ms, never.verdicts[0].remaining), (0, 1), "{algorithm:?}");
    }
}

/// A look takes nothing and punishes nobody.
pub async fn a_look_changes_nothing(scene: LimitScene) {
    let penalty = Penalty { base_ms: MINUTE, factor: 2, cap_ms: HOUR, decay_ms: 2 * HOUR, extend_on_hit: false };
    let rule = made(RuleOptions { penalty: Some(penalty), ..options("look", Algorithm::Gcra, 2, HOUR) });
    let asked = [demand(&rule, "k", 2)];
    for _ in 0..3 {
        let seen = scene.peek(&asked).await;
        assert_eq!((seen.granted, seen.verdicts[0].remaining, seen.verdicts[0].reset_ms), (true, 2, 0));
    }
    assert_eq!(scene.allowed(&rule, "k", 2).await, 2);
    for _ in 0..3 {
        let seen = scene.peek(&asked).await;
        assert_eq!((seen.granted, seen.verdicts[0].remaining, seen.verdicts[0].strikes), (false, 0, 0));
    }
}

/// L24: what is given back is as if it had never been, and never more than that.
pub async fn what_is_given_back_was_never_taken(scene: LimitScene) {
    for algorithm in [Algorithm::Gcra, Algorithm::Sliding, Algorithm::Fixed] {
        let rule = rule(&format!("back-{algorithm:?}"), algorithm, 5, DAY);
        let taken = scene.check(&[demand(&rule, "k", 3)]).await.verdicts[0];
        scene.give_back(&rule, "k", 3, taken.at).await;
        assert_eq!(scene.peek(&[demand(&rule, "k", 5)]).await.verdicts[0].remaining, 5, "{algorithm:?}");
        scene.give_back(&rule, "k", 3, taken.at).await;
        scene.give_back(&rule, "nobody", 3, taken.at).await;
        assert_eq!(scene.allowed(&rule, "k", 9).await, 5, "{algorithm:?}");
        scene.advance(3 * DAY);
        assert_eq!(scene.allowed(&rule, "k", 4).await, 4, "{algorithm:?}");
        scene.give_back(&rule, "k", 3, taken.at).await;
        assert_eq!(scene.allowed(&rule, "k", 4).await, 1, "{algorithm:?}: that was long over");
    }
}

/// L18, L19
pub async fn blocks_grow_and_strikes_decay(scene: LimitScene) {
    let penalty = Penalty { base_ms: MINUTE, factor: 4, cap_ms: DAY, decay_ms: 2 * DAY, extend_on_hit: false };
    let rule = made(RuleOptions { penalty: Some(penalty), ..options("penalty", Algorithm::Fixed, 1, SECOND) });
    for (strikes, minutes) in [(1, 1), (2, 4), (3, 16), (4, 64)] {
        assert!(scene.ask(&rule, "k").await.allowed(), "the block is over");
        let denied = scene.ask(&rule, "k").await;
        assert_eq!((denied.standing, denied.strikes, denied.retry_ms), (Standing::Denied, strikes, minutes * MINUTE));
        scene.advance(minutes * MINUTE / 2);
        let blocked = scene.ask(&rule, "k").await;
        assert_eq!((blocked.standing, blocked.retry_ms, blocked.remaining), (Standing::Blocked, minutes * MINUTE / 2, 0));
        scene.advance(minutes * MINUTE / 2);
    }
    scene.advance(2 * DAY);
    assert_eq!(scene.allowed(&rule, "k", 1).await, 1);
    let later = scene.ask(&rule, "k").await;
    assert_eq!((later.strikes, later.retry_ms), (4, 64 * MINUTE), "one step lower than 256");
}

/// L19: only where it is wanted.
pub async fn a_hit_extends_a_block_where_the_rule_says_so(scene: LimitScene) {
    let penalty = Penalty { base_ms: MINUTE, factor: 4, cap_ms: DAY, decay_ms: 2 * DAY, extend_on_hit: true };
    let rule = made(RuleOptions { penalty: Some(penalty), ..options("extend", Algorithm::Gcra, 1, SECOND) });
    assert_eq!(scene.allowed(&rule, "k", 2).await, 1);
    for _ in 0..3 {
        scene.advance(MINUTE / 2);
        assert_eq!(scene.ask(&rule, "k").await.retry_ms, MINUTE);
    }
    scene.advance(MINUTE);
    assert!(scene.ask(&rule, "k").await.allowed());
}

/// L20
pub async fn a_shadow_denies_nothing_and_punishes_nobody(scene: LimitScene) {
    let penalty = Penalty { base_ms: HOUR, factor: 4, cap_ms: DAY, decay_ms: 2 * DAY, extend_on_hit: false };
    let shadow = made(RuleOptions { penalty: Some(penalty), shadow: true, ..options("shadow", Algorithm::Gcra, 1, SECOND) });
    let real = rule("real", Algorithm::Gcra, 3, HOUR);
    let both = [demand(&shadow, "k", 1), demand(&real, "k", 1)];
    for (shadow_allows, real_allows) in [(true, true), (false, true), (false, true), (false, false)] {
        let decision = scene.check(&both).await;
        assert_eq!(decision.granted, real_allows);
        assert_eq!(decision.verdicts[0].allowed(), shadow_allows, "{decision:?}");
        assert_eq!(decision.verdicts[0].strikes, 0);
    }
    scene.advance(SECOND);
    assert!(scene.peek(&both[..1]).await.verdicts[0].allowed(), "no block");
}

/// L22: a reset forgets count and block of one key; a pattern those that it means.
pub async fn a_reset_forgets_a_key(scene: LimitScene) {
    let penalty = Penalty { base_ms: HOUR, factor: 4, cap_ms: DAY, decay_ms: 2 * DAY, extend_on_hit: false };
    let rule = made(RuleOptions { penalty: Some(penalty), ..options("reset", Algorithm::Gcra, 1, HOUR) });
    for key in ["user:42", "user:43", "10.0.0.1", "odd*[key]?"] {
        assert_eq!(scene.allowed(&rule, key, 2).await, 1);
    }
    assert_eq!(scene.store.reset("reset", &key_of("user:42")).await, Ok(true));
    assert_eq!(scene.store.reset("reset", &key_of("user:42")).await, Ok(false));
    assert_eq!(scene.allowed(&rule, "user:42", 2).await, 1);
    let pattern = |rule: &str, glob: &str, dry_run| ResetPattern { rule: rule.into(), glob: glob.into(), dry_run };
    let reset = async |pattern: ResetPattern| scene.store.reset_matching(&pattern).await.expect("reset answers");
    let found = reset(pattern("reset", "user:*", true)).await;
    assert_eq!(found.count, 2);
    assert!(found.sample.iter().all(|key| key.starts_with("user:4")), "{found:?}");
    assert_eq!(scene.allowed(&rule, "user:42", 1).await, 0, "a dry run resets nothing");
    assert_eq!(reset(pattern("reset", "user:*", false)).await.count, 2);
    assert_eq!(scene.allowed(&rule, "user:42", 1).await, 1);
    assert_eq!(scene.allowed(&rule, "10.0.0.1", 1).await, 0, "another key");
    assert_eq!(reset(pattern("reset", "odd*[key]?", false)).await.count, 1, "brackets stand for themselves");
    assert_eq!(reset(pattern("other", "*", false)).await.count, 0, "another rule");
    assert_eq!(reset(pattern("reset", "*", false)).await.count, 2);
}

/// L14
pub async fn a_clock_that_goes_back_blocks_nobody_for_long(scene: LimitScene) {
    let penalty = Penalty { base_ms: MINUTE, factor: 4, cap_ms: HOUR, decay_ms: 2 * HOUR, extend_on_hit: false };
    let gcra = rule("back", Algorithm::Gcra, 10, MINUTE);
    let fixed = rule("back-fixed", Algorithm::Fixed, 10, MINUTE);
    let punished = made(RuleOptions { penalty: Some(penalty), ..options("back-penalty", Algorithm::Gcra, 10, MINUTE) });
    for rule in [&gcra, &fixed, &punished] {
        assert_eq!(scene.allowed(rule, "k", 11).await, 10);
    }
    scene.go_back(HOUR);
    for rule in [&gcra, &fixed, &punished] {
        let verdict = scene.peek(&[demand(rule, "k", 1)]).await.verdicts[0];
        assert!((1..=MINUTE).contains(&verdict.retry_ms), "{verdict:?}");
        assert!(!scene.ask(rule, "k").await.allowed());
    }
    scene.advance(MINUTE);
    for rule in [&gcra, &fixed, &punished] {
        assert!(scene.ask(rule, "k").await.allowed(), "{}", rule.name());
    }
}

/// A count under another rate is none, but strikes are.
pub async fn another_rate_begins_anew_and_keeps_strikes(scene: LimitScene) {
    let penalty = Penalty { base_ms: MINUTE, factor: 4, cap_ms: HOUR, decay_ms: 2 * HOUR, extend_on_hit: false };
    let slow = made(RuleOptions { penalty: Some(penalty), ..options("rate", Algorithm::Gcra, 1, HOUR) });
    assert_eq!(scene.allowed(&slow, "k", 2).await, 1);
    scene.advance(MINUTE);
    let faster = made(RuleOptions { penalty: Some(penalty), ..options("rate", Algorithm::Gcra, 2, HOUR) });
    assert_eq!(scene.allowed(&faster, "k", 3).await, 2);
    assert_eq!(scene.peek(&[demand(&faster, "k", 1)]).await.verdicts[0].strikes, 2);
}

/// Random requests, one answer after the other as the core's own rule gives it.
pub async fn a_store_decides_as_the_rule_says(scene: LimitScene) {
    let seed = std::env::var("VESTIBULE_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = seed.unwrap_or_else(|| RandomState::new().hash_one(0));
    println!("VESTIBULE_TEST_SEED={seed}");
    let mut dice = Dice(seed);
    let rules = some_rules();
    let keys: &[&str] = if scene.takes_in_parts { &["a"] } else { &["a", "b"] };
    let mut model: HashMap<(String, String), Usage> = HashMap::new();
    for step in 0..LIMIT_STEPS {
        match dice.roll(20) {
            0 => scene.go_back(dice.roll(2 * SECOND)),
            1 => scene.advance(dice.roll(DAY)),
            _ => scene.advance(dice.roll(4 * SECOND)),
        }
        let demands = dice.demands(&rules, keys);
        let name = |demand: &Demand| (demand.rule.name().to_owned(), demand.key.text().to_owned());
        let kept = demands.iter().map(|demand| model.get(&name(demand)).cloned()).collect();
        let now = scene.now();
        if dice.roll(5) == 0 {
            assert_eq!(scene.peek(&demands).await, look(&demands, kept, now), "step {step}: {demands:?}");
            continue;
        }
        let (expected, changed) = decide(&demands, kept, now);
        assert_eq!(scene.check(&demands).await, expected, "step {step}: {demands:?}");
        for (place, usage) in changed {
            model.insert(name(&demands[place]), usage);
        }
        if dice.roll(20) == 0 {
            let Demand { rule, key, .. } = &demands[0];
            scene.store.pardon(rule, key, scene.now()).await.expect("pardon answers");
            let held = model.remove(&name(&demands[0]));
            if let Some(usage) = pardon(held, rule.numbers(), scene.now()) {
                model.insert(name(&demands[0]), usage);
            }
        } else if expected.granted && dice.roll(3) == 0 {
            scene.advance(dice.roll(SECOND));
            let Demand { rule, key, cost } = demands[0].clone();
            if !expected.verdicts[0].allowed() {
                continue;
            }
            let held = model.get(&name(&demands[0])).cloned();
            if let Some(usage) = give_back(held, rule.numbers(), cost, expected.verdicts[0].at, scene.now()) {
                model.insert(name(&demands[0]), usage);
            }
            scene.give_back(&rule, key.text(), cost, expected.verdicts[0].at).await;
        }
    }
}

fn some_rules() -> Vec<Arc<Rule>> {
    let penalty = Penalty { base_ms: 5 * SECOND, factor: 3, cap_ms: MINUTE, decay_ms: 20 * SECOND, extend_on_hit: false };
    let extending = Penalty { extend_on_hit: true, ..penalty };
    vec![
        made(RuleOptions { burst: Some(4), ..options("g", Algorithm::Gcra, 7, 10 * SECOND) }),
        made(RuleOptions { penalty: Some(penalty), ..options("gp", Algorithm::Gcra, 3, 2 * SECOND) }),
        made(RuleOptions { penalty: Some(extending), ..options("sp", Algorithm::Sliding, 5, 3 * SECOND) }),
        rule("s", Algorithm::Sliding, 11, 7 * SECOND),
        rule("f", Algorithm::Fixed, 6, 5 * SECOND),
        rule("c", Algorithm::Concurrent, 5, 3 * SECOND),
        rule("z", Algorithm::Gcra, 0, SECOND),
        made(RuleOptions { shadow: true, ..options("w", Algorithm::Gcra, 2, 5 * SECOND) }),
    ]
}

/// Splitmix64.
struct Dice(u64);

impl Dice {
    /// Some demands, also several for one key.
    fn demands(&mut self, rules: &[Arc<Rule>], keys: &[&str]) -> Vec<Demand> {
        let count = 1 + self.roll(4);
        let one = |_| {
            let rule = &rules[self.roll(rules.len() as u64) as usize];
            demand(rule, keys[self.roll(keys.len() as u64) as usize], 1 + self.roll(3))
        };
        (0..count).map(one).collect()
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }
}
