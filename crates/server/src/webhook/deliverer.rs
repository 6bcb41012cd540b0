//! Delivers the events of one webhook, in pages and in parts of a page.

use super::{
    AT_ONCE, BEAT, PAGE, PAUSE_GROWTH, RENEWAL, TRIES,
    post::{Message, Poster},
    progress::{Dead, Progress, Trouble},
};
use crate::{
    config::Webhook,
    serve::{Phase, Stop},
};
use futures_util::future::join_all;
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::time::{MissedTickBehavior, interval, sleep};
use vestibule::{
    Vestibule,
    event::{DeliveryStore, Event, EventStore, EventType, Origin, TailFrom},
    fault::Fault,
    id::{EventId, random},
    time::Clock,
};

/// Why a round ended early.
enum Ended {
    /// The claim is somebody else's.
    Lost,
    /// The server stops.
    Stopping,
    /// The store failed.
    Fault(Fault),
}

impl From<Fault> for Ended {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// How a part of a page went.
struct Part {
    delivered: u64,
    dead: Vec<Dead>,
}

/// Delivers one webhook, as long as no other node does.
pub(super) struct Deliverer {
    hook: Arc<Webhook>,
    events: Arc<dyn EventStore>,
    store: Arc<dyn DeliveryStore>,
    clock: Clock,
    poster: Poster,
    stop: Stop,
    /// The name of this process among those that claim.
    claimant: String,
    /// What fails just now.
    trouble: Mutex<Option<Trouble>>,
    /// Ids of what was delivered although it lies behind the place; see [`vestibule::event::Tail::next`].
    told: HashSet<EventId>,
}

impl Deliverer {
    pub(super) fn new(hook: Arc<Webhook>, vestibule: &Vestibule, poster: Poster, stop: Stop) -> Self {
        Self {
            hook,
            events: vestibule.events.clone(),
            store: vestibule.deliveries.clone(),
            clock: vestibule.sessions.clock().clone(),
            poster,
            stop,
            claimant: format!("{:032x}", u128::from_be_bytes(random())),
            trouble: Mutex::default(),
            told: HashSet::new(),
        }
    }

    pub(super) async fn run(mut self) {
        let mut beat = interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stop = self.stop.clone();
        let mut had_fault = false;
        loop {
            tokio::select! {
                _ = beat.tick() => {}
                () = stop.reached(Phase::Draining) => break,
            }
            let round = tokio::select! {
                round = self.round() => round,
                () = stop.reached(Phase::Draining) => Err(Ended::Stopping),
            };
            match round {
                Err(Ended::Stopping) => break,
                Err(Ended::Fault(fault)) if !had_fault => {
                    tracing::warn!(webhook = self.hook.name, class = fault.class(), "events wait: the store failed");
                    had_fault = true;
                }
                Err(Ended::Fault(_) | Ended::Lost) => {}
                Ok(()) => had_fault = false,
            }
        }
        // The next one need not wait for the claim to run out. Where this fails it waits.
        let _ = Progress::change(&*self.store, &self.hook.name, |progress| progress.release(&self.claimant)).await;
    }

    /// Delivers all that there is.
    async fn round(&mut self) -> Result<(), Ended> {
        if !self.may_claim().await? {
            return Ok(());
        }
        loop {
            let progress = self.store_progress(|_| {}).await?;
            self.deliver_again(&progress).await?;
            let Some(from) = progress.next() else {
                let begin = self.events.tail(TailFrom::Now, 0).await?.next;
                let now = self.clock.now();
                self.store_progress(|progress| {
                    progress.go_on(&begin);
                    progress.since = Some(now);
                })
                .await?;
                continue;
            };
            if !self.deliver_page(from).await? {
                return Ok(());
            }
        }
    }

    /// Looks before it writes: most of the time somebody else has the claim, or there is nothing to do.
    async fn may_claim(&self) -> Result<bool, Ended> {
        let (_, mut progress) = Progress::load(&*self.store, &self.hook.name).await?;
        if !progress.claim(&self.claimant, self.clock.now()) {
            return Ok(false);
        }
        let Some(from) = progress.next() else { return Ok(true) };
        let tail = self.events.tail(from.clone(), PAGE).await?;
        // What was told already may stand at the beginning for a while; see the field.
        let has_news = tail.next != from || tail.events.iter().any(|event| !self.told.contains(&event.id));
        Ok(has_news || tail.missed > 0 || !progress.again.is_empty())
    }

    /// What was put aside and is wanted once more.
    async fn deliver_again(&self, progress: &Progress) -> Result<(), Ended> {
        for part in progress.again.chunks(AT_ONCE) {
            let bodies: Vec<Value> = part.iter().map(|dead| dead.event.clone()).collect();
            let done = self.deliver_part(&bodies).await?;
            let ids: HashSet<_> = bodies.iter().map(|event| event["id"].to_string()).collect();
            self.store_progress(|progress| {
                progress.again.retain(|dead| !ids.contains(&dead.event["id"].to_string()));
                progress.delivered += done.delivered;
                progress.bury(&done.dead);
            })
            .await?;
        }
        Ok(())
    }

    /// One page of events; false where it was the last one.
    async fn deliver_page(&mut self, from: TailFrom) -> Result<bool, Ended> {
        let tail = self.events.tail(from.clone(), PAGE).await?;
        let is_last = tail.events.len() as u64 + tail.missed < PAGE as u64 || tail.next == from;
        let mut news: Vec<&Event> = tail.events.iter().filter(|event| !self.told.contains(&event.id)).collect();
        let gap = Event::new(EventType::EventsDropped, self.clock.now(), &Origin::system()).counting(tail.missed);
        if tail.missed > 0 {
            news.insert(0, &gap);
        }
        news.retain(|event| self.hook.types.is_empty() || self.hook.types.contains(&event.kind));
        let mut all = Part { delivered: 0, dead: Vec::new() };
        for part in news.chunks(AT_ONCE) {
            let bodies: Vec<Value> = part.iter().map(|event| json!(event)).collect();
            let done = self.deliver_part(&bodies).await?;
            all.delivered += done.delivered;
            all.dead.extend(done.dead);
        }
        self.store_progress(|progress| {
            progress.go_on(&tail.next);
            progress.delivered += all.delivered;
            progress.bury(&all.dead);
        })
        .await?;
        self.told = tail.events.iter().map(|event| event.id).collect();
        Ok(!is_last)
    }

    /// A few events at the same time, each until it is delivered or put aside. The claim is renewed meanwhile.
    async fn deliver_part(&self, events: &[Value]) -> Result<Part, Ended> {
        let deliveries = join_all(events.iter().map(|event| self.deliver(event)));
        tokio::pin!(deliveries);
        let mut renewal = interval(RENEWAL);
        renewal.reset();
        let done = loop {
            tokio::select! {
                done = &mut deliveries => break done,
                _ = renewal.tick() => {
                    self.store_progress(|_| {}).await?;
                }
            }
        };
        let dead: Vec<Dead> = done.into_iter().flatten().collect();
        Ok(Part { delivered: (events.len() - dead.len()) as u64, dead })
    }

    /// One event. `None` where it was delivered.
    async fn deliver(&self, event: &Value) -> Option<Dead> {
        let id = event["id"].as_str().unwrap_or_default();
        let body = event.to_string();
        let mut pause = self.hook.retry_pause;
        for tries in 1.. {
            let message = Message { id, time: self.clock.now().millis() / 1_000, body: &body };
            let Err(error) = self.poster.post(&self.hook, &message).await else { break };
            count("failed");
            let (at, error) = (self.clock.now(), error.to_string());
            if tries == TRIES {
                tracing::warn!(webhook = self.hook.name, event = id, error, "an event was put aside");
                count("dead");
                return Some(Dead { event: event.clone(), at, error });
            }
            *self.trouble.lock() = Some(Trouble { at, tries, error });
            sleep(jittered(pause)).await;
            pause = (pause * 2).min(self.hook.retry_pause * PAUSE_GROWTH);
        }
        *self.trouble.lock() = None;
        count("delivered");
        None
    }

    /// Stores a change together with the claim.
    async fn store_progress(&self, change: impl Fn(&mut Progress)) -> Result<Progress, Ended> {
        let mut lost = 0;
        let changed = Progress::change(&*self.store, &self.hook.name, |progress| {
            let is_ours = progress.claim(&self.claimant, self.clock.now());
            if is_ours {
                let lost_before = progress.lost;
                progress.trouble.clone_from(&self.trouble.lock());
                change(progress);
                lost = progress.lost - lost_before;
            }
            is_ours
        });
        let changed = changed.await?.ok_or(Ended::Lost)?;
        if lost > 0 {
            tracing::warn!(webhook = self.hook.name, lost, "the oldest events that were put aside are lost: too many are");
            metrics::counter!("vestibule_webhook_events_lost_total").increment(lost);
        }
        Ok(changed)
    }
}

fn count(outcome: &'static str) {
    metrics::counter!("vestibule_webhook_posts_total", "outcome" => outcome).increment(1);
}

/// Give or take a quarter, so that those who failed together do not come back together.
fn jittered(pause: Duration) -> Duration {
    let [chance] = random::<1>();
    pause * (192 + u32::from(chance) / 2) / 256
}
