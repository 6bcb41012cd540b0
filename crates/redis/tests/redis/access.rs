//! The ways to a server: TLS with certificates on both sides, passwords, users with few rights, a socket in the file system.

use super::support::DEADLINE;
use std::fs;
use vestibule_core::{bus::Bus, fault::Fault, session::command::Selection};
use vestibule_redis::{RedisAddress, RedisNode, RedisOptions, RedisStore, RedisTls};
use vestibule_testkit::{
    conformance::{Harness, Scene},
    process::{Certificates, Redis},
};

fn store(address: RedisAddress) -> RedisStore {
    RedisStore::new(address, RedisOptions { deadline: DEADLINE, ..RedisOptions::default() })
}

fn node(port: u16) -> RedisNode<'static> {
    RedisNode { host: "127.0.0.1", port, ..RedisNode::default() }
}

/// What the Redis of an address says to a store's whole life: begin, look, end; and to its bus.
async fn works(address: RedisAddress) {
    let store = std::sync::Arc::new(store(address));
    let bus = store.bus();
    let scene = Scene::new(Harness::of(store));
    let ada = scene.person();
    let session = scene.login(&ada).await;
    assert!(scene.is_valid(&session).await);
    assert_eq!(scene.end(&ada, Selection::All { except: Vec::new() }).await, 1);
    bus.join().await;
    assert!(bus.is_connected());
}

async fn refusal(address: RedisAddress) -> String {
    match store(address).warm_up().await {
        Err(Fault::Misconfigured(text)) => text.into_owned(),
        other => panic!("{other:?} names nothing to do"),
    }
}

fn tls(certificates: &Certificates, client: Option<&str>) -> RedisTls {
    let read = |path| fs::read(path).expect("a certificate");
    RedisTls {
        authorities: Some(read(certificates.certificate("ca"))),
        identity: client.map(|name| (read(certificates.certificate(name)), read(certificates.key(name)))),
    }
}

#[tokio::test]
async fn tls_checks_both_sides_and_says_what_is_wrong() {
    let certificates = Certificates::make();
    let (server, port) = Redis::start_tls(&certificates, "server");
    let at = |tls| RedisAddress::of(&node(port)).and_then(|address| address.with_tls(tls)).expect("an address");
    works(at(tls(&certificates, Some("client")))).await;

    let strangers = Certificates::make();
    let untrusted =
        refusal(at(RedisTls { authorities: tls(&strangers, None).authorities, ..tls(&certificates, Some("client")) }));
    assert!(untrusted.await.contains("certificate"));
    let (_elsewhere, port) = Redis::start_tls(&certificates, "foreign");
    let misnamed = RedisAddress::of(&node(port)).and_then(|address| address.with_tls(tls(&certificates, Some("client"))));
    let misnamed = refusal(misnamed.expect("an address")).await;
    assert!(misnamed.contains("not valid for name"), "{misnamed}");
    let plain = RedisAddress::of(&node(server.port())).and_then(|address| address.with_tls(tls(&certificates, None)));
    assert!(store(plain.expect("an address")).warm_up().await.is_err(), "a port without TLS is taken for one with it");
    let unknown = store(at(tls(&certificates, None))).warm_up().await;
    assert!(unknown.is_err(), "a client without a certificate is let in");
}

#[tokio::test]
async fn a_password_opens_and_a_wrong_one_is_named() {
    let server = Redis::start_with(&["--requirepass", "right"]);
    let known = |password| RedisAddress::of(&RedisNode { password, ..node(server.port()) }).expect("an address");
    works(known(Some("right"))).await;
    for password in [None, Some("wrong")] {
        let refused = refusal(known(password)).await;
        assert!(refused.contains("password") && !refused.contains("wrong"), "{refused}");
    }
}

/// The rights that `docs/keyspace.md` names are enough, and no other keys can be seen.
#[tokio::test]
async fn a_user_with_the_named_rights_can_run_all_of_it() {
    let server = Redis::start();
    let rights = "ACL SETUSER vestibule on >secret ~vs:* &vs:bus* +@read +@write +@scripting +@connection +@pubsub +info";
    assert!(server.command(rights).contains("OK"));
    let known = RedisNode { user: Some("vestibule"), password: Some("secret"), ..node(server.port()) };
    works(RedisAddress::of(&known).expect("an address")).await;
    assert!(server.command("ACL SETUSER vestibule -@scripting").contains("OK"));
    let refused = refusal(RedisAddress::of(&known).expect("an address")).await;
    assert!(refused.contains("may not run"), "{refused}");
}

#[tokio::test]
async fn a_socket_in_the_file_system_is_as_good() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("redis.sock");
    let path = path.to_str().expect("text");
    let server = Redis::start_with(&["--unixsocket", path]);
    let known = RedisNode { database: 1, ..RedisNode::default() };
    works(RedisAddress::of_socket(path, &known).expect("an address")).await;
    assert!(server.command("INFO keyspace").contains("db1:"));
    works(RedisAddress::parse(&format!("unix:{path}")).expect("an address")).await;
}
