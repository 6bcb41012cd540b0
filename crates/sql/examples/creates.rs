//! Durable creates per second, beside the least that a disk allows: a log that appends and syncs in groups.
//!
//! `cargo run --release -p vestibule-sql --example creates [seconds] [preloaded sessions]`
//!
//! 64 callers create sessions, each in a transaction that also writes user, event and change log and reaches the disk before
//! the answer; first for users who have a session already, then for new ones.

use std::{
    fs::File,
    io::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};
use tokio::sync::oneshot;
use vestibule_core::{
    bounds::{LIVE_SESSIONS, PAGE_DEFAULT},
    event::Origin,
    id::{SessionId, UserId, UserTag, random},
    record::{Record, Request},
    session::{
        CapPolicy, Device, EndReason, Session, SessionKind, TokenDigest,
        command::{Cap, CreateSession, EndSessions, Selection},
    },
    time::{Clock, Timestamp},
    user::Context,
};
use vestibule_sql::{SqliteOptions, SqliteRecord};

const CALLERS: usize = 64;
const PRELOAD_BATCH: usize = 512;
/// What one create writes to the raw log: about the packed session, the event and the change.
const LOG_ENTRY: usize = 400;

type Error = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let preload: u64 = arguments.next().map_or(Ok(100_000), |text| text.parse())?;
    let run = Duration::from_secs(seconds);
    // On the disk that the program is started from: a folder for temporary files may be in memory.
    let folder = tempfile::tempdir_in(".")?;
    let raw = raw_log(folder.path(), run).await?;
    raw.print("raw log, append + fdatasync", None);
    let record = Arc::new(SqliteRecord::open(folder.path(), SqliteOptions::default())?);
    let start = Instant::now();
    fill(&record, preload).await?;
    println!("{preload} sessions preloaded in {:.1} s", start.elapsed().as_secs_f64());
    creates(&record, run, Some(preload)).await?.print("creates, users who have one session", Some(&raw));
    creates(&record, run, None).await?.print("creates, new users", Some(&raw));
    let raw = raw_log(folder.path(), run).await?;
    raw.print("raw log again", None);
    crowd(&record).await?;
    drop(record);
    let start = Instant::now();
    let record = SqliteRecord::open(folder.path(), SqliteOptions::default())?;
    let open = start.elapsed();
    println!("open with {} sessions: {:.1} ms", record.stats().await?.sessions, open.as_secs_f64() * 1e3);
    Ok(())
}

struct Run {
    count: u64,
    elapsed: Duration,
    latencies_us: Vec<u64>,
}

impl Run {
    fn rate(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64()
    }

    fn at(&self, quantile: f64) -> f64 {
        let place = (self.latencies_us.len().saturating_sub(1)) as f64 * quantile;
        self.latencies_us.get(place as usize).copied().unwrap_or_default() as f64 / 1e3
    }

    fn print(&self, what: &str, reference: Option<&Self>) {
        let ratio = reference.map_or(String::new(), |raw| format!(", {:.2} of the raw log", self.rate() / raw.rate()));
        let (p50, p99, p999) = (self.at(0.5), self.at(0.99), self.at(0.999));
        println!("{what}: {:.0}/s, p50 {p50:.1} ms, p99 {p99:.1} ms, p99.9 {p999:.1} ms{ratio}", self.rate());
    }
}

/// Runs `CALLERS` tasks that call `once` one after the other until the time is over.
async fn measure<F, A>(run: Duration, once: F) -> Result<Run, Error>
where
    F: Fn() -> A + Clone + Send + 'static,
    A: Future<Output = Result<(), Error>> + Send,
{
    let stop = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (once, stop) = (once.clone(), stop.clone());
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let start = Instant::now();
                    once().await?;
                    latencies.push(start.elapsed().as_micros() as u64);
                }
                Ok::<_, Error>(latencies)
            })
        })
        .collect();
    tokio::time::sleep(run).await;
    stop.store(true, Ordering::Relaxed);
    let mut latencies_us = Vec::new();
    for caller in callers {
        latencies_us.extend(caller.await??);
    }
    let elapsed = start.elapsed();
    latencies_us.sort_unstable();
    Ok(Run { count: latencies_us.len() as u64, elapsed, latencies_us })
}

async fn creates(record: &Arc<SqliteRecord>, run: Duration, among: Option<u64>) -> Result<Run, Error> {
    let (record, next) = (record.clone(), Arc::new(AtomicU64::new(0)));
    measure(run, move || {
        let (record, next) = (record.clone(), next.clone());
        async move {
            let user = match among {
                Some(users) => u64::from_le_bytes(random()) % users,
                None => u64::MAX - next.fetch_add(1, Ordering::Relaxed),
            };
            record.decide(vec![create(user)]).await?;
            Ok(())
        }
    })
    .await
}

async fn fill(record: &SqliteRecord, sessions: u64) -> Result<(), Error> {
    let mut user = 0;
    while user < sessions {
        let batch = (user..sessions.min(user + PRELOAD_BATCH as u64)).map(create).collect();
        record.decide(batch).await?;
        user += PRELOAD_BATCH as u64;
    }
    Ok(())
}

/// A user with as many sessions as anybody may have: read them, end them all, read their history.
async fn crowd(record: &SqliteRecord) -> Result<(), Error> {
    let user = u64::MAX / 2;
    for _ in 0..LIVE_SESSIONS / PRELOAD_BATCH {
        let cap = Cap { limit: LIVE_SESSIONS, policy: CapPolicy::Deny };
        record.decide((0..PRELOAD_BATCH).map(|_| create_under(user, cap)).collect()).await?;
    }
    let timed = |start: Instant| start.elapsed().as_secs_f64() * 1e3;
    let start = Instant::now();
    let live = record.load_user(tag(user)).await?.user.live.len();
    let load = timed(start);
    let cx = Context { now: Clock::system().now(), origin: Origin::default() };
    let selection = Selection::All { except: Vec::new() };
    let command = EndSessions { tag: tag(user), selection, reason: EndReason::Revoked }.into();
    let start = Instant::now();
    record.decide(vec![Request { cx, touches: Vec::new(), command }]).await?;
    let end = timed(start);
    let start = Instant::now();
    record.history(tag(user), None, PAGE_DEFAULT).await?;
    let history = timed(start);
    println!("a user with {live} sessions: load {load:.1} ms, end all {end:.1} ms, first page of history {history:.1} ms");
    Ok(())
}

/// A user's tag: as random as a real one, and the same for the same number.
fn tag(user: u64) -> UserTag {
    let mut bytes = [0; 12];
    bytes[..8].copy_from_slice(&user.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes[8..].copy_from_slice(&(user as u32).to_be_bytes());
    UserTag::from_bytes(bytes)
}

fn create(user: u64) -> Request {
    create_under(user, Cap { limit: 10, policy: CapPolicy::EvictOldest })
}

fn create_under(user: u64, cap: Cap) -> Request {
    let now = Clock::system().now();
    let id = SessionId::generate(tag(user));
    let session = Session {
        id,
        user_id: UserId::new(format!("user-{user}")).ok(),
        kind: SessionKind::Login,
        revision: 1,
        rotation: 0,
        digest: TokenDigest::from_bytes(random()),
        created_at: now,
        last_seen_at: now,
        touches: 0,
        idle_timeout_ms: 30 * 60_000,
        expires_at: now.plus_ms(12 * 3_600_000),
        auth_time: now,
        mfa: false,
        mfa_at: Timestamp::ZERO,
        remember: false,
        roles: vec!["member".into()],
        amr: vec!["pwd".into()],
        scope: Vec::new(),
        profile: "".into(),
        ip: Some([192, 0, 2, 1].into()),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64) Firefox/140".into()),
        device: Device::default(),
        parent: None,
        label: None,
        actor: None,
        previous: None,
        rotated: None,
        trail: Vec::new(),
        data: vec![7; 64].into(),
        ended: None,
    };
    let cx = Context { now, origin: Origin { ip: session.ip, ..Origin::default() } };
    Request { cx, touches: Vec::new(), command: CreateSession { session, cap, login: false }.into() }
}

/// The floor: one thread that appends what waits and syncs once for all of it.
async fn raw_log(folder: &Path, run: Duration) -> Result<Run, Error> {
    let mut file = File::create(folder.join("raw.log"))?;
    let (queue, entries) = mpsc::sync_channel::<oneshot::Sender<()>>(CALLERS * 2);
    let log = std::thread::spawn(move || -> std::io::Result<()> {
        while let Ok(first) = entries.recv() {
            let mut waiting = vec![first];
            waiting.extend(entries.try_iter());
            file.write_all(&vec![7; waiting.len() * LOG_ENTRY])?;
            file.sync_data()?;
            for answer in waiting {
                let _ = answer.send(());
            }
        }
        Ok(())
    });
    let measured = measure(run, move || {
        let queue = queue.clone();
        async move {
            let (answer, answered) = oneshot::channel();
            queue.try_send(answer)?;
            Ok(answered.await?)
        }
    })
    .await?;
    log.join().map_err(|_| "the raw log panicked")??;
    Ok(measured)
}
