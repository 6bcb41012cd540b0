//! Uses of sessions that the record has not heard of yet.

use crate::{bounds, id::UserTag, session::command::Touch};
use parking_lot::Mutex;
use std::collections::HashMap;

/// Waiting uses by user. An entry stays until the record has it, so that a reload in between does not lose it.
#[derive(Default)]
pub(super) struct Pending(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    users: HashMap<UserTag, Vec<Touch>>,
    count: usize,
}

impl Pending {
    /// Adds a use. A later one of the same session replaces an earlier one that tells nothing more.
    pub(super) fn add(&self, touch: Touch) {
        let mut waiting = self.0.lock();
        if waiting.count >= bounds::PENDING_TOUCHES {
            metrics::counter!("vestibule_touches_dropped_total").increment(1);
            return;
        }
        let uses = waiting.users.entry(touch.id.tag()).or_default();
        let before = uses.len();
        uses.retain(|held| held.id != touch.id || held.activity.is_some());
        if uses.iter().filter(|held| held.id == touch.id).count() >= bounds::ACTIVITY_TRAIL
            && let Some(oldest) = uses.iter().position(|held| held.id == touch.id)
        {
            uses.remove(oldest);
        }
        uses.push(touch);
        let after = uses.len();
        waiting.count = waiting.count + after - before;
    }

    /// The waiting uses of one user.
    pub(super) fn of(&self, tag: UserTag) -> Vec<Touch> {
        self.0.lock().users.get(&tag).cloned().unwrap_or_default()
    }

    /// Up to about `limit` waiting uses, whole users at a time.
    pub(super) fn batch(&self, limit: usize) -> Vec<Touch> {
        let waiting = self.0.lock();
        let mut batch = Vec::new();
        for uses in waiting.users.values() {
            if batch.len() >= limit {
                break;
            }
            batch.extend_from_slice(uses);
        }
        batch
    }

    /// Forgets uses that the record has now; what came since stays.
    pub(super) fn remove(&self, written: &[Touch]) {
        let mut waiting = self.0.lock();
        for touch in written {
            let Some(uses) = waiting.users.get_mut(&touch.id.tag()) else { continue };
            let Some(position) = uses.iter().position(|held| held == touch) else { continue };
            uses.remove(position);
            let empty = uses.is_empty();
            waiting.count -= 1;
            if empty {
                waiting.users.remove(&touch.id.tag());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{id::SessionId, time::Timestamp};

    #[test]
    fn a_later_use_replaces_an_earlier_one_and_survives_the_writing_of_it() {
        let pending = Pending::default();
        let id = SessionId::generate(UserTag::anonymous());
        let at = |ms| Touch { id, at: Timestamp::from_millis(ms), idle_timeout_ms: 9, activity: None };
        pending.add(at(1));
        pending.add(at(2));
        let batch = pending.batch(10);
        assert_eq!(batch, [at(2)]);
        pending.add(at(3));
        pending.remove(&batch);
        assert_eq!(pending.of(id.tag()), [at(3)]);
        pending.remove(&[at(3)]);
        assert!(pending.batch(10).is_empty() && pending.0.lock().count == 0 && pending.0.lock().users.is_empty());
    }

    #[test]
    fn activities_are_kept_up_to_the_length_of_the_trail() {
        let pending = Pending::default();
        let id = SessionId::generate(UserTag::anonymous());
        for ms in 0..100 {
            pending.add(Touch { id, at: Timestamp::from_millis(ms), idle_timeout_ms: 9, activity: Some("/a".into()) });
        }
        assert_eq!(pending.of(id.tag()).len(), bounds::ACTIVITY_TRAIL);
        assert_eq!(pending.0.lock().count, bounds::ACTIVITY_TRAIL);
    }
}
