//! A few threads that answer reads, each with a connection of its own.

use super::fault::Trouble;
use crate::bounds;
use parking_lot::Mutex;
use rusqlite::{Connection, Transaction};
use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};
use tokio::sync::oneshot;
use vestibule_core::{Answer, fault::Fault};

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The threads. They end when this is dropped, after what waits.
#[derive(Debug)]
pub(super) struct Readers {
    jobs: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(super) fn start(connections: Vec<Connection>) -> io::Result<Self> {
        let (jobs, queue) = sync_channel(bounds::READ_QUEUE);
        let queue = Arc::new(Mutex::new(queue));
        let start = |connection| {
            let queue = queue.clone();
            std::thread::Builder::new().name("record-read".into()).spawn(move || run(connection, &queue))
        };
        let threads = connections.into_iter().map(start).collect::<io::Result<_>>()?;
        Ok(Self { jobs: Some(jobs), threads })
    }

    /// Runs `read` in a transaction of its own: everything that it sees is of one moment, and every commit that was
    /// answered before this call is in it. A caller that went away in the meantime is skipped.
    pub(super) fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Transaction<'_>) -> Result<T, Trouble> + Send + 'static,
    ) -> Answer<'_, T> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            if answer.is_closed() {
                return;
            }
            let result = connection.transaction().map_err(Trouble::from).and_then(|transaction| read(&transaction));
            // Nobody may be waiting any more; a read has no other effect.
            let _ = answer.send(result.map_err(Trouble::into_fault));
        });
        let queued = match &self.jobs {
            Some(jobs) => jobs.try_send(job).map_err(|_| Fault::Unavailable("too many reads wait for the record".into())),
            None => Err(Fault::Unavailable("the record is closed".into())),
        };
        Box::pin(async move {
            queued?;
            answered.await.unwrap_or_else(|_| Err(Fault::Unavailable("a read of the record ended early".into())))
        })
    }
}

fn run(mut connection: Connection, queue: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting: the others wait for the lock, and one of them is next.
        let job = queue.lock().recv();
        match job {
            Ok(job) => job(&mut connection),
            Err(_) => return,
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A reader that panicked has been reported by the panic itself.
            let _ = thread.join();
        }
    }
}
