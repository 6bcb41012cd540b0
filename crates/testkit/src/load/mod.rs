//! Callers who work through servers while something goes wrong, and remember what they were promised.
//!
//! Each worker has sessions of its own: it creates, validates, rotates, patches and ends them at a steady rate, by turns through
//! every server, and compares each answer with what was acknowledged before. A valid session that is refused, an ended one that is
//! accepted and data that is older than an acknowledged change are failures. "Come again" (503) is counted. A change whose answer
//! was lost binds nobody: its session is ended, and judged again once that is acknowledged.

mod ledger;
mod worker;

use crate::{
    bounds::{ANSWER, LOAD_PER_SECOND, LOAD_WORKERS},
    process::{Server, wait_for},
};
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use worker::Worker;

/// What callers met.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Requests that were answered.
    pub requests: u64,
    /// Answers that said: come again.
    pub unavailable: u64,
    /// Sessions that were lost, or came back, while that was allowed.
    pub lost: u64,
    /// The longest time after its acknowledgement that a change was not yet seen by another server than the one that made it.
    pub unseen: Duration,
    /// The slowest answer.
    pub slowest: Duration,
    /// Time since the start.
    pub elapsed: Duration,
    /// Broken promises, in words.
    pub failures: Vec<String>,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.requests as f64 / self.elapsed.as_secs_f64();
        let Self { requests, unavailable, lost, unseen, slowest, failures, .. } = self;
        write!(
            f,
            "{requests} requests, {rate:.0}/s, {unavailable} times 503, {lost} lost, unseen elsewhere for {unseen:?} at most, \
             slowest {slowest:?}, {} failures",
            failures.len()
        )
    }
}

/// Workers at work.
#[derive(Debug)]
pub struct Load {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
    started: Instant,
}

/// Where a server is.
#[derive(Debug, Clone)]
struct Place {
    address: String,
    key: String,
}

#[derive(Debug)]
struct Shared {
    places: Vec<Place>,
    figures: Mutex<Figures>,
    rule: Mutex<Rule>,
}

/// How the workers judge.
#[derive(Debug, Clone, Copy, Default)]
struct Rule {
    stop: bool,
    may_lose: bool,
    /// Counts the times after which nothing from before is held against the servers.
    era: u64,
}

impl Load {
    /// Starts to work through these servers, which share their stores.
    #[must_use]
    pub fn start(servers: &[&Server]) -> Self {
        let place = |server: &&Server| Place { address: server.management.clone(), key: server.key.clone() };
        let places = servers.iter().map(place).collect();
        let shared = Arc::new(Shared { places, figures: Mutex::default(), rule: Mutex::default() });
        let start = |number| {
            let worker = Worker::new(number, shared.clone());
            std::thread::spawn(move || worker.run())
        };
        let workers = (0..LOAD_WORKERS).map(start).collect();
        Self { shared, workers, started: Instant::now() }
    }

    /// What callers met until now.
    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures { elapsed: self.started.elapsed(), ..lock(&self.shared.figures).clone() }
    }

    /// Waits until the work of so much time was done.
    ///
    /// # Panics
    /// Where the servers answer so slowly that it is not done in good time.
    pub fn work(&self, time: Duration) {
        let before = self.figures().requests;
        let enough = before + (LOAD_PER_SECOND as f64 * time.as_secs_f64()) as u64;
        let done = wait_for(ANSWER + 4 * time, || (self.figures().requests >= enough).then_some(()));
        assert!(done.is_some(), "the servers do not keep up: {}", self.figures());
    }

    /// From now on what was acknowledged may be lost: counted, and no failure.
    pub fn allow_losses(&self) {
        lock(&self.shared.rule).may_lose = true;
    }

    /// Sessions that begin from now on may not be lost; those from before are forgotten.
    pub fn forbid_losses(&self) {
        let mut rule = lock(&self.shared.rule);
        (rule.may_lose, rule.era) = (false, rule.era + 1);
    }

    /// Ends the work, has every session read back, and returns what callers met.
    ///
    /// # Panics
    /// Where a worker panicked.
    #[must_use]
    pub fn finish(mut self) -> Figures {
        lock(&self.shared.rule).stop = true;
        let elapsed = self.started.elapsed();
        for worker in self.workers.drain(..) {
            worker.join().expect("a worker does not panic");
        }
        Figures { elapsed, ..lock(&self.shared.figures).clone() }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        lock(&self.shared.rule).stop = true;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
