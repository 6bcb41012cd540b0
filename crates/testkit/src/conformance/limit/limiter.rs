//! What a limiter promises on every store of counts: rules that change, keys with numbers of their own, lists, and waiting.

use super::{HOUR, LimitScene, options};
use std::{collections::HashMap, sync::Arc, time::Duration};
use vestibule_core::{
    bus::{LocalBus, Repeats},
    deployment::Deployment,
    event::Observer,
    id::UserId,
    limit::{Algorithm, Checked, Level, LimitKey, Limiter, LimiterParts, Outcome, Rule, RuleOptions, Ruled, Rules},
    network::Networks,
    secret::KeyRing,
    time::Clock,
};

/// A node on the store of a scene.
fn node(scene: &LimitScene, rules: Rules) -> Arc<Limiter> {
    Limiter::start(LimiterParts {
        store: scene.store.clone(),
        fallback: scene.store.clone(),
        bus: Arc::new(LocalBus::new(Repeats::Told)),
        deployment: Deployment::new(&[1; 32]),
        ring: Arc::new(KeyRing::ephemeral()),
        verifier: None,
        rules,
        observer: Observer::new().0,
        clock: Clock::system(),
    })
}

fn rules(options: impl IntoIterator<Item = RuleOptions>) -> Rules {
    options.into_iter().map(|options| Rule::new(options).expect("a rule")).collect()
}

/// One unit of each, all or nothing.
async fn check(node: &Limiter, asked: &[(&str, &str)]) -> Checked {
    let asks = asked.iter().map(|(rule, key)| node.ask(rule, key, 1).expect("it can be asked")).collect();
    node.check(asks).await.expect("not too many")
}

/// How many of so many single units are allowed.
async fn allowed(node: &Limiter, rule: &str, key: &str, asked: usize) -> usize {
    let mut allowed = 0;
    for _ in 0..asked {
        allowed += usize::from(check(node, &[(rule, key)]).await.outcome.allowed());
    }
    allowed
}

/// What was counted goes on where a rule stays as it is or only its burst changes, and what was denied is asked for again.
pub async fn rules_change_and_counts_go_on(scene: LimitScene) {
    let steady = options("steady", Algorithm::Sliding, 4, HOUR);
    let burst = |burst| RuleOptions { burst: Some(burst), ..options("burst", Algorithm::Gcra, 1, HOUR) };
    let rate = |count| options("rate", Algorithm::Gcra, count, HOUR);
    let node = node(&scene, rules([steady.clone(), burst(2), rate(1)]));
    assert_eq!(allowed(&node, "steady", "k", 3).await, 3);
    assert_eq!([allowed(&node, "burst", "k", 3).await, allowed(&node, "rate", "k", 3).await], [2, 1]);
    node.replace_rules(rules([steady, burst(5), rate(3)]));
    assert_eq!(allowed(&node, "steady", "k", 3).await, 1);
    assert_eq!(allowed(&node, "burst", "k", 9).await, 3, "two of five are out");
    assert_eq!(allowed(&node, "rate", "k", 9).await, 3, "another rate counts anew");
}

/// A key with numbers of its own is the same key to all that count it.
pub async fn single_keys_have_numbers_of_their_own(scene: LimitScene) {
    let of = |count| RuleOptions { level: Level::User, ..options("people", Algorithm::Gcra, count, HOUR) };
    let made = |count| Rule::new(of(count)).expect("a rule");
    let ada = UserId::new("ada").expect("an id");
    let node = node(&scene, rules([of(1)]));
    let key = LimitKey::of_user(node.tag_of(&ada));
    let overrides = HashMap::from([(key.text().into(), made(3).shared())]);
    node.replace_rules([Ruled::new(made(1), overrides)].into_iter().collect());
    assert_eq!([allowed(&node, "people", "ada", 5).await, allowed(&node, "people", "bob", 5).await], [3, 1]);
    assert!(node.reset(&node.ask("people", "ada", 1).expect("a rule")).await.expect("reset answers"));
    assert_eq!(allowed(&node, "people", "ada", 5).await, 3);
}

/// What is exempt leaves the others of its request to be counted; what is refused takes nothing from them.
pub async fn listed_addresses_are_not_counted(scene: LimitScene) {
    let address = RuleOptions { level: Level::Ip, ..options("address", Algorithm::Gcra, 1, HOUR) };
    let networks = |text| Networks::parse([text]).expect("a network");
    let all = rules([address, options("beside", Algorithm::Gcra, 3, HOUR)]);
    let node = node(&scene, all.exempting(networks("10.0.0.0/8")).refusing(networks("192.0.2.0/24")));
    let beside = |address| [("address", address), ("beside", "k")];
    for _ in 0..2 {
        assert!(check(&node, &beside("10.0.0.1")).await.outcome.allowed());
    }
    let refused = check(&node, &beside("192.0.2.1")).await;
    assert_eq!((refused.outcome, refused.outcome.as_str()), (Outcome::Refused, "denied"));
    assert_eq!(refused.said.iter().map(|said| said.allowed).collect::<Vec<_>>(), [false, true]);
    assert!(check(&node, &beside("198.51.100.1")).await.outcome.allowed(), "one was left");
    let denied = check(&node, &beside("10.0.0.1")).await;
    assert!(matches!(denied.outcome, Outcome::Denied { .. }), "{denied:?}");
    assert_eq!(denied.said.iter().map(|said| said.allowed).collect::<Vec<_>>(), [true, false], "in the order of the question");
}

/// Whoever waits is allowed when their time comes, and is told at once where it would come too late.
pub async fn a_caller_may_wait_to_be_allowed(scene: LimitScene) {
    let node = node(&scene, rules([options("soon", Algorithm::Gcra, 1, 100), options("late", Algorithm::Gcra, 1, HOUR)]));
    let until = async |rule: &str, longest: Duration| {
        node.check_until(vec![node.ask(rule, "k", 1).expect("a rule")], longest).await.expect("one is not too many").outcome
    };
    for _ in 0..3 {
        assert_eq!(until("soon", crate::bounds::START).await, Outcome::Allowed);
    }
    assert_eq!(until("late", crate::bounds::START).await, Outcome::Allowed);
    assert!(matches!(until("late", crate::bounds::START).await, Outcome::Denied { .. }));
}
