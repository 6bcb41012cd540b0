//! The tasks that write: whatever waits becomes one transaction.

use super::{connect::Connector, fault::Trouble, load, mark, write};
use crate::{
    batch::{self, Input, Output, Reply, ReplyTo},
    bounds,
};
use sqlx::{Connection, PgConnection, Transaction};
use std::time::Instant;
use tokio::sync::{
    mpsc::{Receiver, Sender, channel, error::TrySendError},
    oneshot,
};
use vestibule_core::{Answer, event::Sealer, fault::Fault, id::UserTag, id::random};

struct Job {
    input: Input,
    reply: ReplyTo,
}

/// The ways to the writers. They end when this is dropped, after what waits.
#[derive(Debug)]
pub(super) struct Writers(Vec<Sender<Job>>);

impl Writers {
    pub(super) fn start(connector: &Connector, count: usize, idle_slack_ms: u64, sealer: Option<&Sealer>) -> Self {
        let [first_slot]: [u8; 1] = random();
        let start = |index: usize| {
            let (jobs, queue) = channel(bounds::WRITE_QUEUE);
            // Nodes begin at different rows of figures, so that they seldom wait for each other's.
            let slot = i16::try_from((usize::from(first_slot) + index) % bounds::POSTGRES_WRITERS).unwrap_or_default();
            let sealer = sealer.cloned();
            let writer = Writer { connector: connector.clone(), connection: None, slot, idle_slack_ms, sealer, marks: true };
            tokio::spawn(writer.run(queue));
            jobs
        };
        Self((0..count).map(start).collect())
    }

    /// Queues a call and waits for its answer. Dropping the future does not take the call back.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        input: Input,
        tag: Option<UserTag>,
        reply_to: impl FnOnce(Reply<T>) -> ReplyTo,
    ) -> Answer<'_, T> {
        let (reply, answered) = oneshot::channel();
        let place = tag.map_or(0, |tag| tag.home().index()) % self.0.len();
        let queued = if input.weight() > bounds::CALL_REQUESTS {
            Err(Fault::Unavailable("more requests in one call than a transaction may have".into()))
        } else {
            self.0[place].try_send(Job { input, reply: reply_to(reply) }).map_err(|error| match error {
                TrySendError::Full(_) => Fault::Unavailable("too many changes wait for the database".into()),
                TrySendError::Closed(_) => Fault::Unavailable("the record is closed".into()),
            })
        };
        Box::pin(async move {
            queued?;
            // A writer that ended before it answered may have committed.
            answered.await.unwrap_or(Err(Fault::Timeout))
        })
    }
}

struct Writer {
    connector: Connector,
    connection: Option<PgConnection>,
    /// The row of figures that it adds to.
    slot: i16,
    idle_slack_ms: u64,
    sealer: Option<Sealer>,
    /// Whether there may be marks to settle.
    marks: bool,
}

impl Writer {
    async fn run(mut self, mut queue: Receiver<Job>) {
        let mut since_settled = 0;
        loop {
            let first = if self.marks && since_settled < bounds::MARK_EVERY {
                match queue.try_recv() {
                    Ok(job) => Some(job),
                    Err(_) => {
                        self.settle().await;
                        continue;
                    }
                }
            } else if self.marks {
                since_settled = 0;
                self.settle().await;
                continue;
            } else {
                queue.recv().await
            };
            let Some(first) = first else { break };
            since_settled += 1;
            let jobs = fill(&mut queue, first);
            self.work(jobs).await;
        }
        if let Some(connection) = self.connection.take() {
            // The server notices a connection that is merely dropped as well.
            let _ = connection.close().await;
        }
    }

    async fn work(&mut self, jobs: Vec<Job>) {
        let (inputs, replies): (Vec<Input>, Vec<ReplyTo>) = jobs.into_iter().map(|job| (job.input, job.reply)).unzip();
        metrics::histogram!("vestibule_record_batch_calls").record(inputs.len() as f64);
        match self.decide(inputs).await {
            Ok(outputs) => replies.into_iter().zip(outputs).for_each(|(reply, output)| reply.send(Ok(output))),
            Err(fault) => replies.into_iter().for_each(|reply| reply.send(Err(fault.clone()))),
        }
    }

    /// Runs a batch; once more where another node was faster or the connection had died at rest, because then nothing of it was
    /// committed.
    async fn decide(&mut self, inputs: Vec<Input>) -> Result<Vec<Output>, Fault> {
        match self.attempt(inputs.clone()).await {
            Err(Failed { may_repeat: true, .. }) => self.attempt(inputs).await.map_err(|failed| failed.fault),
            result => result.map_err(|failed| failed.fault),
        }
    }

    /// One try within the time that a batch may take. A connection on which anything went wrong is not used again: what is
    /// open on it is rolled back by the server.
    async fn attempt(&mut self, inputs: Vec<Input>) -> Result<Vec<Output>, Failed> {
        let start = Instant::now();
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connector.connect().await.map_err(Failed::before_commit)?,
        };
        let transaction = transact(&mut connection, inputs, self.idle_slack_ms, self.slot, self.sealer.as_ref());
        let done = match tokio::time::timeout(bounds::BATCH_TIMEOUT, transaction).await {
            Ok(done) => done?,
            Err(_) => return Err(Failed { fault: Fault::Timeout, may_repeat: false }),
        };
        self.connection = Some(connection);
        self.marks |= done.marks;
        metrics::histogram!("vestibule_record_commit_seconds").record(start.elapsed().as_secs_f64());
        Ok(done.outputs)
    }

    /// One bounded step under the marks. Where it fails, the next mark, `forget_ended` or the next start tries again: until
    /// then readers honour the marks themselves.
    async fn settle(&mut self) {
        self.marks = false;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match self.connector.connect().await {
                Ok(connection) => connection,
                Err(_) => return,
            },
        };
        match tokio::time::timeout(bounds::BATCH_TIMEOUT, mark::settle(&mut connection, bounds::MARK_STEP)).await {
            Ok(Ok(more)) => {
                self.marks = more;
                self.connection = Some(connection);
            }
            Ok(Err(trouble)) => {
                trouble.into_fault();
            }
            Err(_) => {}
        }
    }
}

struct Failed {
    fault: Fault,
    /// Nothing was committed, and a second try may do better.
    may_repeat: bool,
}

impl Failed {
    /// Nothing was sent yet. A connection that the server has closed since its last use is noticed here, and is no news.
    fn before_begin(trouble: &Trouble) -> Self {
        Self { fault: trouble.fault(), may_repeat: true }
    }

    fn before_commit(trouble: Trouble) -> Self {
        let may_repeat = trouble.is_overtaken();
        Self { fault: trouble.into_fault(), may_repeat }
    }

    fn at_commit(trouble: Trouble) -> Self {
        let may_repeat = trouble.is_overtaken();
        Self { fault: trouble.into_commit_fault(), may_repeat }
    }
}

struct Done {
    outputs: Vec<Output>,
    marks: bool,
}

async fn transact(
    connection: &mut PgConnection,
    inputs: Vec<Input>,
    idle_slack_ms: u64,
    slot: i16,
    sealer: Option<&Sealer>,
) -> Result<Done, Failed> {
    let mut transaction = connection.begin().await.map_err(|error| Failed::before_begin(&error.into()))?;
    let done = run(&mut transaction, inputs, idle_slack_ms, slot, sealer).await.map_err(Failed::before_commit)?;
    transaction.commit().await.map_err(|error| Failed::at_commit(error.into()))?;
    Ok(done)
}

async fn run(
    transaction: &mut Transaction<'_, sqlx::Postgres>,
    inputs: Vec<Input>,
    idle_slack_ms: u64,
    slot: i16,
    sealer: Option<&Sealer>,
) -> Result<Done, Trouble> {
    let (mut loaded, mut counters) = load::batch(transaction, &inputs).await?;
    let (outputs, journal) = batch::decide(&mut loaded, inputs, idle_slack_ms, &mut counters);
    write::batch(transaction, &counters, &loaded.held, &journal, idle_slack_ms, slot, sealer).await?;
    Ok(Done { outputs, marks: loaded.held.iter().any(|held| !held.marks.is_empty()) })
}

/// `first` and whatever else waits.
fn fill(queue: &mut Receiver<Job>, first: Job) -> Vec<Job> {
    let mut weight = first.input.weight();
    let mut jobs = vec![first];
    while weight < bounds::BATCH_REQUESTS {
        let Ok(next) = queue.try_recv() else { break };
        weight += next.input.weight();
        jobs.push(next);
    }
    jobs
}
