//! What happens while a store is asked, or is away.

use super::{HOUR, LimitScene, SECOND, made, node, options};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::sync::Notify;
use vestibule_core::{
    Answer,
    account::throttle::{Admission, Attempt, AttemptEnd, Budget, Budgets, CountedIn, LoginThrottle as _},
    bus::{Bus as _, LocalBus, News, Repeats, Signal},
    fault::Fault,
    limit::{
        Algorithm, Counted, Decision, Demand, LimitKey, LimitStore, LimitThrottle, Limiter, Matched, Outcome, Refund,
        ResetPattern, Rule, RuleOptions, Rules,
    },
    secret::KeyRing,
    time::{Clock, Timestamp},
};

/// A store whose answers can be held up on their way, and which can be away.
#[derive(Debug)]
struct Between {
    inner: Arc<dyn LimitStore>,
    is_away: AtomicBool,
    checks: AtomicUsize,
    holds_next: AtomicBool,
    /// An answer is held up.
    held: Notify,
    /// It may go on.
    go_on: Notify,
}

impl Between {
    fn new(scene: &LimitScene) -> Arc<Self> {
        Arc::new(Self {
            inner: scene.store.clone(),
            is_away: AtomicBool::new(false),
            checks: AtomicUsize::new(0),
            holds_next: AtomicBool::new(false),
            held: Notify::new(),
            go_on: Notify::new(),
        })
    }

    fn node(self: &Arc<Self>, rules: Rules) -> Arc<Limiter> {
        node(self.clone(), rules, Arc::new(KeyRing::ephemeral()), Arc::new(LocalBus::new(Repeats::Told)))
    }

    /// Does something after the next check was decided, and before its answer is there.
    async fn while_held(&self, happens: impl Future<Output = ()>) {
        self.held.notified().await;
        happens.await;
        self.go_on.notify_one();
    }
}

impl LimitStore for Between {
    fn check<'a>(&'a self, demands: &'a [Demand], now: Timestamp) -> Answer<'a, Decision> {
        Box::pin(async move {
            self.checks.fetch_add(1, Ordering::SeqCst);
            if self.is_away.load(Ordering::SeqCst) {
                return Err(Fault::Unavailable("the store is away".into()));
            }
            let decision = self.inner.check(demands, now).await;
            if self.holds_next.swap(false, Ordering::SeqCst) {
                self.held.notify_one();
                self.go_on.notified().await;
            }
            decision
        })
    }

    fn peek<'a>(&'a self, demands: &'a [Demand], now: Timestamp) -> Answer<'a, Decision> {
        self.inner.peek(demands, now)
    }

    fn refund<'a>(&'a self, refunds: &'a [Refund], now: Timestamp) -> Answer<'a, ()> {
        self.inner.refund(refunds, now)
    }

    fn reset<'a>(&'a self, rule: &'a str, key: &'a LimitKey) -> Answer<'a, bool> {
        self.inner.reset(rule, key)
    }

    fn pardon<'a>(&'a self, rule: &'a Rule, key: &'a LimitKey, now: Timestamp) -> Answer<'a, ()> {
        self.inner.pardon(rule, key, now)
    }

    fn reset_matching<'a>(&'a self, pattern: &'a ResetPattern) -> Answer<'a, Matched> {
        self.inner.reset_matching(pattern)
    }
}

fn rules(options: impl IntoIterator<Item = RuleOptions>) -> Rules {
    options.into_iter().map(|options| Rule::clone(&made(options))).collect()
}

async fn outcome(node: &Limiter, rule: &str) -> Outcome {
    node.check(vec![node.ask(rule, "k", 1).expect("a rule")]).await.expect("one is not too many").outcome
}

/// L22: what was decided before a reset, or by rules that are no more, is not remembered after it.
pub async fn a_denial_on_its_way_does_not_outlive_a_reset(scene: LimitScene) {
    let store = Between::new(&scene);
    let once = || rules([options("late", Algorithm::Gcra, 1, HOUR)]);
    let node = store.node(once());
    let held_while = async |happens: &dyn Fn()| {
        store.holds_next.store(true, Ordering::SeqCst);
        let reset = async {
            let asked = node.ask("late", "k", 1).expect("a rule");
            assert_eq!(node.reset(&asked).await, Ok(true));
            happens();
        };
        tokio::join!(outcome(&node, "late"), store.while_held(reset)).0
    };
    assert!(outcome(&node, "late").await.allowed());
    assert!(!held_while(&|| ()).await.allowed(), "it was denied before");
    assert!(outcome(&node, "late").await.allowed(), "it was reset");
    assert!(!held_while(&|| node.replace_rules(once())).await.allowed());
    assert!(outcome(&node, "late").await.allowed(), "it was reset before a reload");
}

/// Units that do not fit in together are waited for, for as long as was told, and not at all where they never fit in.
pub async fn a_wait_for_several_units_asks_no_more_than_it_must(scene: LimitScene) {
    let store = Between::new(&scene);
    let node = store.node(rules([RuleOptions { burst: Some(5), ..options("pairs", Algorithm::Gcra, 10, SECOND) }]));
    let wait = async |costs: &[u64]| {
        let asks = costs.iter().map(|cost| node.ask("pairs", "k", *cost).expect("a rule")).collect();
        node.check_until(asks, Duration::from_secs(10)).await.expect("they are not too many").outcome
    };
    assert_eq!(wait(&[3, 3]).await, Outcome::Unsatisfiable);
    assert_eq!(store.checks.load(Ordering::SeqCst), 1);
    assert!(wait(&[3]).await.allowed());
    assert!(wait(&[2, 2]).await.allowed());
    assert!(store.checks.load(Ordering::SeqCst) <= 6, "{store:?}");
}

/// Who waits is bound by the rules as they become.
pub async fn a_waiter_goes_by_the_rules_in_effect(scene: LimitScene) {
    let store = Between::new(&scene);
    let before = || rules([RuleOptions { burst: Some(1), ..options("change", Algorithm::Gcra, 10, SECOND) }]);
    for after in [rules([options("change", Algorithm::Gcra, 0, HOUR)]), Rules::default()] {
        let node = store.node(before());
        let _ = outcome(&node, "change").await;
        store.holds_next.store(true, Ordering::SeqCst);
        let asks = vec![node.ask("change", "k", 1).expect("a rule")];
        let waits = node.check_until(asks, Duration::from_secs(10));
        let (waited, ()) = tokio::join!(waits, store.while_held(async { node.replace_rules(after) }));
        let outcome = waited.expect("one is not too many").outcome;
        assert!(matches!(outcome, Outcome::Denied { .. }), "{outcome:?}");
    }
}

/// Other nodes are told of a unit that came back only where they may have denied somebody for it.
pub async fn a_refund_is_told_of_what_was_nearly_used_up(scene: LimitScene) {
    let failures = |name: &str, count| RuleOptions { counted: Counted::Failure, ..options(name, Algorithm::Gcra, count, HOUR) };
    let shadow = RuleOptions { shadow: true, ..failures("shadow", 2) };
    let bus = Arc::new(LocalBus::new(Repeats::Told));
    let rules = rules([failures("wide", 100), failures("narrow", 2), shadow]);
    let node = node(scene.store.clone(), rules, Arc::new(KeyRing::ephemeral()), bus.clone());
    let mut news = bus.subscribe();
    let asks = ["wide", "narrow", "narrow", "shadow"].map(|rule| node.ask(rule, "k", 1).expect("a rule"));
    let mut checked = node.check(asks.to_vec()).await.expect("they are not too many");
    assert!(checked.outcome.allowed());
    node.give_back(checked.settle(false)).await;
    let last = node.ask("wide", "last", 1).expect("a rule");
    node.reset(&last).await.expect("reset answers");
    for (rule, key) in [("narrow", "k"), ("wide", "last")] {
        let Some(News::Signal(Signal::LimitReset(reset))) = news.next().await else { panic!("nothing was told of {rule}") };
        assert_eq!((&*reset.rule, reset.key.as_deref()), (rule, Some(key)));
    }
}

/// What a process counted alone while the store was away is not given back to the store, nor the other way round.
pub async fn an_attempt_is_given_back_where_it_was_counted(scene: LimitScene) {
    let store = Between::new(&scene);
    let budget = Budget { failures: 2, period: Duration::from_millis(4 * HOUR) };
    let budgets = Budgets { account: None, address: Some(budget) };
    let throttle = LimitThrottle::new(store.clone(), budgets, Clock::system()).expect("sound budgets");
    let attempt = Attempt { subject: None, address: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))) };
    let admit = async || throttle.admit(attempt, scene.now()).await.expect("admit answers");
    let use_up = async || {
        let (first, second, third) = (admit().await, admit().await, admit().await);
        assert!(second.is_allowed() && !third.is_allowed(), "{second:?} {third:?}");
        let Admission::Allowed(counted) = first else { panic!("{first:?}") };
        counted
    };
    let in_store = use_up().await;
    assert!(matches!(in_store, CountedIn::Store { .. }), "{in_store:?}");
    store.is_away.store(true, Ordering::SeqCst);
    let in_process = use_up().await;
    throttle.settle(attempt, in_store, AttemptEnd::Undecided).await.expect("settle answers");
    assert!(!admit().await.is_allowed(), "the process never counted that");
    store.is_away.store(false, Ordering::SeqCst);
    assert!(admit().await.is_allowed() && !admit().await.is_allowed(), "the store got it back");
    throttle.settle(attempt, in_process, AttemptEnd::Undecided).await.expect("settle answers");
    assert!(!admit().await.is_allowed(), "the store never counted that");
}
