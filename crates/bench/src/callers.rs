//! Callers in process, each with one call under way at a time.

use crate::{Error, bounds::CALLERS};
use std::time::{Duration, Instant};

/// What the callers saw.
pub(crate) struct Run {
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
    Ok(Run { rate: latencies.len() as f64 / seconds, p99_ms: p99.as_secs_f64() * 1e3 })
}
