//! What a server in trouble looks like, and two processes on one server.

use super::{load::Load, support::store_on};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use vestibule_core::{
    device::{
        DeviceId,
        command::{RevokeTrust, TrustDevice, TrustSelection},
    },
    fault::Fault,
    session::{
        CapPolicy, Device, TokenDigest,
        command::{Cap, CreateOutcome, CreateSession, Selection},
    },
    user::command::DisableUser,
};
use vestibule_redis::{AddressError, RedisAddress, RedisOptions, RedisStore};
use vestibule_testkit::{
    bounds::{POLL, START},
    conformance::{Harness, Scene},
    process::{FaultProxy, Redis, Relay, free_port, wait_for},
};

/// Calls succeed within this time once their way is open again.
const RECOVERY: Duration = Duration::from_secs(2);

fn scene_on(server: &Redis) -> Scene {
    Scene::new(Harness::of(store_on(server)))
}

async fn try_login(scene: &Scene) -> Result<CreateOutcome, Fault> {
    let session = scene.session(&scene.person());
    let cap = Cap { limit: 10, policy: CapPolicy::EvictOldest };
    scene.sessions.create(scene.cx(), CreateSession { session, cap, login: false, device: None, is_new_browser: false }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_through_two_processes_leave_exactly_the_cap() {
    let server = Redis::start();
    let (one, two) = (Arc::new(scene_on(&server)), Arc::new(scene_on(&server)));
    let ada = one.person();
    let cap = Cap { limit: 10, policy: CapPolicy::EvictOldest };
    let tasks: Vec<_> = (0..30)
        .map(|number| {
            let scene = if number % 2 == 0 { one.clone() } else { two.clone() };
            let session = scene.session(&ada);
            tokio::spawn(async move { scene.create_under(session, cap).await })
        })
        .collect();
    for task in tasks {
        assert!(matches!(task.await.expect("no panic"), CreateOutcome::Created { .. }));
    }
    assert_eq!((one.list(&ada).await.len(), two.list(&ada).await.len()), (10, 10));
    assert_eq!(one.sessions.stats().await.expect("stats answers").sessions, 10);
}

#[tokio::test]
async fn what_one_process_ended_no_other_one_revives() {
    let server = Redis::start();
    let (one, two) = (scene_on(&server), scene_on(&server));
    let ada = one.person();
    let session = one.login(&ada).await;
    two.expire(&ada).await;
    // Now both remember the user as logged in.
    assert_eq!(one.end(&ada, Selection::All { except: Vec::new() }).await, 1);
    two.login(&ada).await;
    assert!(!two.is_valid(&session).await && !one.is_valid(&session).await);
    assert_eq!(two.list(&ada).await.len(), 1);
}

/// O12: and one that forgot the scripts is told them again.
#[tokio::test]
async fn an_emptied_server_is_believed() {
    let server = Redis::start();
    let scene = scene_on(&server);
    let ada = scene.person();
    let before = scene.login(&ada).await;
    assert!(server.command("FLUSHALL").contains("OK"));
    // This process still remembers the user; the server's word counts.
    assert_eq!(scene.end_one(&before).await, 0);
    assert!(server.command("SCRIPT FLUSH").contains("OK"));
    scene.login(&ada).await;
    assert!(!scene.is_valid(&before).await);
    assert_eq!(scene.list(&ada).await.len(), 1);
}

#[tokio::test]
async fn a_full_server_refuses_to_begin_and_goes_on_to_end() {
    let server = Redis::start();
    let scene = scene_on(&server);
    let ada = scene.person();
    let session = scene.login(&ada).await;
    let trust = || TrustDevice {
        id: DeviceId::generate(ada.tag),
        user_id: ada.id.clone(),
        digest: TokenDigest::from_bytes([7; 32]),
        label: Device::default(),
        expires_at: scene.now().plus_ms(60_000),
        session: None,
        replaces: None,
    };
    scene.devices.trust(scene.cx(), trust()).await.expect("there is room");
    assert!(server.command("CONFIG SET maxmemory 1").contains("OK"));
    let refused = scene.devices.trust(scene.cx(), trust()).await;
    assert!(matches!(&refused, Err(Fault::Misconfigured(_))), "{refused:?}");
    let revoke = RevokeTrust { tag: ada.tag, selection: TrustSelection::All };
    assert_eq!(scene.devices.revoke_trust(scene.cx(), revoke).await.expect("trust ends").revoked, 1);
    let refused = try_login(&scene).await;
    assert!(matches!(&refused, Err(Fault::Misconfigured(text)) if text.contains("maxmemory")), "{refused:?}");
    assert!(scene.is_valid(&session).await);
    assert_eq!(scene.end_one(&session).await, 1);
    assert!(!scene.is_valid(&session).await);
    let stranger = scene.person();
    scene
        .sessions
        .disable_user(scene.cx(), DisableUser { tag: stranger.tag, user_id: stranger.id.clone() })
        .await
        .expect("a user without sessions is shut out");
}

#[tokio::test]
async fn a_replica_is_named_as_what_it_is() {
    let server = Redis::start();
    let scene = scene_on(&server);
    scene.login(&scene.person()).await;
    assert!(server.command(&format!("REPLICAOF 127.0.0.1 {}", free_port())).contains("OK"));
    let refused = try_login(&scene).await;
    assert!(matches!(&refused, Err(Fault::Misconfigured(text)) if text.contains("replica")), "{refused:?}");
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_again() {
    let server = Redis::start();
    let scene = scene_on(&server);
    let ada = scene.person();
    let session = scene.login(&ada).await;
    server.kill();
    let lost = scene.sessions.find(ada.tag, session.digest(), scene.now()).await;
    assert!(matches!(lost, Err(Fault::Unavailable(_))), "{lost:?}");
    server.restart();
    // It lost everything, and says so: nothing is valid, and nothing stands in the way of a new session.
    let back = async {
        while try_login(&scene).await.is_err() {
            tokio::time::sleep(POLL).await;
        }
    };
    assert!(tokio::time::timeout(START, back).await.is_ok(), "the server is not found again");
    assert!(!scene.is_valid(&session).await);
}

/// O13: a way that swallows everything fails calls fast, and works again soon after it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_open_way_is_left_and_found_again() {
    let server = Redis::start();
    let proxy = FaultProxy::start(server.port());
    let address = RedisAddress::parse(&format!("redis://127.0.0.1:{}", proxy.port())).expect("an address");
    let store = RedisStore::new(address, RedisOptions::default());
    let mut load = Load::prepare(Scene::new(Harness::of(Arc::new(store)))).await;
    load.begin();
    proxy.set(Relay::HalfOpen);
    // As long as it takes until no call even leaves any more.
    let before = load.met.faults.load(Ordering::Relaxed);
    let many = || (load.met.faults.load(Ordering::Relaxed) > before + 200).then_some(());
    tokio::task::block_in_place(|| wait_for(START, many)).expect("calls fail fast");
    proxy.set(Relay::Pass);
    let taken = load.recovery().await;
    println!("calls succeed {taken:?} after the way is open");
    load.end().await;
    assert!(taken < RECOVERY, "{taken:?}");
}

/// O12
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_that_are_forgotten_fail_no_call() {
    let server = Redis::start();
    let mut load = Load::prepare(scene_on(&server)).await;
    load.begin();
    for _ in 0..20 {
        assert!(server.command("SCRIPT FLUSH").contains("OK"));
        let before = load.met.good.load(Ordering::Relaxed);
        let more = || (load.met.good.load(Ordering::Relaxed) > before + 20).then_some(());
        tokio::task::block_in_place(|| wait_for(START, more)).expect("calls go on");
    }
    assert_eq!(load.end().await.faults.load(Ordering::Relaxed), 0);
}

#[test]
fn addresses_are_read_and_never_shown() {
    let address = RedisAddress::parse("redis://ada:secret@localhost:6380/2").expect("an address");
    assert!(!format!("{address:?}").contains("secret"));
    assert!(RedisAddress::parse("rediss://localhost").is_ok());
    for wrong in ["http://localhost", "redis:", "rediss://localhost/#insecure"] {
        assert_eq!(RedisAddress::parse(wrong).err(), Some(AddressError::Malformed), "{wrong}");
    }
}
