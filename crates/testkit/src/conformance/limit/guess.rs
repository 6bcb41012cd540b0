//! What is built on counts: challenges instead of waiting, and how often a password may be wrong.

use super::{DAY, HOUR, LimitScene, MINUTE, demand, key_of, made, options, rule};
use futures_util::future::join_all;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};
use vestibule_core::{
    account::throttle::{Admission, Attempt, AttemptEnd, Budget, Budgets, CountedIn, LoginThrottle as _},
    limit::{Algorithm, Challenge, LimitThrottle, Limiter, Penalty, RuleOptions, Solution, Solved, Standing, solution_of},
    secret::KeyRing,
    time::Clock,
};

/// Whoever is pardoned begins anew, and the next strike is as dear as it would have been.
pub async fn a_pardon_forgives_all_but_the_strikes(scene: LimitScene) {
    let penalty = Penalty { base_ms: MINUTE, factor: 4, cap_ms: DAY, decay_ms: 2 * DAY, extend_on_hit: false };
    for algorithm in [Algorithm::Gcra, Algorithm::Sliding, Algorithm::Fixed] {
        let rule =
            made(RuleOptions { penalty: Some(penalty), ..options(&format!("pardon-{algorithm:?}"), algorithm, 3, HOUR) });
        let pardon = async || scene.store.pardon(&rule, &key_of("k"), scene.now()).await.expect("pardon answers");
        for (strikes, minutes) in [(1, 1), (2, 4)] {
            assert_eq!(scene.allowed(&rule, "k", 3).await, 3, "{algorithm:?}");
            let denied = scene.ask(&rule, "k").await;
            assert_eq!(denied.strikes, strikes, "{algorithm:?}");
            assert!(denied.retry_ms >= minutes * MINUTE, "{algorithm:?}");
            pardon().await;
            let seen = scene.peek(&[demand(&rule, "k", 1)]).await.verdicts[0];
            assert_eq!((seen.standing, seen.remaining, seen.strikes), (Standing::Allowed, 3, strikes), "{algorithm:?}");
        }
        scene.advance(4 * DAY);
        pardon().await;
        assert_eq!(scene.peek(&[demand(&rule, "k", 1)]).await.verdicts[0].strikes, 0, "{algorithm:?}");
    }
    let plain = rule("pardon-plain", Algorithm::Gcra, 1, HOUR);
    assert_eq!(scene.allowed(&plain, "k", 2).await, 1);
    scene.store.pardon(&plain, &key_of("k"), scene.now()).await.expect("pardon answers");
    scene.store.pardon(&plain, &key_of("nobody"), scene.now()).await.expect("pardon answers");
    assert_eq!(scene.allowed(&plain, "k", 2).await, 1);
}

/// Nodes share what was solved: a solution is taken once, whoever is told of it and however many are at once.
pub async fn a_challenge_is_solved_once_by_all_nodes(scene: LimitScene) {
    let ring = Arc::new(KeyRing::ephemeral());
    let rule = made(RuleOptions { challenge: true, ..options("hard", Algorithm::Gcra, 1, HOUR) });
    let nodes = [scene.node(&rule, &ring), scene.node(&rule, &ring)];
    let ask = |node: &Limiter, key: &str| node.ask("hard", key, 1).expect("a rule");
    let check = async |node: &Limiter, key: &str| node.check(vec![ask(node, key)]).await.expect("one is not too many");
    assert!(check(&nodes[0], "k").await.outcome.allowed());
    let denied = check(&nodes[0], "k").await;
    let Some((_, Challenge::Puzzle(puzzle))) = nodes[0].challenge(&denied) else { panic!("no puzzle: {denied:?}") };
    let text = solution_of(&puzzle);
    let work = Solution::Work { puzzle: &puzzle.puzzle, text: &text };
    assert_eq!(nodes[1].solve(&ask(&nodes[1], "other"), work).await, Ok(Solved::Wrong));
    let asked = nodes.each_ref().map(|node| ask(node, "k"));
    let (first, second) = tokio::join!(nodes[0].solve(&asked[0], work), nodes[1].solve(&asked[1], work));
    let mut outcomes = [first, second].map(|solved| solved.expect("solve answers").as_str());
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["cleared", "used"]);
    // These nodes have no bus in common, so the one that came second remembers the denial: ask one that remembers nothing.
    let third = scene.node(&rule, &ring);
    assert!(check(&third, "k").await.outcome.allowed() && !check(&third, "k").await.outcome.allowed());
    assert_eq!(nodes[1].solve(&ask(&nodes[1], "k"), work).await, Ok(Solved::Used));
}

/// Accounts and addresses of the credential stuffing, and addresses of the botnet in one network.
const ACCOUNTS: usize = 1_000;
const ADDRESSES: usize = 200;
const BOTS: usize = 300;
/// Guesses of each address.
const GUESSES: usize = 12;
/// Guesses under way at a time.
const AT_ONCE: usize = 128;
/// Failures that an account and an address are allowed.
const BUDGETS: (u32, u32) = (5, 10);

/// Lists of passwords are tried from everywhere: accounts and addresses are throttled by all nodes together, a network counts as one
/// address, and the owner of the account that is tried most gets in on a device that is known.
pub async fn stuffed_credentials_get_nowhere(scene: LimitScene) {
    let budget = |failures| Some(Budget { failures, period: Duration::from_millis(4 * HOUR) });
    let budgets = Budgets { account: budget(BUDGETS.0), address: budget(BUDGETS.1) };
    let node = || LimitThrottle::new(scene.store.clone(), budgets, Clock::system()).expect("sound budgets");
    let nodes = [node(), node(), node()];
    let subject = |number: usize| Some(std::array::from_fn(|place| ((number * 31) >> place) as u8));
    let bot = |number: usize| IpAddr::V6(Ipv6Addr::from((0x2001_0db8_u128 << 96) | number as u128));
    let address = |number: usize| IpAddr::V4(Ipv4Addr::new(203, 0, 113, number as u8));
    let admitted = async |attempts: Vec<Attempt>| {
        let mut count = 0;
        for some in attempts.chunks(AT_ONCE) {
            let asked = some.iter().enumerate().map(|(number, attempt)| nodes[number % 3].admit(*attempt, scene.now()));
            let answers = join_all(asked).await.into_iter().map(|answer| answer.expect("admit answers"));
            count += answers.filter(Admission::is_allowed).count();
        }
        count
    };
    let attempt = |account: usize, address: IpAddr| Attempt { subject: subject(account), address: Some(address) };
    let spread = |one: usize| (0..GUESSES).map(move |guess| attempt((one * GUESSES + guess) % (ACCOUNTS - 1), address(one)));
    let from_lists = admitted((0..ADDRESSES).flat_map(spread).collect()).await;
    assert_eq!(from_lists, ADDRESSES * BUDGETS.1 as usize, "so much for each address");
    let from_bots = admitted((0..BOTS).map(|number| attempt(number, bot(number))).collect()).await;
    assert_eq!(from_bots, BUDGETS.1 as usize, "a network counts as one address");
    let target = ACCOUNTS - 1;
    let elsewhere = |number: usize| IpAddr::V4(Ipv4Addr::new(198, 51, 100, number as u8));
    let targeted = (0..ADDRESSES).map(|number| attempt(target, elsewhere(number)));
    assert_eq!(admitted(targeted.collect()).await, BUDGETS.0 as usize, "however many addresses");
    let home: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    assert_eq!(admitted(vec![attempt(target, home)]).await, 0, "the owner on a device that nobody knows");
    let owner = attempt(ACCOUNTS, home);
    assert_eq!(admitted(vec![owner]).await, 1, "the owner on a device of theirs");
    nodes[0].settle(owner, CountedIn::Store { at: scene.now() }, AttemptEnd::Succeeded).await.expect("settle answers");
    for _ in 0..2 * BUDGETS.1 {
        assert_eq!(admitted(vec![owner]).await, 1, "what succeeds uses up nothing");
        nodes[1].settle(owner, CountedIn::Store { at: scene.now() }, AttemptEnd::Succeeded).await.expect("settle answers");
    }
}
