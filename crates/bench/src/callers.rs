//! Callers in process, each with one call under way at a time.

use crate::{Error, bounds::CALLERS, process};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

/// What the callers saw.
pub(crate) struct Run {
    /// Calls.
    pub(crate) count: usize,
    /// Calls per second, all callers together.
    pub(crate) rate: f64,
    /// 99th percentile of the time to answer, in milliseconds.
    pub(crate) p99_ms: f64,
}

/// Lets the callers call `once` for this time.
pub(crate) async fn measure<F, A>(time: Duration, once: F) -> Result<Run, Error>
where
    F: Fn() -> A + Clone + Send + 'static,
    A: Future<Output = Result<(), Error>> + Send,
{
    let start = Instant::now();
    let caller = |once: F| async move {
        let mut latencies = Vec::new();
        while start.elapsed() < time {
            let called = Instant::now();
            once().await?;
            latencies.push(called.elapsed());
        }
        Ok::<_, Error>(latencies)
    };
    let callers: Vec<_> = (0..CALLERS).map(|_| tokio::spawn(caller(once.clone()))).collect();
    let mut latencies = Vec::new();
    for caller in callers {
        latencies.extend(caller.await??);
    }
    let seconds = start.elapsed().as_secs_f64();
    latencies.sort_unstable();
    let p99 = latencies.get(latencies.len() * 99 / 100).copied().unwrap_or_default();
    let count = latencies.len();
    Ok(Run { count, rate: count as f64 / seconds, p99_ms: p99.as_secs_f64() * 1e3 })
}

/// Lets the callers call `once`, each time with the next number, and prints: calls, calls per second, the 99th percentile in
/// milliseconds, and microseconds of this process's time for each.
pub(crate) async fn play<F, A>(time: Duration, once: F) -> Result<(), Error>
where
    F: Fn(usize) -> A + Clone + Send + 'static,
    A: Future<Output = Result<(), Error>> + Send,
{
    let next = Arc::new(AtomicUsize::new(0));
    let before = process::cpu(std::process::id())?;
    let seen = measure(time, move || once(next.fetch_add(1, Ordering::Relaxed))).await?;
    let each = (process::cpu(std::process::id())? - before) * 1e6 / seen.count as f64;
    println!("{} {} {} {each}", seen.count, seen.rate, seen.p99_ms);
    Ok(())
}
