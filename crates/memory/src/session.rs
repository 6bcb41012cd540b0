//! [`SessionStore`] in process.

use crate::MemoryStore;
use vestibule_core::{
    Answer,
    id::{SessionId, UserTag},
    session::{PackedSession, SessionStore, TokenDigest, WalkPlace, WalkStep, command::*, transition},
    stats::Stats,
    time::Timestamp,
    user::{Context, command::*},
};

impl SessionStore for MemoryStore {
    fn find(&self, tag: UserTag, digest: TokenDigest, now: Timestamp) -> Answer<'_, FindOutcome> {
        Box::pin(async move { Ok(self.look_up(tag, &digest, now)) })
    }

    fn get(&self, id: SessionId, now: Timestamp) -> Answer<'_, GetOutcome> {
        Box::pin(async move {
            let home = self.home(id.tag()).read();
            let session = home.users.get(id.tag()).and_then(|held| held.user.valid(id, now));
            Ok(session.map_or(GetOutcome::Missing, |session| GetOutcome::Live(session.clone())))
        })
    }

    fn list(&self, tag: UserTag, now: Timestamp) -> Answer<'_, Vec<PackedSession>> {
        Box::pin(async move {
            let home = self.home(tag).read();
            Ok(home.users.get(tag).map(|held| held.user.valid_sessions(now).cloned().collect()).unwrap_or_default())
        })
    }

    fn history(&self, tag: UserTag, before: Option<(Timestamp, SessionId)>, limit: usize) -> Answer<'_, Vec<PackedSession>> {
        Box::pin(async move {
            let home = self.home(tag).read();
            let past = home.users.get(tag).and_then(|held| held.beside.past());
            let mut ended: Vec<_> = past
                .into_iter()
                .flat_map(|past| &past.ended)
                .filter_map(|session| Some(((session.ended()?.at, session.id()), session)))
                .filter(|(place, _)| before.is_none_or(|before| *place < before))
                .collect();
            ended.sort_unstable_by_key(|(place, _)| std::cmp::Reverse(*place));
            Ok(ended.into_iter().take(limit).map(|(_, session)| session.clone()).collect())
        })
    }

    fn analytics(&self, tag: UserTag, now: Timestamp) -> Answer<'_, UserAnalytics> {
        Box::pin(async move {
            let home = self.home(tag).read();
            Ok(home.users.get(tag).map(|held| transition::analytics(&held.user, now)).unwrap_or_default())
        })
    }

    fn stats(&self) -> Answer<'_, Stats> {
        Box::pin(async move {
            let mut sum = Stats::default();
            for home in &self.homes {
                let Stats { sessions, users, created_total, revoked_total, expired_total } = home.read().stats;
                sum.sessions += sessions;
                sum.users += users;
                sum.created_total += created_total;
                sum.revoked_total += revoked_total;
                sum.expired_total += expired_total;
            }
            Ok(sum)
        })
    }

    fn due(&self, now: Timestamp, limit: usize) -> Answer<'_, Vec<UserTag>> {
        Box::pin(async move { Ok(self.due_users(now, limit)) })
    }

    fn walk(&self, from: Option<WalkPlace>, limit: usize) -> Answer<'_, WalkStep> {
        Box::pin(async move {
            let after = from.map(|place| place.last_met()).transpose()?;
            // Homes are in the order of the tags' first byte, so one home at a time is sorted.
            let mut page = Vec::new();
            for home in &self.homes[after.map_or(0, |tag| tag.home().index())..] {
                let home = home.read();
                let live = home.users.iter().filter(|held| !held.user.live.is_empty()).map(|held| held.user.tag);
                let mut tags: Vec<_> = live.filter(|tag| after.is_none_or(|after| *tag > after)).collect();
                tags.sort_unstable();
                page.extend(tags.into_iter().take(limit - page.len()));
                if page.len() >= limit {
                    break;
                }
            }
            Ok(WalkStep::in_order(page, limit))
        })
    }

    fn touch(&self, touch: Touch) -> Answer<'_, TouchOutcome> {
        Box::pin(async move { Ok(self.note_use(&touch)) })
    }

    fn create(&self, cx: Context, command: CreateSession) -> Answer<'_, CreateOutcome> {
        Box::pin(async move { self.run_growing(&cx, command) })
    }

    fn share(&self, cx: Context, command: ShareSession) -> Answer<'_, ShareOutcome> {
        Box::pin(async move { self.run_growing(&cx, command) })
    }

    fn open_handoff(&self, cx: Context, command: OpenHandoff) -> Answer<'_, HandoffOutcome> {
        Box::pin(async move { self.run_growing(&cx, command) })
    }

    fn redeem(&self, cx: Context, command: RedeemHandoff) -> Answer<'_, RedeemOutcome> {
        Box::pin(async move { self.run_growing(&cx, command) })
    }

    fn set_data(&self, cx: Context, command: SetData) -> Answer<'_, SetDataOutcome> {
        Box::pin(async move { self.run_growing(&cx, command) })
    }

    fn amend(&self, cx: Context, command: AmendSession) -> Answer<'_, AmendOutcome> {
        Box::pin(async move { self.run_growing(&cx, command) })
    }

    fn rotate(&self, cx: Context, command: RotateSession) -> Answer<'_, RotateOutcome> {
        Box::pin(async move { Ok(self.run(&cx, command)) })
    }

    fn end(&self, cx: Context, command: EndSessions) -> Answer<'_, EndOutcome> {
        Box::pin(async move { Ok(self.run(&cx, command)) })
    }

    fn expire(&self, cx: Context, command: ExpireUser) -> Answer<'_, ExpireOutcome> {
        Box::pin(async move { Ok(self.run(&cx, command)) })
    }

    fn disable_user(&self, cx: Context, command: DisableUser) -> Answer<'_, DisableOutcome> {
        Box::pin(async move { Ok(self.run(&cx, command)) })
    }

    fn enable_user(&self, cx: Context, command: EnableUser) -> Answer<'_, EnableOutcome> {
        Box::pin(async move { Ok(self.run(&cx, command)) })
    }

    fn delete_user(&self, cx: Context, command: DeleteUser) -> Answer<'_, DeleteOutcome> {
        Box::pin(async move { Ok(self.run(&cx, command)) })
    }
}
