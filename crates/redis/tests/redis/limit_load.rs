//! What limits cost Redis under load, and what they do while it is slow or away: counted at a proxy in front of it.

use super::{
    cluster,
    support::{DEADLINE, address_of},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use vestibule_core::{
    bus::{Bus, LocalBus, News, Repeats, Signal, Subscription},
    deployment::Deployment,
    event::Observer,
    id::Home,
    limit::{
        Ask, Checked, Demand, Level, LimitKey, LimitStore, Limiter, LimiterParts, OnStoreFailure, Outcome, Rate, Rule,
        RuleOptions, bounds,
    },
    secret::KeyRing,
    time::Clock,
};
use vestibule_memory::MemoryLimits;
use vestibule_redis::{RedisAddress, RedisLimits, RedisOptions};
use vestibule_testkit::{
    bounds::START,
    process::{Cluster, FaultProxy, Redis, Relay, wait_for},
};

const HOUR: Duration = Duration::from_secs(3_600);
const PERIOD: Duration = Duration::from_secs(60);

fn options(name: &str, level: Level, count: u64, period: Duration) -> RuleOptions {
    RuleOptions::new(name, level, Rate { count, period })
}

fn rule(name: &str, level: Level, count: u64, period: Duration) -> Rule {
    Rule::new(options(name, level, count, period)).expect("a rule")
}

/// A node: a limiter with a connection of its own. Its bus is quiet, so that only limits are counted.
fn node(store: RedisLimits, rules: &[Rule]) -> (Arc<Limiter>, Arc<LocalBus>) {
    let bus = Arc::new(LocalBus::new(Repeats::Told));
    let limiter = Limiter::start(LimiterParts {
        store: Arc::new(store),
        fallback: Arc::new(MemoryLimits::default()),
        bus: bus.clone(),
        deployment: Deployment::new(&[1; 32]),
        ring: Arc::new(KeyRing::ephemeral()),
        verifier: None,
        rules: rules.iter().cloned().collect(),
        observer: Observer::new().0,
        clock: Clock::system(),
    });
    (limiter, bus)
}

/// Through this proxy, without questions about the server's health.
fn through(proxy: &FaultProxy, deadline: Duration) -> RedisLimits {
    let address = RedisAddress::parse(&format!("redis://127.0.0.1:{}", proxy.port())).expect("an address");
    RedisLimits::new(address, &RedisOptions { deadline, check_interval: HOUR, ..RedisOptions::default() })
}

fn ask(limiter: &Limiter, rule: &str, key: &str) -> Ask {
    limiter.ask(rule, key, 1).expect("it can be asked")
}

async fn check(limiter: &Limiter, rule: &str, key: &str) -> Checked {
    limiter.check(vec![ask(limiter, rule, key)]).await.expect("it can be asked")
}

fn commands(proxy: &FaultProxy) -> u64 {
    proxy.traffic().commands.values().sum()
}

/// L6: a flood of one blocked key is nothing that Redis hears of.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_a_blocked_key_costs_no_command() {
    const FLOOD: usize = 100_000;
    let server = Redis::start();
    let proxy = FaultProxy::start(server.port());
    let rules = [rule("blocked", Level::Custom, 5, HOUR), rule("fleet", Level::Global, 1_000_000, HOUR)];
    let (limiter, _) = node(through(&proxy, DEADLINE), &rules);
    for _ in 0..6 {
        let _ = check(&limiter, "blocked", "k").await;
    }
    let before = commands(&proxy);
    for number in 0..FLOOD {
        // Beside it a rule that allows everything and is leased.
        let asks = vec![ask(&limiter, "fleet", "all"), ask(&limiter, "blocked", "k")];
        let checked = limiter.check(asks).await.expect("it can be asked");
        assert!(matches!(checked.outcome, Outcome::Denied { .. }), "{number}");
    }
    assert_eq!(commands(&proxy), before);
    assert!(before < 100, "{before} from the first connection on");
}

/// Requests of one caller of a node, one after the other.
async fn serve(limiter: Arc<Limiter>, checks: usize) -> usize {
    let mut granted = 0;
    for _ in 0..checks {
        granted += usize::from(check(&limiter, "hot", "all").await.outcome.allowed());
        // Else one caller would be served for as long as there is something to spend, and the others after it.
        tokio::task::yield_now().await;
    }
    granted
}

/// L23: of all checks of 8 nodes Redis sees a few, and the nodes together allow what one would.
async fn hot_key(count: u64, checks: usize) -> (usize, u64, Duration) {
    const NODES: usize = 8;
    const CALLERS: usize = 32;
    let server = Redis::start();
    let proxy = FaultProxy::start(server.port());
    let started = Instant::now();
    let (mut granted, mut serving) = (0, Vec::with_capacity(NODES * CALLERS));
    for _ in 0..NODES {
        let (limiter, _) = node(through(&proxy, DEADLINE), &[rule("hot", Level::Global, count, HOUR)]);
        // On a busy machine the key would else never get hot.
        let many = limiter.ask("hot", "all", bounds::LEASE_HOT).expect("it can be asked");
        assert!(limiter.check(vec![many]).await.expect("it can be asked").outcome.allowed());
        granted += bounds::LEASE_HOT as usize;
        serving.extend((0..CALLERS).map(|_| tokio::spawn(serve(limiter.clone(), checks / NODES / CALLERS))));
    }
    for caller in serving {
        granted += caller.await.expect("no panic");
    }
    (granted, proxy.traffic().command("EVALSHA"), started.elapsed())
}

/// Of all nodes and callers together.
const CHECKS: usize = 256 * 800;

/// What may be asked: up to three times in each pause or life of a lease.
fn questions(nodes: u64, passed: Duration) -> u64 {
    let turns = passed.as_millis() / bounds::LEASE_PAUSE.as_millis() + 1;
    nodes * (1 + 3 * turns as u64)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hot_key_that_is_allowed_is_hardly_asked_for() {
    let (granted, asked, passed) = hot_key(100_000_000, CHECKS).await;
    assert_eq!(granted, CHECKS + 8 * bounds::LEASE_HOT as usize);
    assert!(asked < questions(8, passed), "{asked} in {passed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hot_key_is_never_granted_more_than_once() {
    const LIMIT: u64 = 36_000;
    let (granted, asked, passed) = hot_key(LIMIT, CHECKS).await;
    let due = LIMIT as usize + (passed.as_millis() as usize * LIMIT as usize).div_ceil(3_600_000);
    assert!(granted <= due, "{granted} of {due}");
    // What a node holds when it ends is lost.
    assert!(granted >= LIMIT as usize / 2, "{granted} of {due}");
    assert!(asked < questions(8, passed), "{asked} in {passed:?}");
}

/// L3, L23: what was spent ahead for a request that another rule denies is put back.
#[tokio::test]
async fn a_lease_pays_for_nothing_that_was_denied() {
    let server = Redis::start();
    let proxy = FaultProxy::start(server.port());
    let rules = [rule("hot", Level::Global, 1_600, HOUR), rule("few", Level::Custom, 1, HOUR)];
    let (limiter, _) = node(through(&proxy, DEADLINE), &rules);
    let mut granted = serve(limiter.clone(), 200).await;
    for number in 0..500 {
        let key = format!("k{}", number / 2);
        let asks = vec![ask(&limiter, "hot", "all"), ask(&limiter, "few", &key)];
        let checked = limiter.check(asks).await.expect("it can be asked");
        granted += usize::from(checked.outcome.allowed());
    }
    assert_eq!(granted, 450, "each second request is denied by its own key");
    let left = limiter.peek(vec![ask(&limiter, "hot", "all")]).await.expect("the server answers").said[0].verdict;
    // Of a sixteenth of the limit it takes a few batches more than it spends, on a machine that is so slow that they end.
    let taken = 1_600 - left.expect("it is known").remaining;
    assert!((450..1_600).contains(&taken), "{taken}");
}

/// L10: a server that does not answer is asked once a second, however many requests there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_is_asked_once_a_second() {
    let server = Redis::start();
    let proxy = FaultProxy::start(server.port());
    let (limiter, _) = node(through(&proxy, Duration::from_millis(50)), &[rule("reads", Level::Custom, 5, PERIOD)]);
    assert!(check(&limiter, "reads", "k").await.outcome.allowed());
    proxy.set(Relay::Drop(vestibule_testkit::process::Towards::Client));
    let asked = || proxy.traffic().command("EVALSHA");
    let before = asked();
    // Until the breaker opens each of them waits for its deadline.
    for _ in 0..5 {
        assert!(check(&limiter, "reads", "k").await.outcome.allowed(), "open");
    }
    let (opened, started) = (asked(), Instant::now());
    assert_eq!(opened - before, 5);
    let mut checks = 0;
    while started.elapsed() < Duration::from_millis(1_200) {
        let policy = check(&limiter, "reads", &format!("k{}", checks % 7)).await.said[0].policy;
        assert_eq!(policy, Some(OnStoreFailure::Open));
        checks += 1;
        tokio::task::yield_now().await;
    }
    assert!(checks > 1_000, "{checks}");
    assert!(asked() - opened <= started.elapsed().as_secs() + 1, "{} probes", asked() - opened);
}

/// L9: a server that dies in the middle of a call is a fault in time; what the lost call took is over within the period.
#[tokio::test]
async fn an_answer_that_is_lost_blocks_nobody_for_longer_than_a_period() {
    let server = Redis::start();
    let proxy = FaultProxy::start(server.port());
    let closed = RuleOptions { on_store_failure: OnStoreFailure::Closed, ..options("closed", Level::Custom, 3, PERIOD) };
    let (limiter, _) = node(through(&proxy, DEADLINE), &[Rule::new(closed).expect("a rule")]);
    assert!(check(&limiter, "closed", "k").await.outcome.allowed());
    for length in [0, 1, 7] {
        proxy.once(Relay::CutReply(length));
        let checked = check(&limiter, "closed", "k").await;
        assert_eq!(checked.outcome, Outcome::StoreUnavailable, "never a denial");
    }
    let begun = Instant::now();
    let seen = loop {
        // The way back may still be under repair.
        match limiter.peek(vec![ask(&limiter, "closed", "k")]).await {
            Ok(seen) => break seen.said[0].verdict.expect("it is known"),
            Err(fault) => assert!(begun.elapsed() < START, "{fault}"),
        }
        tokio::task::yield_now().await;
    };
    assert!(seen.reset_ms <= PERIOD.as_millis() as u64, "{seen:?}");
    assert!(seen.retry_ms <= PERIOD.as_millis() as u64 / 3, "{seen:?}");
}

/// A look takes nothing, so it gives nothing back where one of several servers does not answer.
#[tokio::test]
async fn a_look_that_fails_in_part_gives_nothing_back() {
    let turn = tokio::task::spawn_blocking(Cluster::shared).await.expect("the fixture does not panic").turn().await;
    let options = RedisOptions { deadline: Duration::from_millis(300), ..RedisOptions::default() };
    let limits = RedisLimits::new(cluster::address(&turn.cluster.ports()), &options);
    let rule = rule("looked", Level::Custom, 10, HOUR).shared();
    let demands = on_two_servers(&turn.cluster, &rule);
    let now = Clock::system().now();
    let check = || async { limits.check(&demands, now).await };
    let taken = {
        let begun = Instant::now();
        while check().await.is_err() {
            assert!(begun.elapsed() < START, "the Cluster answers");
        }
        limits.check(&demands, now).await.expect("check answers").verdicts[0].remaining
    };
    let silent = turn.cluster.master_of(&name_of(&demands[1]));
    // Longer than the deadline; its own answer may be held back as well.
    let _ = silent.try_command("CLIENT PAUSE 1500 ALL");
    assert!(limits.peek(&demands, now).await.is_err(), "one of them does not answer");
    let left = limits.peek(&demands[..1], now).await.expect("the other one answers").verdicts[0].remaining;
    assert_eq!(left, taken);
    let awake = wait_for(START, || silent.try_command("PING").filter(|answer| answer.contains("PONG")).map(drop));
    assert!(awake.is_some(), "the Cluster is left as it was");
}

fn name_of(demand: &Demand) -> String {
    let Home(home) = demand.key.home();
    format!("vs:{{{home}}}:r:{}:{}", demand.rule.name(), demand.key.text())
}

/// Two demands for keys that different servers have.
fn on_two_servers(cluster: &Cluster, rule: &Arc<Rule>) -> [Demand; 2] {
    let demand = |number: u32| {
        let key = LimitKey::new(&format!("key-{number}")).expect("a key");
        Demand { rule: rule.clone(), key, cost: 1 }
    };
    let port = |demand: &Demand| cluster.master_of(&name_of(demand)).port();
    let first = demand(0);
    let home = port(&first);
    let other = (1..).map(demand).find(|other| port(other) != home).expect("keys spread over the servers");
    [first, other]
}

/// What a request held for a moment on one server, while another one denied it, may have denied somebody elsewhere: every node hears that
/// it is not so any more.
#[tokio::test]
async fn a_denial_that_was_only_for_a_moment_is_taken_back() {
    let turn = tokio::task::spawn_blocking(Cluster::shared).await.expect("the fixture does not panic").turn().await;
    let options = RedisOptions { deadline: DEADLINE, ..RedisOptions::default() };
    let limits = RedisLimits::new(cluster::address(&turn.cluster.ports()), &options);
    let rules = [rule("once", Level::Custom, 1, HOUR), rule("never", Level::Custom, 0, HOUR)];
    let spread = on_two_servers(&turn.cluster, &rules[0].clone().shared());
    let (limiter, bus) = node(limits, &rules);
    let mut news = bus.subscribe();
    let asks = vec![ask(&limiter, "once", spread[0].key.text()), ask(&limiter, "never", spread[1].key.text())];
    let denied = limiter.check(asks).await.expect("it can be asked");
    assert!(!denied.outcome.allowed());
    assert_eq!(denied.said[0].verdict.expect("it is known").remaining, 1, "given back");
    assert_eq!(first_reset(&mut news).await, ("once".into(), Some(spread[0].key.text().into())));
    assert!(check(&limiter, "once", spread[0].key.text()).await.outcome.allowed());
}

async fn first_reset(news: &mut Subscription) -> (Box<str>, Option<Box<str>>) {
    loop {
        match tokio::time::timeout(START, news.next()).await.expect("something is told") {
            Some(News::Signal(Signal::LimitReset(reset))) => return (reset.rule, reset.key),
            Some(_) => {}
            None => panic!("the bus is gone"),
        }
    }
}

/// Rules of one server are decided in one step: nothing was held for a moment, and nobody is told anything.
#[tokio::test]
async fn one_server_holds_nothing_for_a_moment() {
    let server = Redis::start();
    let limits = RedisLimits::new(address_of(&server), &RedisOptions { deadline: DEADLINE, ..RedisOptions::default() });
    let [once, never] = [rule("once", Level::Custom, 1, HOUR), rule("never", Level::Custom, 0, HOUR)].map(Rule::shared);
    let demand = |rule: &Arc<Rule>| Demand { rule: rule.clone(), key: LimitKey::new("k").expect("a key"), cost: 1 };
    let decision = limits.check(&[demand(&once), demand(&never)], Clock::system().now()).await.expect("check answers");
    assert_eq!((decision.granted, decision.gave_back), (false, false));
}
