//! Webhooks: events are posted to addresses of the configuration, signed, at least once.
//!
//! Of each webhook one node at a time delivers: it holds a claim that it renews, and another one takes over when it is silent. How
//! far it came is stored after each few events, behind them: so nothing is left out where the store keeps events, whatever dies, and an
//! event may come twice, with the same id. Nothing waits for a delivery, least of all the step that decided what is told.

mod authority;
mod deliverer;
mod guard;
mod post;
mod progress;
mod sign;

pub(crate) use authority::Authorities;
pub(crate) use post::Poster;
pub(crate) use progress::{Dead, Progress};
pub(crate) use sign::SigningKey;

use crate::{config::Webhook, serve::Stop};
use deliverer::Deliverer;
use futures_util::future::join_all;
use std::{sync::Arc, time::Duration};
use vestibule::{Vestibule, fault::Fault};

/// Time between two looks for something to deliver, and whether somebody else's claim is over.
const BEAT: Duration = Duration::from_millis(500);
/// How long a claim holds unless it is renewed.
const CLAIM: Duration = Duration::from_secs(6);
/// Time between two renewals.
const RENEWAL: Duration = Duration::from_secs(2);
/// Events that are read at a time.
const PAGE: usize = 64;
/// Deliveries of one webhook under way at a time.
const AT_ONCE: usize = 8;
/// Tries of one event before it is put aside.
const TRIES: u32 = 8;
/// By how much the longest pause between two tries is longer than the first.
const PAUSE_GROWTH: u32 = 60;
/// Events put aside that are kept of a webhook; above it the oldest is lost.
const DEAD_KEPT: usize = 100;
/// Events of a webhook that wait to be delivered once more; what finds no room stays put aside.
const AGAIN_KEPT: usize = 100;
/// Time for an address to be found, to accept a connection, and to agree on keys.
const CONNECT: Duration = Duration::from_secs(5);
/// Time for a whole exchange, such as a delivery.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);
/// Tries to store what others keep changing.
const STORE_TRIES: usize = 8;

/// All webhooks of the configuration.
pub(crate) struct Webhooks {
    hooks: Vec<Arc<Webhook>>,
}

impl Webhooks {
    /// The webhooks of a configuration.
    pub(crate) fn new(hooks: Vec<Webhook>) -> Self {
        Self { hooks: hooks.into_iter().map(Arc::new).collect() }
    }

    /// As they are configured.
    pub(crate) fn all(&self) -> &[Arc<Webhook>] {
        &self.hooks
    }

    /// Delivers until the server begins to stop.
    pub(crate) async fn run(&self, vestibule: &Vestibule, stop: &Stop) {
        if self.hooks.is_empty() {
            return;
        }
        let of_machine = Authorities::of_machine();
        let run = |hook: &Arc<Webhook>| {
            let poster = Poster::new(hook.authorities.as_ref().unwrap_or(&of_machine));
            Deliverer::new(hook.clone(), vestibule, poster, stop.clone()).run()
        };
        join_all(self.hooks.iter().map(run)).await;
    }

    /// Delivers once more what was put aside, as far as there is room for it. Returns how many events that are.
    ///
    /// # Errors
    /// A fault of the store.
    pub(crate) async fn redeliver(&self, name: &str, vestibule: &Vestibule) -> Result<usize, Fault> {
        let mut count = 0;
        Progress::change(&*vestibule.deliveries, name, |progress| {
            count = progress.want_again();
            true
        })
        .await?;
        Ok(count)
    }
}
