//! `kill -9` in the middle of many clients' work.

use super::client::{Backend, Known, known};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};
use vestibule_testkit::process::{Server, ServerOptions, wait_for};

const ROUNDS: usize = 50;
const CLIENTS: usize = 4;
/// Every so many sessions a client also ends an earlier one, by turns by its id and by its user.
const END_EVERY: usize = 3;
/// So much is acknowledged before the kill, a little more in each round, so that it falls on different moments.
const FEWEST_ACKNOWLEDGED: usize = 12;
/// A busy machine acknowledges the above within this time.
const WORK: Duration = Duration::from_secs(30);

/// What one client was promised.
#[derive(Default)]
struct Ledger {
    live: Vec<Known>,
    ended: Vec<Known>,
}

impl Ledger {
    fn assert_kept(&self, backend: &mut Backend) {
        self.live.iter().for_each(|known| backend.assert_live(known));
        self.ended.iter().for_each(|known| backend.assert_ended(known));
    }
}

/// Works until the server is gone. An end that was asked for and not answered leaves the session open to both, so it is in
/// neither list.
fn work(address: &str, key: &str, name: &str, acknowledged: &AtomicUsize) -> Ledger {
    let mut ledger = Ledger::default();
    let Ok(mut backend) = Backend::open(address, key) else { return ledger };
    for step in 0.. {
        let user = format!("{name}-{step}");
        let Ok(created) = backend.try_create(&user) else { return ledger };
        ledger.live.push(known(&user, &created.expect(201)));
        acknowledged.fetch_add(1, Ordering::Relaxed);
        if step % END_EVERY == 0 {
            let chosen = ledger.live.swap_remove(step % ledger.live.len());
            let by_id = step % (2 * END_EVERY) == 0;
            let answer = if by_id { backend.try_end(&chosen.id) } else { backend.try_end_all(&chosen.user) };
            let Ok(answer) = answer else { return ledger };
            answer.expect(if by_id { 204 } else { 200 });
            ledger.ended.push(chosen);
            acknowledged.fetch_add(1, Ordering::Relaxed);
        }
    }
    ledger
}

fn start_clients(server: &Server, round: usize, acknowledged: &Arc<AtomicUsize>) -> Vec<JoinHandle<Ledger>> {
    let start = |client| {
        let (address, key, count) = (server.management.clone(), server.key.clone(), acknowledged.clone());
        std::thread::spawn(move || work(&address, &key, &format!("user-{round}-{client}"), &count))
    };
    (0..CLIENTS).map(start).collect()
}

/// No acknowledged session is lost and no acknowledged end undone, however often the process is killed.
#[test]
fn fifty_kills_lose_nothing_that_was_acknowledged() {
    let mut server = Server::start(ServerOptions::default());
    let mut ledgers: Vec<Ledger> = Vec::new();
    for round in 0..ROUNDS {
        let acknowledged = Arc::new(AtomicUsize::new(0));
        let clients = start_clients(&server, round, &acknowledged);
        let enough = FEWEST_ACKNOWLEDGED + round;
        wait_for(WORK, || (acknowledged.load(Ordering::Relaxed) >= enough).then_some(())).expect("clients get work done");
        server.kill();
        let round: Vec<_> = clients.into_iter().map(|client| client.join().expect("no answer was wrong")).collect();
        server.restart();
        let mut backend = Backend::of(&server);
        round.iter().for_each(|ledger| ledger.assert_kept(&mut backend));
        ledgers.extend(round);
    }
    // Nor does a later kill take what an earlier one had left.
    let mut backend = Backend::of(&server);
    ledgers.iter().for_each(|ledger| ledger.assert_kept(&mut backend));
    let (live, ended) = ledgers.iter().fold((0, 0), |(live, ended), one| (live + one.live.len(), ended + one.ended.len()));
    assert!(live > ROUNDS * CLIENTS && ended > ROUNDS, "{live} live and {ended} ended sessions");
}
