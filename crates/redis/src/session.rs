//! [`SessionStore`] on Redis.

use crate::{
    RedisStore, bounds,
    fault::odd,
    key::Key,
    link::{bytes, strings},
    user,
};
use redis::Value;
use vestibule_core::{
    Answer,
    bounds::MEMORY_ENDED,
    fault::Fault,
    id::{Home, SessionId, UserTag},
    session::{PackedSession, SessionStore, TokenDigest, WalkPlace, WalkStep, command::*, transition},
    stats::Stats,
    time::Timestamp,
    user::{Context, UserAggregate, command::*},
};

impl RedisStore {
    /// A user with all live sessions; `None` where nothing is known, or not from this start of the server.
    pub(crate) async fn whole(&self, tag: UserTag) -> Result<Option<UserAggregate>, Fault> {
        let value = self.link.read(redis::cmd("GET").arg(Key::user(tag))).await?;
        let Some(value) = bytes(value)? else { return Ok(None) };
        let (stamp, user) = user::unpack(tag, &value)?;
        Ok(self.believes(tag.home(), stamp)?.then_some(user))
    }

    /// The sessions that ended last, oldest end first.
    async fn ended(&self, tag: UserTag) -> Result<Vec<PackedSession>, Fault> {
        let one_by_one = redis::cmd("LRANGE").arg(Key::ended(tag)).arg(0).arg(-1).take();
        let together = redis::cmd("GET").arg(Key::archive(tag)).take();
        let [one_by_one, together] = <[Value; 2]>::try_from(self.link.read_all(&[one_by_one, together]).await?)
            .map_err(|_| odd("two questions had not two answers"))?;
        let session = |bytes: &Vec<u8>| PackedSession::from_bytes(bytes).map_err(|_| odd("a stored session cannot be read"));
        let mut ended: Vec<_> = strings(one_by_one)?.iter().map(session).collect::<Result<_, _>>()?;
        if let Some(archive) = bytes(together)? {
            ended.extend(user::read_archive(&archive)?);
            // Stable: what ended together stays in the order of its creation.
            ended.sort_by_key(|session| session.ended().map(|end| end.at));
            ended.drain(..ended.len().saturating_sub(MEMORY_ENDED));
        }
        Ok(ended)
    }

    /// One read where the token is the current one of a session among the first; `None` where the user is not held.
    pub(crate) async fn find_live(
        &self,
        tag: UserTag,
        digest: &TokenDigest,
        now: Timestamp,
    ) -> Result<Option<FindOutcome>, Fault> {
        let mut ask = redis::cmd("GETRANGE");
        ask.arg(Key::user(tag)).arg(0).arg(bounds::LOOKUP_BYTES - 1);
        let part = bytes(self.link.read(&ask).await?)?.unwrap_or_default();
        if part.is_empty() || !self.believes(tag.home(), user::header(&part)?.stamp)? {
            return Ok(None);
        }
        if let Some(outcome) = user::find(tag, &part, digest, now)? {
            return Ok(Some(outcome));
        }
        let whole = if part.len() < bounds::LOOKUP_BYTES { Some(user::unpack(tag, &part)?.1) } else { self.whole(tag).await? };
        Ok(whole.map(|user| transition::find(&user, digest, now)))
    }

    async fn look_up(&self, tag: UserTag, digest: &TokenDigest, now: Timestamp) -> Result<FindOutcome, Fault> {
        let Some(outcome) = self.find_live(tag, digest, now).await? else {
            return Ok(FindOutcome::Unknown { user_known: false });
        };
        match outcome {
            outcome @ FindOutcome::Unknown { .. } => {
                let ended = self.ended(tag).await?;
                let ended = ended.iter().rev().find(|session| digest.matches(session.digest().as_bytes()));
                let ended = ended.and_then(|session| Some((session.id(), session.ended()?.reason)));
                Ok(ended.map_or(outcome, |(id, reason)| FindOutcome::Ended { reason, id: Some(id), unnoticed: false }))
            }
            outcome => Ok(outcome),
        }
    }

    async fn figures(&self) -> Result<Stats, Fault> {
        let names = &["sessions", "users", "created", "revoked", "expired"];
        let figures = |home| redis::cmd("HMGET").arg(Key::figures(Home(home as u8))).arg(names).take();
        let ask: Vec<_> = (0..Home::COUNT).map(figures).collect();
        let mut sum = [0_u64; 5];
        for home in self.link.read_all(&ask).await? {
            let Value::Array(figures) = home else { return Err(odd("HMGET gave no list")) };
            for (sum, figure) in sum.iter_mut().zip(figures) {
                let text = bytes(figure)?.unwrap_or_else(|| b"0".to_vec());
                let figure = std::str::from_utf8(&text).ok().and_then(|text| text.parse::<i64>().ok());
                *sum += u64::try_from(figure.ok_or_else(|| odd("a figure is no number"))?).unwrap_or(0);
            }
        }
        let [sessions, users, created_total, revoked_total, expired_total] = sum;
        Ok(Stats { sessions, users, created_total, revoked_total, expired_total })
    }
}

impl SessionStore for RedisStore {
    fn find(&self, tag: UserTag, digest: TokenDigest, now: Timestamp) -> Answer<'_, FindOutcome> {
        Box::pin(async move { self.link.at(tag.home(), self.look_up(tag, &digest, now)).await })
    }

    fn get(&self, id: SessionId, now: Timestamp) -> Answer<'_, GetOutcome> {
        Box::pin(async move {
            let user = self.link.at(id.tag().home(), self.whole(id.tag())).await?;
            let session = user.as_ref().and_then(|user| user.valid(id, now));
            Ok(session.map_or(GetOutcome::Missing, |session| GetOutcome::Live(session.clone())))
        })
    }

    fn list(&self, tag: UserTag, now: Timestamp) -> Answer<'_, Vec<PackedSession>> {
        Box::pin(async move {
            let user = self.link.at(tag.home(), self.whole(tag)).await?;
            Ok(user.map(|user| user.valid_sessions(now).cloned().collect()).unwrap_or_default())
        })
    }

    fn history(&self, tag: UserTag, before: Option<(Timestamp, SessionId)>, limit: usize) -> Answer<'_, Vec<PackedSession>> {
        Box::pin(async move {
            let ended = self.link.at(tag.home(), self.ended(tag)).await?;
            let mut places: Vec<_> =
                ended.iter().filter_map(|session| Some(((session.ended()?.at, session.id()), session))).collect();
            places.retain(|(place, _)| before.is_none_or(|before| *place < before));
            places.sort_unstable_by_key(|(place, _)| std::cmp::Reverse(*place));
            Ok(places.into_iter().take(limit).map(|(_, session)| session.clone()).collect())
        })
    }

    fn analytics(&self, tag: UserTag, now: Timestamp) -> Answer<'_, UserAnalytics> {
        Box::pin(async move {
            let user = self.link.at(tag.home(), self.whole(tag)).await?;
            Ok(user.map(|user| transition::analytics(&user, now)).unwrap_or_default())
        })
    }

    fn stats(&self) -> Answer<'_, Stats> {
        Box::pin(async move { self.link.within(self.figures()).await })
    }

    fn due(&self, now: Timestamp, limit: usize) -> Answer<'_, Vec<UserTag>> {
        Box::pin(async move { self.due_users(now, limit).await })
    }

    fn walk(&self, from: Option<WalkPlace>, limit: usize) -> Answer<'_, WalkStep> {
        Box::pin(async move { self.walk_on(from, limit).await })
    }

    fn touch(&self, touch: Touch) -> Answer<'_, TouchOutcome> {
        Box::pin(async move { self.note_use(touch).await })
    }

    fn create(&self, cx: Context, command: CreateSession) -> Answer<'_, CreateOutcome> {
        Box::pin(self.run_beginning(cx, command))
    }

    fn share(&self, cx: Context, command: ShareSession) -> Answer<'_, ShareOutcome> {
        Box::pin(self.run(cx, command))
    }

    fn open_handoff(&self, cx: Context, command: OpenHandoff) -> Answer<'_, HandoffOutcome> {
        Box::pin(self.run(cx, command))
    }

    fn redeem(&self, cx: Context, command: RedeemHandoff) -> Answer<'_, RedeemOutcome> {
        Box::pin(self.run(cx, command))
    }

    fn set_data(&self, cx: Context, command: SetData) -> Answer<'_, SetDataOutcome> {
        Box::pin(self.run(cx, command))
    }

    fn amend(&self, cx: Context, command: AmendSession) -> Answer<'_, AmendOutcome> {
        Box::pin(self.run(cx, command))
    }

    fn rotate(&self, cx: Context, command: RotateSession) -> Answer<'_, RotateOutcome> {
        Box::pin(self.run(cx, command))
    }

    fn end(&self, cx: Context, command: EndSessions) -> Answer<'_, EndOutcome> {
        Box::pin(self.end_sessions(cx, command))
    }

    fn expire(&self, cx: Context, command: ExpireUser) -> Answer<'_, ExpireOutcome> {
        Box::pin(self.run(cx, command))
    }

    fn disable_user(&self, cx: Context, command: DisableUser) -> Answer<'_, DisableOutcome> {
        Box::pin(self.run_ending(cx, command))
    }

    fn enable_user(&self, cx: Context, command: EnableUser) -> Answer<'_, EnableOutcome> {
        Box::pin(self.run(cx, command))
    }

    fn delete_user(&self, cx: Context, command: DeleteUser) -> Answer<'_, DeleteOutcome> {
        Box::pin(self.run_ending(cx, command))
    }
}
