//! Several servers on one Redis: what one revokes, the others refuse.

use super::{ask, issue, json, options, post, revoke, verify};
use std::time::{Duration, Instant};
use vestibule_testkit::process::{FaultProxy, Redis, Relay, Server, wait_for};

/// Rounds; `VESTIBULE_TEST_ROUNDS` in the environment makes it more.
const ROUNDS: usize = 40;
/// What is published in docs/revocation.md.
const BOUND: Duration = Duration::from_secs(1);
/// What asking takes on a machine that is busy with other tests.
const BUSY: Duration = Duration::from_millis(500);

struct Fleet {
    redis: Redis,
    one: Server,
    two: Server,
    /// In front of the Redis of `two`.
    proxy: FaultProxy,
}

impl Fleet {
    fn start() -> Self {
        let redis = Redis::start();
        let proxy = FaultProxy::start(redis.port());
        let on = |port: u16| {
            let url = format!("redis://127.0.0.1:{port}");
            Server::start(
                options().env("REDIS_URL", &url).env("VESTIBULE_SECRET", "a secret of servers that share tokens 1234567890"),
            )
        };
        let (one, two) = (on(redis.port()), on(proxy.port()));
        Self { redis, one, two, proxy }
    }

    /// How long after the answer of the revoke the other server refuses. It is not asked before it believes the token.
    fn revoke_once(&self, before: impl FnOnce()) -> Duration {
        let tokens = issue(&self.one, "ada");
        let good = wait_for(BOUND * 10, || (verify(&self.two, &tokens).status == 200).then_some(()));
        assert!(good.is_some(), "the other server does not believe a good token\n{}", self.two.stderr());
        before();
        assert_eq!(revoke(&self.one, &json!({"jti": tokens["jti"]})), 1);
        let revoked = Instant::now();
        wait_for(BOUND * 10, || (verify(&self.two, &tokens).status != 200).then_some(())).expect("it refuses at last");
        revoked.elapsed()
    }
}

fn rounds() -> usize {
    std::env::var("VESTIBULE_TEST_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS)
}

fn report(what: &str, mut took: Vec<Duration>) -> Duration {
    took.sort_unstable();
    let at = |percent: usize| took[(took.len() * percent / 100).min(took.len() - 1)];
    println!("{what}: {} rounds, p50 {:?}, p99 {:?}, longest {:?}", took.len(), at(50), at(99), at(100));
    at(100)
}

// S56
#[test]
fn a_revoke_on_one_server_is_heard_by_the_other() {
    let fleet = Fleet::start();
    let took = (0..rounds()).map(|_| fleet.revoke_once(|| {})).collect();
    assert!(report("healthy", took) <= BOUND + BUSY);
    assert!(fleet.redis.command("PING").contains("PONG"));
}

/// S56: the connection on which the other server hears breaks at the moment of the revoke. It knows that it missed something, and asks
/// the store.
#[test]
fn a_revoke_that_the_bus_lost_is_known_within_the_bound() {
    let fleet = Fleet::start();
    let lose = || drop(fleet.redis.command("CLIENT KILL TYPE pubsub"));
    let took = (0..rounds() / 4).map(|_| fleet.revoke_once(lose)).collect();
    assert!(report("bus connection lost", took) <= BOUND + BUSY);
}

/// S56: the server that revokes cannot tell anybody. The other one hears nothing from it, which is enough to ask the store.
#[test]
fn a_revoke_that_nobody_tells_is_known_within_the_bound() {
    let fleet = Fleet::start();
    let silence = |allowed: char| drop(fleet.redis.command(&format!("ACL SETUSER default {allowed}publish")));
    let mut took = Vec::new();
    for _ in 0..rounds() / 10 {
        took.push(fleet.revoke_once(|| silence('-')));
        silence('+');
    }
    assert!(report("nobody tells", took) <= BOUND + BUSY);
}

/// S56: a server that hears nothing at all does not go on believing.
#[test]
fn a_server_that_is_cut_off_does_not_say_yes() {
    let fleet = Fleet::start();
    let cut = || fleet.proxy.set(Relay::HalfOpen);
    let took = vec![fleet.revoke_once(cut)];
    assert!(report("cut off", took) <= BOUND + BUSY);
    fleet.proxy.set(Relay::Pass);
    let tokens = issue(&fleet.one, "ada");
    let back = wait_for(BOUND * 20, || (verify(&fleet.two, &tokens).status == 200).then_some(()));
    assert!(back.is_some(), "the server does not find back\n{}", fleet.two.stderr());
}

/// S58: a rotation on one server is known to the others before the key signs, and a token of either is good on both.
#[test]
fn a_rotation_on_one_server_is_known_to_the_other() {
    let fleet = Fleet::start();
    let rotated = ask(&fleet.one, post("/v1/tokens/keys/rotate")).expect(202).json();
    let known = wait_for(BOUND * 10, || {
        let set = super::get("/.well-known/jwks.json").send(&fleet.two.public).expect(200);
        set.text().contains(super::text(&rotated["kid"])).then_some(())
    });
    assert!(known.is_some(), "the other server never publishes the key");
    for (from, to) in [(&fleet.one, &fleet.two), (&fleet.two, &fleet.one)] {
        let tokens = issue(from, "ada");
        assert_eq!(verify(to, &tokens).status, 200);
    }
}
