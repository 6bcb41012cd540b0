//! Callers who go on while something breaks under them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;
use vestibule_core::{
    fault::Fault,
    session::{
        CapPolicy, PackedSession,
        command::{Cap, CreateSession, FindOutcome, Selection},
    },
};
use vestibule_testkit::{
    bounds::{FAILOVER, POLL},
    conformance::Scene,
};

/// Callers at a time.
const CALLERS: usize = 4;
/// Logins of one caller, and lookups of a live and an ended session between two of them.
const ROUND: Duration = Duration::from_millis(5);

/// What callers met.
#[derive(Debug, Default)]
pub(crate) struct Met {
    pub(crate) good: AtomicUsize,
    pub(crate) faults: AtomicUsize,
    stop: AtomicBool,
}

/// Callers on one store, with a live and an ended session whose answers they watch.
pub(crate) struct Load {
    scene: Arc<Scene>,
    pub(crate) live: PackedSession,
    pub(crate) ended: PackedSession,
    pub(crate) met: Arc<Met>,
    callers: Vec<JoinHandle<()>>,
}

impl Load {
    /// A live and an ended session, and nobody who calls yet.
    pub(crate) async fn prepare(scene: Scene) -> Self {
        let scene = Arc::new(scene);
        settle(&scene).await;
        let person = scene.person();
        let (live, ended) = (scene.login(&person).await, scene.login(&person).await);
        assert_eq!(scene.end(&person, Selection::All { except: vec![live.id()] }).await, 1);
        Self { scene, live, ended, met: Arc::default(), callers: Vec::new() }
    }

    /// Begins to call.
    pub(crate) fn begin(&mut self) {
        let caller = |_| tokio::spawn(call(self.scene.clone(), self.live.clone(), self.ended.clone(), self.met.clone()));
        self.callers = (0..CALLERS).map(caller).collect();
    }

    /// Calls until a new user can be written and the watched session is found; how long that took.
    pub(crate) async fn recovery(&self) -> Duration {
        let begun = Instant::now();
        settle(&self.scene).await;
        while let Err(fault) = self.scene.sessions.find(self.live.id().tag(), self.live.digest(), self.scene.now()).await {
            assert!(begun.elapsed() < FAILOVER, "no lookup succeeds: {fault:?}");
            tokio::time::sleep(POLL).await;
        }
        begun.elapsed()
    }

    /// Ends the calls, of which none was given a wrong answer.
    pub(crate) async fn end(self) -> Arc<Met> {
        self.met.stop.store(true, Ordering::Relaxed);
        for caller in self.callers {
            caller.await.expect("no wrong answer");
        }
        assert!(self.scene.is_valid(&self.live).await && !self.scene.is_valid(&self.ended).await);
        println!("{:?}", self.met);
        self.met
    }
}

/// Waits until a new user can be written.
async fn settle(scene: &Scene) {
    let begun = Instant::now();
    while let Err(fault) = login(scene).await {
        assert!(begun.elapsed() < FAILOVER, "no write succeeds: {fault:?}");
        tokio::time::sleep(POLL).await;
    }
}

async fn login(scene: &Scene) -> Result<(), Fault> {
    let cap = Cap { limit: 10, policy: CapPolicy::EvictOldest };
    let session = scene.session(&scene.person());
    scene
        .sessions
        .create(scene.cx(), CreateSession { session, cap, login: false, device: None, is_new_browser: false })
        .await
        .map(|_| ())
}

/// Looks up a live and an ended session, and logs in, until told to stop. Faults are typed; a wrong answer ends the test.
async fn call(scene: Arc<Scene>, live: PackedSession, ended: PackedSession, met: Arc<Met>) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !met.stop.load(Ordering::Relaxed) {
        rounds.tick().await;
        for session in [&live, &ended] {
            let found = scene.sessions.find(session.id().tag(), session.digest(), scene.now()).await;
            let is_live = found.as_ref().map(|found| matches!(found, FindOutcome::Found { .. }));
            count(&met, is_live.map(|is_live| assert_eq!(is_live, session.id() == live.id(), "{found:?}")));
        }
        count(&met, login(&scene).await.as_ref().copied());
    }
}

fn count(met: &Met, answer: Result<(), &Fault>) {
    match answer {
        Ok(()) => met.good.fetch_add(1, Ordering::Relaxed),
        Err(Fault::Unavailable(_) | Fault::Timeout) => met.faults.fetch_add(1, Ordering::Relaxed),
        Err(fault) => panic!("{fault:?} is no word for a failover"),
    };
}
