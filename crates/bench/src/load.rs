//! The load: connections that are kept, each with one request under way at a time. It does as little as it can, so that two
//! servers are compared and not two clients.

use crate::{Error, bounds};
use std::{
    path::Path,
    rc::Rc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::LocalSet,
};

/// Stands between two requests of a file; no request holds it.
const SEPARATOR: &str = "\0";

/// Writes requests for [`run`].
pub(crate) fn write_requests(file: &Path, requests: &[String]) -> Result<(), Error> {
    Ok(std::fs::write(file, requests.join(SEPARATOR))?)
}

/// Sends the requests of a file, round and round, and prints: requests, seconds, and the 50th and 99th percentile of the time
/// to answer in microseconds. Where the time is zero, each request is sent once.
pub(crate) async fn run(address: &str, file: &str, time: Duration) -> Result<(), Error> {
    let text = std::fs::read_to_string(file)?;
    let requests: Rc<[Box<str>]> = text.split(SEPARATOR).map(Box::from).collect();
    drop(text);
    let tasks = LocalSet::new();
    let start = Instant::now();
    let connections: Vec<_> = (0..bounds::CALLERS)
        .map(|first| tasks.spawn_local(connection(address.to_owned(), requests.clone(), first, start, time)))
        .collect();
    tasks.await;
    let mut latencies = Vec::new();
    for connection in connections {
        latencies.extend(connection.await??);
    }
    let seconds = start.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let at = |quantile: f64| latencies[((latencies.len() - 1) as f64 * quantile) as usize];
    println!("{} {seconds} {} {}", latencies.len(), at(0.5), at(0.99));
    Ok(())
}

async fn connection(
    address: String,
    requests: Rc<[Box<str>]>,
    first: usize,
    start: Instant,
    time: Duration,
) -> Result<Vec<u32>, Error> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (mut latencies, mut next) = (Vec::new(), first);
    let mut answer = vec![0; bounds::ANSWER_BYTES];
    loop {
        let once = time.is_zero();
        if (once && next >= requests.len()) || (!once && start.elapsed() >= time && !latencies.is_empty()) {
            return Ok(latencies);
        }
        let sent = Instant::now();
        stream.write_all(requests[next % requests.len()].as_bytes()).await?;
        read_answer(&mut stream, &mut answer).await?;
        latencies.push(sent.elapsed().as_micros() as u32);
        next += bounds::CALLERS;
    }
}

/// Reads one answer whole. Any but a success fails the run: a refusal is cheaper than what is measured.
async fn read_answer(stream: &mut TcpStream, answer: &mut [u8]) -> Result<(), Error> {
    let mut length = 0;
    loop {
        let read = stream.read(&mut answer[length..]).await?;
        if read == 0 {
            return Err("the server closed a connection".into());
        }
        length += read;
        let Some(head) = answer[..length].windows(4).position(|bytes| bytes == b"\r\n\r\n") else { continue };
        if answer[9] != b'2' {
            return Err(format!("the server answered {}", String::from_utf8_lossy(&answer[..length])).into());
        }
        if length >= head + 4 + content_length(&answer[..head]) {
            return Ok(());
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    head.split(|byte| *byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok()?.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or_default()
}
