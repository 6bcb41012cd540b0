//! What the server does beside answering: expiry, late writes, looks at the stores, forgetting.

use super::{
    bounds,
    stop::{Phase, Stop},
};
use crate::api;
use std::{sync::Arc, time::Duration};
use tokio::time::{Interval, MissedTickBehavior, interval};
use vestibule::{
    deployment::KeepOutcome,
    fault::Fault,
    time::{Timestamp, millis},
};

/// The store belongs to another deployment now: whatever this process would write there, the others would not find.
#[derive(Debug, thiserror::Error)]
#[error("the store was emptied, and another process has made it anew with other user tags: start this process again")]
pub(super) struct Superseded;

/// Runs until the server closes, or must. Each job has a rhythm of its own: a slow one holds up no other.
///
/// # Errors
/// [`Superseded`].
pub(super) async fn run(server: Arc<api::Server>, retention: Duration, stop: Stop) -> Result<(), Superseded> {
    let tidy = tidy(&server, Rhythm::new(tidy_period(&server), &stop));
    let look = look(&server, Rhythm::new(bounds::LOOK, &stop));
    let webhooks = server.webhooks.run(&server.vestibule, &stop);
    let chain = tend_chain(&server, Rhythm::new(bounds::CHECKPOINT, &stop));
    let forget = keep_retention(&server, retention, Rhythm::new(forget_period(retention), &stop));
    let deployment = keep_deployment(&server, Rhythm::new(bounds::DEPLOYMENT, &stop));
    let rest = async {
        tokio::join!(tidy, look, chain, webhooks, forget);
        Ok(())
    };
    tokio::try_join!(rest, deployment).map(|_| ())
}

/// A store that must walk to find what expired is not kept walking. Nothing waits for it: an expired session is refused anyway.
fn tidy_period(server: &api::Server) -> Duration {
    if server.vestibule.is_on_redis_alone() { bounds::HOUSEKEEPING_ON_REDIS } else { bounds::HOUSEKEEPING }
}

/// A beat until the server closes.
struct Rhythm {
    beat: Interval,
    stop: Stop,
}

impl Rhythm {
    fn new(period: Duration, stop: &Stop) -> Self {
        let mut beat = interval(period);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { beat, stop: stop.clone() }
    }

    /// Waits for the next beat; false where the server closes instead.
    async fn next(&mut self) -> bool {
        tokio::select! {
            _ = self.beat.tick() => true,
            () = self.stop.reached(Phase::Closing) => false,
        }
    }
}

async fn tidy(server: &api::Server, mut rhythm: Rhythm) {
    let mut failed = false;
    while rhythm.next().await {
        let tidied = server.vestibule.sessions.tidy().await;
        // Once for each outage: it may last.
        if let (Err(fault), false) = (&tidied, failed) {
            tracing::warn!(%fault, "housekeeping did not finish");
        }
        failed = tidied.is_err();
    }
}

async fn look(server: &api::Server, mut rhythm: Rhythm) {
    while rhythm.next().await {
        server.health.look(&server.vestibule).await;
        server.metrics.tend();
    }
}

/// A store that is away or takes no writes will be told later.
async fn keep_deployment(server: &api::Server, mut rhythm: Rhythm) -> Result<(), Superseded> {
    while rhythm.next().await {
        if let Ok(KeepOutcome::Superseded) = server.vestibule.keep_deployment().await {
            return Err(Superseded);
        }
    }
    Ok(())
}

async fn keep_retention(server: &api::Server, retention: Duration, mut rhythm: Rhythm) {
    while rhythm.next().await {
        let now = server.vestibule.sessions.clock().now();
        if let Err(fault) = forget(server, now.minus_ms(millis(retention))).await {
            tracing::warn!(class = fault.class(), "what is past its retention was not all forgotten");
        }
    }
}

/// A store that is away gets its checkpoint later.
async fn tend_chain(server: &api::Server, mut rhythm: Rhythm) {
    while rhythm.next().await {
        if let Err(fault) = server.vestibule.chain.tend(server.vestibule.sessions.clock().now()).await {
            tracing::debug!(class = fault.class(), "a checkpoint over the events was not made");
        }
    }
}

/// Writes what waits to be written and tells what waits to be told; the last thing before the end.
pub(super) async fn finish(server: &api::Server) {
    if let Some(durable) = &server.vestibule.durable
        && let Err(fault) = durable.flush().await
    {
        tracing::warn!(class = fault.class(), "the last uses of sessions were not written");
    }
    let chain = &server.vestibule.chain;
    if let Err(fault) = chain.finish(server.vestibule.sessions.clock().now()).await {
        tracing::warn!(class = fault.class(), "the last checkpoint over the events was not made");
    }
    server.vestibule.bus.close().await;
}

/// A short retention is kept more closely than a long one.
fn forget_period(retention: Duration) -> Duration {
    (retention / 10).clamp(bounds::FORGET_LEAST, bounds::FORGET)
}

/// Forgets events and ended sessions from before a time, in steps, so that commands come between.
async fn forget(server: &api::Server, before: Timestamp) -> Result<(), Fault> {
    for _ in 0..bounds::FORGET_STEPS {
        let mut gone = server.vestibule.events.forget(before, bounds::FORGET_ROWS).await?;
        if let Some(durable) = &server.vestibule.durable {
            gone = gone.max(durable.forget_ended(before, bounds::FORGET_ROWS).await?);
        }
        if gone < bounds::FORGET_ROWS {
            break;
        }
    }
    Ok(())
}
