//! The one thread that writes: whatever waits becomes one transaction.

use super::{
    OpenError, SqliteOptions,
    checkpoint::{self, Checkpointer},
    closed,
    fault::Trouble,
    load, mark,
    open::Files,
    write,
};
use crate::{
    batch::{self, Input, Output, Reply, ReplyTo, Wanted},
    bounds,
    decide::Counters,
};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel},
    thread::JoinHandle,
    time::Instant,
};
use tokio::sync::oneshot;
use vestibule_core::{
    Answer,
    event::{Event, Sealer},
    fault::Fault,
    record::{Decided, Request},
    session::command::Touch,
    time::millis,
};

/// What the writer is asked to do.
pub(super) enum Job {
    /// Part of a batch.
    Call(Input, ReplyTo),
    /// Something rare, in a transaction of its own.
    Alone(Box<dyn FnOnce(&mut Writer) + Send>),
}

impl Job {
    pub(super) fn decide(batch: Vec<Request>, reply: Reply<Vec<Decided>>) -> Self {
        Self::Call(Input::Decide(batch), ReplyTo::Decide(reply))
    }

    pub(super) fn touch(touches: Vec<Touch>, reply: Reply<()>) -> Self {
        Self::Call(Input::Touch(touches), ReplyTo::Done(reply))
    }

    pub(super) fn append(events: Vec<Event>, reply: Reply<()>) -> Self {
        Self::Call(Input::Append(events), ReplyTo::Done(reply))
    }

    fn weight(&self) -> usize {
        match self {
            Self::Call(input, _) => input.weight(),
            Self::Alone(_) => 1,
        }
    }
}

/// The way to the writer. It ends when this is dropped, after what waits.
#[derive(Debug)]
pub(super) struct WriterHandle {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl WriterHandle {
    pub(super) fn start(
        connection: Connection,
        beside: Connection,
        files: &Files,
        options: &SqliteOptions,
    ) -> Result<Self, OpenError> {
        let writer = Writer {
            counters: load::counters(&connection)?,
            marks: mark::any(&connection)?,
            connection,
            checkpointer: Checkpointer::start(beside, files.database.clone()).map_err(OpenError::Folder)?,
            idle_slack_ms: millis(options.idle_slack),
            sealer: options.sealer.clone(),
            commits: 0,
            forget_users_after: 0,
        };
        let (jobs, queue) = sync_channel(bounds::WRITE_QUEUE);
        let thread = std::thread::Builder::new()
            .name("record-write".into())
            .spawn(move || run(writer, &Queue { jobs: queue }))
            .map_err(OpenError::Folder)?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Queues a job and waits for its answer. Dropping the future does not take the job back.
    pub(super) fn ask<T: Send + 'static>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Answer<'_, T> {
        let (reply, answered) = oneshot::channel();
        let queued = match &self.jobs {
            None => Err(closed()),
            Some(jobs) => jobs.try_send(job(reply)).map_err(|error| match error {
                TrySendError::Full(_) => Fault::Unavailable("too many changes wait for the disk".into()),
                TrySendError::Disconnected(_) => closed(),
            }),
        };
        Box::pin(async move {
            queued?;
            // A writer that ended before it answered may have committed.
            answered.await.unwrap_or(Err(Fault::Timeout))
        })
    }

    /// Runs something rare in a transaction of its own.
    pub(super) fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, Fault> + Send + 'static,
    ) -> Answer<'_, T> {
        self.ask(|reply| {
            Job::Alone(Box::new(move |writer| {
                // See ReplyTo::send.
                let _ = reply.send(work(writer));
            }))
        })
    }
}

impl Drop for WriterHandle {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by itself.
            let _ = thread.join();
        }
    }
}

struct Queue {
    jobs: Receiver<Job>,
}

impl Queue {
    /// `first`, whatever waits, and for a moment whoever was in the last batch and has not come back yet.
    fn fill(&self, first: Job, last_jobs: usize) -> Vec<Job> {
        let mut weight = first.weight();
        let mut jobs = vec![first];
        while weight < bounds::BATCH_REQUESTS {
            let next = match self.jobs.try_recv() {
                Ok(job) => job,
                Err(TryRecvError::Empty) if jobs.len() < last_jobs => match self.jobs.recv_timeout(bounds::LINGER) {
                    Ok(job) => job,
                    Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                },
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
            };
            weight += next.weight();
            jobs.push(next);
        }
        jobs
    }
}

fn run(mut writer: Writer, queue: &Queue) {
    let (mut last_jobs, mut since_settled) = (1, 0);
    loop {
        if writer.marks && since_settled >= bounds::MARK_EVERY {
            writer.settle();
            since_settled = 0;
        }
        let first =
            if writer.marks { queue.jobs.try_recv() } else { queue.jobs.recv().map_err(|_| TryRecvError::Disconnected) };
        match first {
            Ok(first) => {
                let jobs = queue.fill(first, last_jobs);
                last_jobs = jobs.len();
                since_settled += 1;
                writer.work(jobs);
            }
            Err(TryRecvError::Empty) => writer.settle(),
            Err(TryRecvError::Disconnected) => break,
        }
    }
    let Writer { connection, checkpointer, .. } = writer;
    drop(checkpointer);
    checkpoint::finish(&connection);
}

/// One batch: load, decide in memory, write. Returns the outputs and whether there are new marks. An error means that nothing
/// of it may be committed.
fn run_batch(
    transaction: &Transaction<'_>,
    counters: &mut Counters,
    inputs: Vec<Input>,
    idle_slack_ms: u64,
    sealer: Option<&Sealer>,
) -> Result<(Vec<Output>, bool), Trouble> {
    let mut loaded = load::batch(transaction, &Wanted::of(&inputs))?;
    let (outputs, journal) = batch::decide(&mut loaded, inputs, idle_slack_ms, counters);
    let marks = loaded.held.iter().any(|held| !held.marks.is_empty());
    write::batch(transaction, counters, loaded.held, journal, sealer)?;
    Ok((outputs, marks))
}

/// What the writing thread works with.
pub(super) struct Writer {
    connection: Connection,
    /// As committed.
    counters: Counters,
    /// Whether there are marks to settle, as far as this thread knows.
    marks: bool,
    checkpointer: Checkpointer,
    idle_slack_ms: u64,
    pub(super) sealer: Option<Sealer>,
    commits: u64,
    /// Where the walk over users without anything goes on.
    pub(super) forget_users_after: i64,
}

impl Writer {
    /// Runs `work` in a transaction. What it counts becomes true with the commit.
    pub(super) fn transact<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, &mut Counters) -> Result<T, Trouble>,
    ) -> Result<T, Fault> {
        let mut counters = self.counters;
        let begun = self.connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = begun.map_err(|error| Trouble::from(error).into_fault())?;
        let result = work(&transaction, &mut counters).map_err(Trouble::into_fault)?;
        let start = Instant::now();
        transaction.commit().map_err(|error| Trouble::from(error).into_commit_fault())?;
        metrics::histogram!("vestibule_record_commit_seconds").record(start.elapsed().as_secs_f64());
        self.counters = counters;
        self.after_commit();
        Ok(result)
    }

    fn after_commit(&mut self) {
        self.commits += 1;
        if self.checkpointer.take_rest_due() {
            checkpoint::carry_rest(&self.connection);
        }
        if self.commits.is_multiple_of(bounds::CHECKPOINT_COMMITS) {
            self.checkpointer.look();
        }
    }

    fn work(&mut self, jobs: Vec<Job>) {
        let (mut inputs, mut replies, mut rare) = (Vec::new(), Vec::new(), Vec::new());
        for job in jobs {
            match job {
                Job::Call(input, reply) => {
                    inputs.push(input);
                    replies.push(reply);
                }
                Job::Alone(work) => rare.push(work),
            }
        }
        if !inputs.is_empty() {
            self.decide(inputs, replies);
        }
        for work in rare {
            work(self);
        }
    }

    fn decide(&mut self, inputs: Vec<Input>, replies: Vec<ReplyTo>) {
        metrics::histogram!("vestibule_record_batch_calls").record(inputs.len() as f64);
        let (slack, sealer) = (self.idle_slack_ms, self.sealer.clone());
        match self.transact(|transaction, counters| run_batch(transaction, counters, inputs, slack, sealer.as_ref())) {
            Ok((outputs, marks)) => {
                self.marks |= marks;
                replies.into_iter().zip(outputs).for_each(|(reply, output)| reply.send(Ok(output)));
            }
            Err(fault) => replies.into_iter().for_each(|reply| reply.send(Err(fault.clone()))),
        }
    }

    /// One bounded step under the marks. Where the disk refuses it, the next commit that succeeds with a mark, the next
    /// `forget_ended` or the next start tries again: until then readers honour the marks themselves.
    pub(super) fn settle(&mut self) {
        match self.transact(|transaction, _| mark::settle(transaction, bounds::MARK_STEP)) {
            Ok(more) => self.marks = more,
            Err(_) => self.marks = false,
        }
    }

    /// Settles until no mark is left, at most `steps` steps.
    pub(super) fn settle_all(&mut self, steps: usize) {
        self.marks = true;
        for _ in 0..steps {
            if self.marks {
                self.settle();
            }
        }
    }
}
