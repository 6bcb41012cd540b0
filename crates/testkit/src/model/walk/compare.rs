//! What store and model are compared by: outcomes, events, and what can be read.

use super::{super::users::Told, KEPT, Known, Walker};
use std::collections::BTreeSet;
use vestibule_core::{
    bounds::PAGE_LIMIT,
    event::{Event, EventQuery},
    id::UserTag,
    session::{
        PackedSession,
        command::{
            AmendOutcome as Amend, CreateOutcome as Create, FindOutcome, RedeemOutcome as Redeem, RotateOutcome as Rotate,
            SetDataOutcome as Data, ShareOutcome as Share,
        },
    },
    time::Timestamp,
    token::command::{IssueOutcome, RefreshOutcome},
    user::command::Outcome,
};

impl Walker {
    /// An outcome without what the store need not count.
    pub(super) fn alike(&self, outcome: Outcome) -> Outcome {
        let alike = |session: PackedSession| self.session_alike(&session);
        match outcome {
            Outcome::CreateSession(Create::Created { session, evicted }) => {
                Create::Created { session: alike(session), evicted }.into()
            }
            Outcome::ShareSession(Share::Shared(session)) => Share::Shared(alike(session)).into(),
            Outcome::RedeemHandoff(Redeem::Redeemed(session)) => Redeem::Redeemed(alike(session)).into(),
            Outcome::SetData(Data::Written(session)) => Data::Written(alike(session)).into(),
            Outcome::SetData(Data::Conflict(session)) => Data::Conflict(alike(session)).into(),
            Outcome::AmendSession(Amend::Amended(session)) => Amend::Amended(alike(session)).into(),
            Outcome::AmendSession(Amend::Conflict(session)) => Amend::Conflict(alike(session)).into(),
            Outcome::RotateSession(Rotate::Rotated(session)) => Rotate::Rotated(alike(session)).into(),
            Outcome::RotateSession(Rotate::Repeated(session)) => Rotate::Repeated(alike(session)).into(),
            Outcome::RotateSession(Rotate::Conflict(session)) => Rotate::Conflict(alike(session)).into(),
            Outcome::IssueFamily(IssueOutcome::Issued(granted)) => IssueOutcome::Issued(self.granted_alike(*granted)).into(),
            Outcome::Refresh(RefreshOutcome::Refreshed(granted)) => {
                RefreshOutcome::Refreshed(self.granted_alike(*granted)).into()
            }
            other => other,
        }
    }

    pub(super) fn session_alike(&self, session: &PackedSession) -> PackedSession {
        let mut session = session.unpack();
        if !self.walk.counts_uses {
            session.touches = 0;
        }
        PackedSession::pack(&session)
    }

    pub(super) async fn compare_events(&self, who: usize, now: Timestamp) {
        let tag = self.people[who].person.tag;
        let query = EventQuery { tag: Some(tag), since: Some(now), limit: PAGE_LIMIT, ..EventQuery::default() };
        let events = self.scene.events.query(query).await.expect("query answers");
        let told = |event: Event| (event.kind, event.session_id, event.reason.map(Into::into), event.count);
        let mut answer: Vec<Told> = events.into_iter().map(told).collect();
        let mut expected = self.model.users.get(&tag).map(|user| user.told.clone()).unwrap_or_default();
        let by_text = |told: &Told| format!("{told:?}");
        answer.sort_by_key(by_text);
        expected.sort_by_key(by_text);
        self.same("the events", &answer, &expected);
    }

    pub(super) async fn compare_reads(&self, who: usize) {
        let Known { person, digests, .. } = &self.people[who];
        let now = self.scene.now();
        let list = self.scene.list(person).await;
        let expected = self.model.list(person.tag, now);
        let alike =
            |list: &[PackedSession]| list.iter().map(|session| self.session_alike(session).unpack()).collect::<Vec<_>>();
        self.same("the list", &alike(&list), &alike(&expected));
        for digest in digests {
            let answer = self.found_alike(self.scene.find_digest(person.tag, *digest).await);
            let expected = self.found_alike(self.model.find(person.tag, *digest, now));
            self.same("what a token leads to", &answer, &expected);
        }
        let devices = self.scene.devices.devices(person.tag, now).await;
        self.same("the devices", &devices, &Ok(self.model.devices(person.tag, now)));
        let analytics = self.scene.sessions.analytics(person.tag, now).await;
        self.same("the figures of a user", &analytics, &Ok(self.model.analytics(person.tag, now)));
    }

    fn found_alike(&self, outcome: FindOutcome) -> FindOutcome {
        match outcome {
            FindOutcome::Found { session, generation } => {
                FindOutcome::Found { session: self.session_alike(&session), generation }
            }
            other => other,
        }
    }

    async fn walked(&self) -> Vec<UserTag> {
        let (mut walked, mut place) = (BTreeSet::new(), None);
        loop {
            let step = self.scene.sessions.walk(place, PAGE_LIMIT).await.expect("walk answers");
            walked.extend(step.users);
            place = step.next;
            if place.is_none() {
                return walked.into_iter().collect();
            }
        }
    }

    pub(super) async fn compare_all(&self) {
        let (sessions, now) = (&self.scene.sessions, self.scene.now());
        for known in &self.people {
            let history = sessions.history(known.person.tag, None, KEPT).await.expect("history answers");
            let answer: Vec<_> = history.iter().map(|session| (session.id(), session.ended().expect("it ended"))).collect();
            let mut expected = self.model.history(known.person.tag);
            expected.truncate(KEPT);
            self.same("the history", &answer, &expected);
        }
        self.compare_denials().await;
        self.same("the figures", &sessions.stats().await, &Ok(self.model.stats()));
        self.same("the users", &self.walked().await, &self.model.users());
        let mut due = sessions.due(now, PAGE_LIMIT).await.expect("due answers");
        due.sort_unstable();
        self.same::<Vec<UserTag>>("those due", &due, &self.model.due(now));
    }
}
