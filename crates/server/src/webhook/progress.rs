//! How far a webhook is: a document in the store, changed by compare-and-set.

use super::{AGAIN_KEPT, CLAIM, DEAD_KEPT, STORE_TRIES};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use vestibule::{
    event::{DeliveryDocument, DeliveryStore, Place, TailFrom},
    fault::Fault,
    time::{Timestamp, millis},
};

/// How far a webhook is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// Behind which event or place the next ones begin; neither before the first claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<Vec<u64>>,
    /// Which process delivers, and until when nobody else may.
    #[serde(default)]
    claimant: String,
    #[serde(default)]
    claimed_until_ms: u64,
    /// When it was first claimed: events from before are not posted.
    #[serde(default)]
    pub(crate) since: Option<Timestamp>,
    /// Events that were delivered.
    #[serde(default)]
    pub(crate) delivered: u64,
    /// What was put aside, oldest first.
    #[serde(default)]
    pub(crate) dead: Vec<Dead>,
    /// What is to be delivered once more.
    #[serde(default)]
    pub(crate) again: Vec<Dead>,
    /// What was dropped because too much had been put aside.
    #[serde(default)]
    pub(crate) lost: u64,
    /// Why nothing gets through just now.
    #[serde(default)]
    pub(crate) trouble: Option<Trouble>,
}

/// An event that was put aside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Dead {
    /// The event as it was to be posted.
    pub(crate) event: Value,
    /// When it was given up.
    pub(crate) at: Timestamp,
    /// Why.
    pub(crate) error: String,
}

/// A delivery that fails and is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Trouble {
    /// When it was tried last.
    pub(crate) at: Timestamp,
    /// How often.
    pub(crate) tries: u32,
    /// Why it failed.
    pub(crate) error: String,
}

impl Progress {
    /// What is stored under a name; nothing yet is a beginning.
    pub(crate) async fn load(store: &dyn DeliveryStore, name: &str) -> Result<(u64, Self), Fault> {
        let Some(document) = store.delivery(name).await? else { return Ok((0, Self::default())) };
        let progress = serde_json::from_slice(&document.bytes);
        let progress = progress.map_err(|_| Fault::Corrupt("how far a webhook is cannot be read".into()))?;
        Ok((document.version, progress))
    }

    /// Changes what is stored, whoever else does. The change says whether it is still wanted; `None` where it is not.
    pub(crate) async fn change(
        store: &dyn DeliveryStore,
        name: &str,
        mut change: impl FnMut(&mut Self) -> bool,
    ) -> Result<Option<Self>, Fault> {
        for _ in 0..STORE_TRIES {
            let (version, mut progress) = Self::load(store, name).await?;
            if !change(&mut progress) {
                return Ok(None);
            }
            let bytes = serde_json::to_vec(&progress).expect("texts and numbers always serialise");
            if store.replace_delivery(name, DeliveryDocument { version: version + 1, bytes }).await? {
                return Ok(Some(progress));
            }
        }
        Err(Fault::Unavailable("others keep changing how far a webhook is".into()))
    }

    /// Takes or keeps the claim; false where somebody else has it.
    pub(super) fn claim(&mut self, claimant: &str, now: Timestamp) -> bool {
        let is_free = self.claimant == claimant || self.claimed_until_ms <= now.millis();
        if is_free {
            claimant.clone_into(&mut self.claimant);
            self.claimed_until_ms = now.plus_ms(millis(CLAIM)).millis();
        }
        is_free
    }

    /// Gives the claim back.
    pub(super) fn release(&mut self, claimant: &str) -> bool {
        let is_ours = self.claimant == claimant;
        if is_ours {
            self.claimed_until_ms = 0;
        }
        is_ours
    }

    /// Where to go on; `None` at the very beginning.
    pub(super) fn next(&self) -> Option<TailFrom> {
        match (&self.place, &self.event) {
            (Some(place), _) => Some(TailFrom::Place(Place::new(place.as_slice()))),
            (None, Some(event)) => event.parse().ok().map(TailFrom::Event),
            (None, None) => None,
        }
    }

    /// Notes where to go on.
    pub(super) fn go_on(&mut self, next: &TailFrom) {
        (self.place, self.event) = match next {
            TailFrom::Now => (None, None),
            TailFrom::Place(place) => (Some(place.positions().to_vec()), None),
            TailFrom::Event(id) => (None, Some(id.to_string())),
        };
    }

    /// Puts events aside.
    pub(super) fn bury(&mut self, dead: &[Dead]) {
        self.dead.extend_from_slice(dead);
        let over = self.dead.len().saturating_sub(DEAD_KEPT);
        self.dead.drain(..over);
        self.lost += over as u64;
    }

    /// Wants what was put aside delivered once more, oldest first, as far as there is room. Returns how many events that are.
    pub(super) fn want_again(&mut self) -> usize {
        let room = AGAIN_KEPT.saturating_sub(self.again.len()).min(self.dead.len());
        self.again.extend(self.dead.drain(..room));
        room
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn dead(count: usize) -> Vec<Dead> {
        let one = |id| Dead { event: json!({"id": id}), at: Timestamp::default(), error: String::new() };
        (0..count).map(one).collect()
    }

    /// Somebody wants them again and again, and the receiver goes on failing.
    #[test]
    fn what_waits_for_another_delivery_is_bounded_and_what_is_dropped_is_counted() {
        let mut progress = Progress::default();
        progress.bury(&dead(DEAD_KEPT));
        assert_eq!(progress.want_again(), AGAIN_KEPT);
        progress.bury(&dead(DEAD_KEPT));
        assert_eq!(progress.want_again(), 0, "there is no room");
        assert_eq!((progress.again.len(), progress.dead.len(), progress.lost), (AGAIN_KEPT, DEAD_KEPT, 0));
        progress.again.drain(..3);
        assert_eq!(progress.want_again(), 3);
        progress.bury(&dead(5));
        assert_eq!((progress.again.len(), progress.dead.len(), progress.lost), (AGAIN_KEPT, DEAD_KEPT, 2));
    }
}
