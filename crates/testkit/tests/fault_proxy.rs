//! The network that goes bad on demand.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Ipv4Addr, TcpStream},
    time::{Duration, Instant},
};
use vestibule_testkit::{
    bounds::ANSWER,
    process::{FaultProxy, Redis, Relay, Towards},
};

/// How long a client listens before it says that nothing comes.
const SILENCE: Duration = Duration::from_millis(300);
const PING: &[u8] = b"*1\r\n$4\r\nPING\r\n";
const PONG: &[u8] = b"+PONG\r\n";

fn client(proxy: &FaultProxy) -> TcpStream {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, proxy.port())).expect("the proxy listens");
    stream.set_read_timeout(Some(ANSWER)).expect("a bound");
    stream
}

fn ask(stream: &mut TcpStream) {
    stream.write_all(PING).expect("the proxy takes it");
}

/// What comes back, up to so many bytes; fewer where the connection ends.
fn answer(stream: &mut TcpStream, length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.take(length as u64).read_to_end(&mut bytes).expect("an answer or an end");
    bytes
}

fn assert_well(proxy: &FaultProxy) {
    let mut stream = client(proxy);
    ask(&mut stream);
    assert_eq!(answer(&mut stream, PONG.len()), PONG);
}

fn assert_silent(stream: &mut TcpStream) {
    stream.set_read_timeout(Some(SILENCE)).expect("a bound");
    let kind = stream.read(&mut [0]).expect_err("nothing comes").kind();
    assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{kind:?}");
    stream.set_read_timeout(Some(ANSWER)).expect("a bound");
}

#[test]
fn it_relays_and_counts() {
    let redis = Redis::start();
    let proxy = FaultProxy::start(redis.port());
    let mut stream = client(&proxy);
    for _ in 0..3 {
        ask(&mut stream);
        assert_eq!(answer(&mut stream, PONG.len()), PONG);
    }
    let traffic = proxy.traffic();
    assert_eq!((traffic.connections, traffic.command("PING"), traffic.chunks_to_server), (1, 3, 3));
    assert_eq!((traffic.to_server, traffic.to_client), (3 * PING.len() as u64, 3 * PONG.len() as u64));
}

#[test]
fn half_open_is_silence_and_what_was_held_back_arrives_later() {
    let redis = Redis::start();
    let proxy = FaultProxy::start(redis.port());
    let mut old = client(&proxy);
    proxy.set(Relay::HalfOpen);
    let mut new = client(&proxy);
    for stream in [&mut old, &mut new] {
        ask(stream);
        assert_silent(stream);
    }
    proxy.set(Relay::Pass);
    for stream in [&mut old, &mut new] {
        assert_eq!(answer(stream, PONG.len()), PONG);
    }
}

#[test]
fn chunks_are_dropped_doubled_held_up_and_cut() {
    let redis = Redis::start();
    let proxy = FaultProxy::start(redis.port());
    let mut stream = client(&proxy);
    for towards in [Towards::Server, Towards::Client] {
        proxy.once(Relay::Drop(towards));
        ask(&mut stream);
        assert_silent(&mut stream);
    }
    proxy.once(Relay::Duplicate);
    ask(&mut stream);
    assert_eq!(answer(&mut stream, 2 * PONG.len()), [PONG, PONG].concat());
    proxy.set(Relay::Delay(SILENCE));
    let asked = Instant::now();
    ask(&mut stream);
    assert_eq!(answer(&mut stream, PONG.len()), PONG);
    assert!(asked.elapsed() >= 2 * SILENCE, "both directions are slow");
    proxy.once(Relay::CutReply(3));
    ask(&mut stream);
    assert_eq!(answer(&mut stream, PONG.len()), &PONG[..3], "and then the connection ends");
    assert_well(&proxy);
}

#[test]
fn connections_are_cut_and_refused() {
    let redis = Redis::start();
    let proxy = FaultProxy::start(redis.port());
    let mut stream = client(&proxy);
    ask(&mut stream);
    assert_eq!(answer(&mut stream, PONG.len()), PONG);
    proxy.cut();
    assert_eq!(answer(&mut stream, 1), b"");
    proxy.set(Relay::Refuse);
    assert!(!matches!(client(&proxy).read(&mut [0]), Ok(1)));
    proxy.set(Relay::Pass);
    assert_well(&proxy);
}
