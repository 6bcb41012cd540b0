//! A bounded pool for hashing: so many at once, so many waiting, and an answer at once to everybody else.

use super::{
    Blocklist, ContextWords, Hasher, OutOfMemory, Password, PasswordCheck, PasswordHash, PasswordPolicy, Verification, bounds,
};
use std::{fmt, sync::Arc};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The size of a [`HashPool`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolConfig {
    /// Hashes at the same time, 1 to 256. Default: the number of cores; more would only take memory.
    pub workers: usize,
    /// Callers that may wait for a worker, 0 to 4,096. Default: 64, about 0.6 s of waiting at two cores and 20 ms a hash.
    pub queue: usize,
}

impl Default for PoolConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { workers: cores.min(bounds::POOL_WORKERS), queue: bounds::POOL_QUEUE }
    }
}

/// A [`PoolConfig`] outside of its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PoolConfigError {
    /// No worker, or more than 256.
    #[error("the hashing pool has 1 to {} workers", bounds::POOL_WORKERS)]
    Workers,
    /// More than 4,096 waiting.
    #[error("the queue of the hashing pool has at most {} places", bounds::POOL_QUEUE_CEILING)]
    Queue,
}

/// How a call into the pool ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolOutcome<T> {
    /// The work was done.
    Done(T),
    /// Nothing was done: the queue is full, there is no memory, a list cannot be read, or the runtime is shutting down. Trying
    /// again later is safe.
    Overloaded,
}

/// Of both semaphores.
const NEVER_CLOSED: &str = "the pool never closes its semaphores";

/// Hashes on the runtime's blocking threads, within a budget of memory and a queue.
///
/// A hash that needs more memory than a new one (imported at a higher cost) takes as many workers as it needs of the budget. A
/// clone is the same pool.
///
/// # Cancel safety
/// Every method may be dropped. A caller that still waits gives its place back; work that has begun goes on to its end and holds
/// its worker until then, so that callers who come and go cannot make the pool exceed its budget.
#[derive(Clone)]
pub struct HashPool {
    hasher: Arc<Hasher>,
    blocklist: Arc<Blocklist>,
    workers: u32,
    /// Places for everybody inside, waiting or working.
    places: Arc<Semaphore>,
    /// Workers, in order of arrival.
    permits: Arc<Semaphore>,
}

impl fmt::Debug for HashPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashPool").field("workers", &self.workers).field("working", &self.working()).finish_non_exhaustive()
    }
}

impl HashPool {
    /// A pool of this size.
    ///
    /// # Errors
    /// [`PoolConfigError`] outside of the bounds.
    pub fn new(hasher: Hasher, config: PoolConfig) -> Result<Self, PoolConfigError> {
        let workers = u32::try_from(config.workers).map_err(|_| PoolConfigError::Workers)?;
        if !(1..=bounds::POOL_WORKERS).contains(&config.workers) {
            return Err(PoolConfigError::Workers);
        }
        if config.queue > bounds::POOL_QUEUE_CEILING {
            return Err(PoolConfigError::Queue);
        }
        Ok(Self {
            hasher: Arc::new(hasher),
            blocklist: Arc::default(),
            workers,
            places: Arc::new(Semaphore::new(config.workers + config.queue)),
            permits: Arc::new(Semaphore::new(config.workers)),
        })
    }

    /// The same pool, whose checks look into these lists as well.
    #[must_use]
    pub fn with_blocklist(self, blocklist: Blocklist) -> Self {
        Self { blocklist: Arc::new(blocklist), ..self }
    }

    /// Hashes a password.
    pub async fn hash(&self, password: &Password) -> PoolOutcome<PasswordHash> {
        let (hasher, password) = (Arc::clone(&self.hasher), password.clone());
        self.run(1, move || Ok(hasher.hash(&password)?)).await
    }

    /// Verifies a password; see [`Hasher::verify`].
    pub async fn verify(&self, password: &Password, hash: &PasswordHash) -> PoolOutcome<Verification> {
        self.verify_or_burn(password, Some(hash)).await
    }

    /// Verifies a password or, without a hash, spends the same work on a stand-in; see [`Hasher::verify_or_burn`].
    pub async fn verify_or_burn(&self, password: &Password, hash: Option<&PasswordHash>) -> PoolOutcome<Verification> {
        let workers = hash.map_or(1, |hash| self.workers_for(hash));
        let (hasher, password, hash) = (Arc::clone(&self.hasher), password.clone(), hash.cloned());
        self.run(workers, move || Ok(hasher.verify_or_burn(&password, hash.as_ref())?)).await
    }

    /// Makes a hash fit to be kept; see [`Hasher::wrap`].
    pub async fn wrap(&self, hash: &PasswordHash) -> PoolOutcome<PasswordHash> {
        let (hasher, hash) = (Arc::clone(&self.hasher), hash.clone());
        self.run(1, move || Ok(hasher.wrap(&hash)?)).await
    }

    /// As [`Self::wrap`], but where the queue is full it waits for a place too. For those who have time, a few at once.
    pub async fn wrap_patiently(&self, hash: &PasswordHash) -> PoolOutcome<PasswordHash> {
        let (hasher, hash) = (Arc::clone(&self.hasher), hash.clone());
        let place = Arc::clone(&self.places).acquire_owned().await.expect(NEVER_CLOSED);
        self.run_at(place, 1, move || Ok(hasher.wrap(&hash)?)).await
    }

    /// Judges a new password by a policy ([`PasswordPolicy::check`]) and by the pool's lists.
    pub async fn check(
        &self,
        policy: PasswordPolicy,
        password: &Password,
        context: ContextWords,
    ) -> PoolOutcome<PasswordCheck> {
        let (blocklist, password) = (Arc::clone(&self.blocklist), password.clone());
        self.run(1, move || Ok(blocklist.check(policy, &password, &context)?)).await
    }

    /// Workers there are.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.workers as usize
    }

    /// Workers that are busy.
    #[must_use]
    pub fn working(&self) -> usize {
        self.workers as usize - self.permits.available_permits()
    }

    /// Memory in bytes that hashing takes at most: workers times the memory of a new hash, or one imported hash of
    /// [`bounds::MEMORY_KIB`], which then runs alone.
    #[must_use]
    pub fn memory_budget_bytes(&self) -> u64 {
        let hashes_kib = u64::from(self.workers) * u64::from(self.hasher.params().memory_kib());
        hashes_kib.max(u64::from(bounds::MEMORY_KIB)) * 1024
    }

    fn workers_for(&self, hash: &PasswordHash) -> u32 {
        hash.memory_kib().div_ceil(self.hasher.params().memory_kib()).clamp(1, self.workers)
    }

    async fn run<T: Send + 'static>(
        &self,
        workers: u32,
        work: impl FnOnce() -> Result<T, Undone> + Send + 'static,
    ) -> PoolOutcome<T> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => self.run_at(place, workers, work).await,
            Err(_) => overloaded("queue"),
        }
    }

    async fn run_at<T: Send + 'static>(
        &self,
        place: OwnedSemaphorePermit,
        workers: u32,
        work: impl FnOnce() -> Result<T, Undone> + Send + 'static,
    ) -> PoolOutcome<T> {
        let permit = Arc::clone(&self.permits).acquire_many_owned(workers).await.expect(NEVER_CLOSED);
        match tokio::task::spawn_blocking(move || hold((place, permit), work)).await {
            Ok(Ok(done)) => PoolOutcome::Done(done),
            Ok(Err(undone)) => {
                tracing::error!(error = %undone, "passwords cannot be worked on");
                overloaded(undone.cause())
            }
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => overloaded("shutdown"),
            },
        }
    }
}

/// Why work that had begun was not done.
#[derive(Debug, thiserror::Error)]
enum Undone {
    #[error(transparent)]
    Memory(#[from] OutOfMemory),
    #[error("the list of breached passwords cannot be read: {0}")]
    List(#[from] std::io::Error),
}

impl Undone {
    fn cause(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::List(_) => "list",
        }
    }
}

/// Runs the work and gives place and worker back after it, also where it panics.
fn hold<T>(held: (OwnedSemaphorePermit, OwnedSemaphorePermit), work: impl FnOnce() -> T) -> T {
    let done = work();
    drop(held);
    done
}

fn overloaded<T>(cause: &'static str) -> PoolOutcome<T> {
    metrics::counter!("vestibule_password_pool_overloaded_total", "cause" => cause).increment(1);
    PoolOutcome::Overloaded
}

#[cfg(test)]
mod tests {
    use super::super::{BreachedList, HashParams, PasswordReason};
    use super::*;
    use std::sync::mpsc;

    fn pool(workers: usize, queue: usize) -> Arc<HashPool> {
        let pool = HashPool::new(Hasher::new(HashParams::cheap()), PoolConfig { workers, queue });
        Arc::new(pool.expect("within the bounds"))
    }

    fn password(text: &str) -> Password {
        Password::new(text).expect("at most 1,024 bytes")
    }

    /// Work that has begun and goes on until the sender is dropped or sends.
    struct Busy {
        caller: tokio::task::JoinHandle<PoolOutcome<()>>,
        finish: mpsc::Sender<()>,
    }

    async fn busy(pool: &Arc<HashPool>, workers: u32) -> Busy {
        let (finish, finished) = mpsc::channel::<()>();
        let (began, begun) = tokio::sync::oneshot::channel();
        let pool = Arc::clone(pool);
        let work = move || {
            began.send(()).expect("the test waits for it");
            // An error is a test that ended early: the thread must end too.
            let _ = finished.recv();
            Ok(())
        };
        let caller = tokio::spawn(async move { pool.run(workers, work).await });
        begun.await.expect("the work begins");
        Busy { caller, finish }
    }

    async fn until(holds: impl Fn() -> bool) {
        while !holds() {
            tokio::task::yield_now().await;
        }
    }

    // S85
    #[tokio::test]
    async fn a_full_queue_answers_overloaded_at_once() {
        let pool = pool(1, 1);
        let first = busy(&pool, 1).await;
        let waiting = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.hash(&password("second in line")).await }
        });
        until(|| pool.places.available_permits() == 0).await;
        // With the only worker held, an answer can come from nowhere but the refusal.
        assert!(matches!(pool.hash(&password("third in line")).await, PoolOutcome::Overloaded));
        assert_eq!(pool.verify_or_burn(&password("nobody"), None).await, PoolOutcome::Overloaded);
        first.finish.send(()).expect("the work still runs");
        assert_eq!(first.caller.await.expect("no panic"), PoolOutcome::Done(()));
        assert!(matches!(waiting.await.expect("no panic"), PoolOutcome::Done(_)));
        assert!(matches!(pool.hash(&password("after the rush")).await, PoolOutcome::Done(_)));
    }

    // S85
    #[tokio::test]
    async fn a_dropped_caller_keeps_its_worker_until_the_hash_ends() {
        let pool = pool(1, 0);
        let gone = busy(&pool, 1).await;
        gone.caller.abort();
        assert!(gone.caller.await.expect_err("aborted").is_cancelled());
        assert_eq!(pool.working(), 1);
        assert!(matches!(pool.hash(&password("too early")).await, PoolOutcome::Overloaded));
        gone.finish.send(()).expect("the work still runs");
        until(|| pool.working() == 0).await;
        assert!(matches!(pool.hash(&password("late enough")).await, PoolOutcome::Done(_)));
    }

    // S85
    #[tokio::test]
    async fn a_caller_dropped_in_the_queue_gives_its_place_back() {
        let pool = pool(1, 1);
        let first = busy(&pool, 1).await;
        let waiting = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.hash(&password("impatient")).await }
        });
        until(|| pool.places.available_permits() == 0).await;
        waiting.abort();
        assert!(waiting.await.expect_err("aborted").is_cancelled());
        assert_eq!(pool.places.available_permits(), 1);
        drop(first.finish);
        assert_eq!(first.caller.await.expect("no panic"), PoolOutcome::Done(()));
    }

    // S85
    #[tokio::test]
    async fn two_hundred_callers_stay_within_the_budget() {
        let pool = pool(2, 8);
        let held = [busy(&pool, 1).await, busy(&pool, 1).await];
        let rush: Vec<_> = (0..200)
            .map(|_| {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { matches!(pool.hash(&password("rush hour")).await, PoolOutcome::Done(_)) })
            })
            .collect();
        until(|| rush.iter().filter(|caller| caller.is_finished()).count() == 192).await;
        assert_eq!((pool.working(), pool.places.available_permits()), (2, 0));
        drop(held);
        let mut done = 0;
        for caller in rush {
            done += usize::from(caller.await.expect("no panic"));
        }
        assert_eq!(done, 8);
    }

    // S85
    #[tokio::test]
    async fn an_expensive_hash_takes_its_share_of_the_workers() {
        let pool = pool(3, 0);
        let twice = Hasher::new(HashParams::cheap()).hash(&password("any")).expect("64 KiB");
        assert_eq!(pool.workers_for(&twice), 1);
        let tail = "c29tZXNhbHRzb21lc2FsdA$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        for (memory_kib, workers) in [(8, 1), (64, 1), (65, 2), (128, 2), (262_144, 3)] {
            let hash =
                PasswordHash::parse(&format!("$argon2id$v=19$m={memory_kib},t=1,p=1${tail}")).expect("within the bounds");
            assert_eq!(pool.workers_for(&hash), workers, "{memory_kib} KiB");
        }
        let heavy = busy(&pool, 2).await;
        assert_eq!(pool.working(), 2);
        drop(heavy.finish);
        assert_eq!(heavy.caller.await.expect("no panic"), PoolOutcome::Done(()));
    }

    // S84
    #[tokio::test]
    async fn the_pool_verifies_known_users_and_burns_for_unknown_ones() {
        let pool = pool(1, 0);
        let right = password("the right password");
        let PoolOutcome::Done(hash) = pool.hash(&right).await else { panic!("an idle pool") };
        let valid = Verification { valid: true, needs_rehash: false };
        let wrong = Verification { valid: false, needs_rehash: false };
        assert_eq!(pool.verify(&right, &hash).await, PoolOutcome::Done(valid));
        assert_eq!(pool.verify(&password("a wrong password"), &hash).await, PoolOutcome::Done(wrong));
        assert_eq!(pool.verify_or_burn(&right, None).await, PoolOutcome::Done(wrong));
        let check = pool.check(PasswordPolicy::default(), &password("password"), ContextWords::default()).await;
        assert!(matches!(check, PoolOutcome::Done(PasswordCheck { accepted: false, .. })));
    }

    // S80
    #[tokio::test]
    async fn the_pools_lists_are_part_of_every_check() {
        // SHA-1 of "wombats eat at midnight".
        let list = std::io::Cursor::new(b"19E43349381C1145F8CE315FECDCBDD50B297008:7\n".to_vec());
        let breached = BreachedList::new(list).expect("a list of one");
        let pool = HashPool::clone(&pool(1, 0)).with_blocklist(Blocklist::new(["Wombat Works"], Some(breached)));
        let reasons = async |text: &str| {
            let check = pool.check(PasswordPolicy::default(), &password(text), ContextWords::default()).await;
            let PoolOutcome::Done(check) = check else { panic!("an idle pool") };
            assert_eq!(check.accepted, check.reasons.is_empty());
            check.reasons
        };
        assert_eq!(reasons("wombats eat at midnight").await, [PasswordReason::Breached]);
        assert!(reasons("wombat works 12345").await.contains(&PasswordReason::ContextWord));
        assert_eq!(reasons("possums eat at midnight").await, []);
    }

    #[tokio::test]
    async fn who_has_time_waits_for_a_place() {
        let pool = pool(1, 0);
        let hash = PasswordHash::parse(&"0".repeat(32)).expect("md5");
        let first = busy(&pool, 1).await;
        assert!(matches!(pool.wrap(&hash).await, PoolOutcome::Overloaded));
        let patient = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.wrap_patiently(&hash).await }
        });
        drop(first.finish);
        let PoolOutcome::Done(wrapped) = patient.await.expect("no panic") else { panic!("it waits") };
        assert!(wrapped.as_str().ends_with("$md5"));
    }

    #[tokio::test]
    async fn a_panic_in_the_work_reaches_the_caller_and_frees_the_worker() {
        let pool = pool(1, 0);
        let caller = tokio::spawn({
            let pool = Arc::clone(&pool);
            async move { pool.run::<()>(1, || panic!("in the work")).await }
        });
        assert!(caller.await.expect_err("panicked").is_panic());
        assert_eq!((pool.working(), pool.places.available_permits()), (0, 1));
    }

    #[test]
    fn a_pool_has_bounds() {
        let new = |workers, queue| HashPool::new(Hasher::default(), PoolConfig { workers, queue }).err();
        assert_eq!(new(0, 0), Some(PoolConfigError::Workers));
        assert_eq!(new(257, 0), Some(PoolConfigError::Workers));
        assert_eq!(new(1, 4_097), Some(PoolConfigError::Queue));
        let pool = HashPool::new(Hasher::default(), PoolConfig { workers: 20, queue: 64 }).expect("within the bounds");
        assert_eq!(pool.memory_budget_bytes(), 20 * 19_456 * 1024);
    }
}
