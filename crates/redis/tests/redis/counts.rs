//! How many commands and round trips a call costs, counted by the server, and what it leaves behind.

use super::support::{DEADLINE, address_of, store_on};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use vestibule_core::{
    deployment::{DeploymentRecord, DeploymentStore},
    device::command::CheckDevice,
    session::{
        TokenDigest,
        command::{ExpireUser, Selection, Touch},
    },
    token::{DenialPlace, NewDenials, command::Target},
    user::Context,
};
use vestibule_redis::{RedisOptions, RedisStore};
use vestibule_testkit::{
    conformance::{Harness, Person, Scene},
    process::{Redis, wait_for},
};

/// Commands since the last [`reset`], without those of this file and of connections.
fn commands(server: &Redis) -> BTreeMap<String, u64> {
    let own = ["config|resetstat", "info", "quit", "ping", "hello", "client|setinfo", "client|setname", "select"];
    let info = server.command("INFO commandstats");
    let calls = info.lines().filter_map(|line| {
        let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), figures.split(',').next()?.parse().ok()?))
    });
    calls.filter(|(name, _)| !own.contains(&name.as_str())).collect()
}

fn reset(server: &Redis) {
    assert!(server.command("CONFIG RESETSTAT").contains("OK"));
}

fn counted(server: &Redis, expected: &[(&str, u64)]) {
    let expected: BTreeMap<_, _> = expected.iter().map(|(name, calls)| ((*name).to_owned(), *calls)).collect();
    assert_eq!(commands(server), expected);
}

#[tokio::test]
async fn the_usual_validate_is_one_command() {
    let server = Redis::start();
    let scene = Scene::new(Harness::of(store_on(&server)));
    let sessions = scene.logins(&scene.person(), 10).await;
    reset(&server);
    for session in &sessions {
        let digest = session.digest();
        scene.sessions.find(session.id().tag(), digest, scene.now()).await.expect("find answers");
    }
    counted(&server, &[("getrange", 10)]);
}

#[tokio::test]
async fn a_change_is_one_script_where_the_user_was_seen_and_a_read_more_where_not() {
    let server = Redis::start();
    let store = store_on(&server);
    store.warm_up().await.expect("the server is there");
    let scene = Scene::new(Harness::of(store));
    let ada = scene.person();
    reset(&server);
    let session = scene.login(&ada).await;
    let written = [("getrange", 1), ("set", 1), ("rpush", 2), ("ltrim", 2), ("pexpire", 3), ("hincrby", 4)];
    let trip = [&[("evalsha", 1)][..], &written].concat();
    counted(&server, &trip);

    reset(&server);
    let digest = TokenDigest::from_bytes([7; 32]);
    let check = CheckDevice { tag: ada.tag, digest };
    scene.devices.check(scene.cx(), check).await.expect("check answers");
    counted(&server, &[("evalsha", 1), ("getrange", 1), ("rpush", 2), ("ltrim", 2), ("pexpire", 3), ("hincrby", 1)]);

    let elsewhere = Scene::new(Harness::of(store_on(&server)));
    reset(&server);
    let touch = Touch { id: session.id(), at: scene.now().plus_ms(1), idle_timeout_ms: 60_000, activity: None };
    elsewhere.sessions.touch(touch.clone()).await.expect("touch answers");
    counted(&server, &[("get", 1), ("evalsha", 1), ("getrange", 1), ("set", 1)]);

    reset(&server);
    elsewhere.sessions.touch(Touch { at: touch.at.plus_ms(1), ..touch }).await.expect("touch answers");
    counted(&server, &[("evalsha", 1), ("getrange", 1), ("set", 1)]);
}

/// S61: a refresh by whoever made the user's last change is one trip and one script, and writes the user alone.
#[tokio::test]
async fn a_refresh_is_one_script() {
    let server = Redis::start();
    let store = store_on(&server);
    store.warm_up().await.expect("the server is there");
    let scene = Scene::new(Harness::of(store));
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let mut family = scene.issued(&ada, Some(&session)).await;
    for _ in 0..3 {
        scene.advance(1_000);
        reset(&server);
        family = scene.refreshed(&ada, &family).await;
        counted(&server, &[("evalsha", 1), ("getrange", 1), ("set", 1)]);
    }
    reset(&server);
    assert_eq!(scene.revoke(&ada, Target::Family(family.serial)).await, 1);
    let denied = [("time", 1), ("hset", 1), ("zadd", 1), ("zremrangebyscore", 1), ("zrange", 1)];
    let told = [("rpush", 2), ("ltrim", 2), ("hincrby", 1), ("pexpire", 4)];
    counted(&server, &[&[("evalsha", 1), ("getrange", 1), ("set", 1)][..], &denied, &told].concat());
}

/// A home that denied nothing since it was read is not read again, however much it denied before.
#[tokio::test]
async fn only_homes_with_new_denials_are_read_again() {
    let server = Redis::start();
    let scene = Scene::new(Harness::of(store_on(&server)));
    let [ada, bob] = [scene.person(), scene.person()];
    let deny = async |person: &Person| {
        let family = scene.issued(person, None).await;
        assert_eq!(scene.revoke(person, Target::Family(family.serial)).await, 1);
    };
    let read = async |after| scene.tokens.denials(scene.now(), after).await.expect("denials answers");
    deny(&ada).await;
    let all = read(DenialPlace::default()).await;
    assert_eq!(all.denials.len(), 1);

    reset(&server);
    let nothing = read(all.place.clone()).await;
    assert_eq!(nothing, NewDenials { denials: Vec::new(), place: all.place });
    counted(&server, &[("hget", 256)]);

    deny(&bob).await;
    reset(&server);
    let news = read(nothing.place).await;
    assert!(news.denials.iter().any(|denial| denial.tag == bob.tag), "{news:?}");
    counted(&server, &[("hget", 256), ("zrange", 1)]);
}

/// However many there are: the user's head is read, and one script ends all of them without a look at more than the newest.
#[tokio::test]
async fn the_end_of_very_many_is_as_short_as_that_of_a_few() {
    let server = Redis::start();
    let store = store_on(&server);
    store.warm_up().await.expect("the server is there");
    let scene = Scene::new(Harness::of(store));
    for sessions in [100, 300] {
        let ada = scene.person();
        scene.logins(&ada, sessions).await;
        reset(&server);
        assert_eq!(scene.end(&ada, Selection::All { except: Vec::new() }).await, sessions as u64);
        let script = [("getrange", 3), ("set", 2), ("unlink", 1), ("rpush", 2), ("ltrim", 2), ("pexpire", 3), ("hincrby", 4)];
        counted(&server, &[&[("evalsha", 1)][..], &script].concat());
    }
}

#[tokio::test]
async fn every_key_but_the_named_ones_has_a_ttl() {
    let server = Redis::start();
    let store = store_on(&server);
    store.init(DeploymentRecord { salt: [1; 32], fingerprint: [2; 16] }).await.expect("init answers");
    let scene = Scene::new(Harness::of(store));
    let ada = scene.person();
    scene.logins(&ada, 3).await;
    scene.end(&ada, Selection::All { except: Vec::new() }).await;
    let session = scene.login(&scene.person()).await;
    let bob = Person { tag: session.id().tag(), ..scene.person() };
    let family = scene.issued(&bob, Some(&session)).await;
    assert_eq!(scene.revoke(&bob, Target::Family(family.serial)).await, 1);
    let keys = server.command("KEYS *");
    let keys: Vec<_> = keys.lines().filter(|line| line.starts_with("vs:")).collect();
    assert!(keys.len() >= 8, "{keys:?}");
    for key in keys {
        let ttl = server.command(&format!("PTTL {key}"));
        assert_eq!(ttl.trim() == ":-1", key == "vs:{0}:deployment", "{key} {ttl}");
        let first = key.split(['{', '}']).nth(1).and_then(|home| home.parse::<u8>().ok());
        assert!(first.is_some(), "{key} has a home for a hash tag");
    }
}

/// Cycles of the search for keys that stay; `cargo xtask chaos` runs 100,000.
const CYCLES: usize = 2_000;
/// Cycles that run at the same time, between two looks at the keys.
const AT_ONCE: usize = 500;
/// Keys that a home has for itself: timeline and figures.
const KEYS_OF_HOMES: usize = 2 * 256;

/// All keys without a TTL.
const EVERLASTING: &str = "EVAL \"local found = {} local at = '0' repeat local step = redis.call('SCAN', at, 'COUNT', 1000) at = step[1] \
     for _, key in ipairs(step[2]) do if redis.call('PTTL', key) == -1 then table.insert(found, key) end end until at == '0' \
     return found\" 0";

fn keys(server: &Redis) -> usize {
    let answer = server.command("DBSIZE");
    answer.trim().trim_start_matches(':').parse().expect("a number")
}

/// S21: users who come and go leave nothing, and nothing of theirs is ever without a TTL.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cycles_leave_no_keys_behind() {
    let told = std::env::var("VESTIBULE_TEST_CYCLES").ok().and_then(|text| text.parse().ok());
    let cycles: usize = told.unwrap_or(CYCLES);
    let server = Redis::start();
    let options = RedisOptions { deadline: DEADLINE, history_retention: Duration::from_secs(1), ..RedisOptions::default() };
    let store = Arc::new(RedisStore::new(address_of(&server), options));
    store.init(DeploymentRecord { salt: [1; 32], fingerprint: [2; 16] }).await.expect("init answers");
    let scene = Arc::new(Scene::new(Harness::of(store)));
    let mut most = 0;
    for _ in 0..cycles.div_ceil(AT_ONCE) {
        let cycle = || {
            let scene = scene.clone();
            tokio::spawn(async move {
                let person = scene.person();
                let begun = scene.login(&person).await;
                let expire = ExpireUser { tag: person.tag };
                let later = Context { now: begun.deadline().plus_ms(1), ..scene.cx() };
                assert_eq!(scene.sessions.expire(later, expire).await.expect("expire answers").expired, 1);
            })
        };
        for cycle in (0..AT_ONCE).map(|_| cycle()).collect::<Vec<_>>() {
            cycle.await.expect("a cycle ends well");
        }
        let everlasting = server.command(EVERLASTING);
        assert_eq!(everlasting.lines().filter(|line| line.starts_with("vs:")).collect::<Vec<_>>(), ["vs:{0}:deployment"]);
        most = most.max(keys(&server));
    }
    let baseline = KEYS_OF_HOMES + 1;
    let gone = || (keys(&server) <= baseline).then_some(());
    tokio::task::block_in_place(|| wait_for(DEADLINE, gone)).expect("what is past its time goes");
    println!("{cycles} cycles: {most} keys at most, {} in the end", keys(&server));
    assert!(most > baseline, "there was something to collect");
}
