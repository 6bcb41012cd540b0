//! Random commands about tokens.

use super::{Walker, keep};
use crate::sample;
use std::collections::HashMap;
use vestibule_core::{
    id::SessionId,
    token::{DenialPlace, Family, command::*},
    user::command::Command,
};

impl Walker {
    pub(super) fn token_command(&mut self, who: usize, id: SessionId) -> Command {
        match self.dice.below(8) {
            0..3 => self.issue(who, id).into(),
            3..7 => match self.some_family(who) {
                Some(family) => self.refresh(who, family).into(),
                None => self.issue(who, id).into(),
            },
            _ => self.revocation(who, id).into(),
        }
    }

    fn issue(&mut self, who: usize, id: SessionId) -> IssueFamily {
        let person = self.people[who].person.clone();
        let bound = self.dice.one_in(2);
        let family = Family {
            serial: self.dice.bytes(),
            expires_at: self.deadline(),
            idle_timeout_ms: self.idle_timeout_ms(),
            key_id: self.dice.roll() as u8,
            ..sample::family(self.scene.now(), bound.then_some(id))
        };
        keep(&mut self.people[who].families, family.serial);
        IssueFamily { tag: person.tag, user_id: (!bound).then_some(person.id), family }
    }

    /// A family as the model knows it, or as it was, mostly the newest.
    fn some_family(&mut self, who: usize) -> Option<Family> {
        let newest = *self.people[who].families.last()?;
        let serial = if self.dice.one_in(3) { self.dice.pick(&self.people[who].families) } else { newest };
        let user = self.model.users.get(&self.people[who].person.tag)?;
        user.tokens.families.iter().find(|known| known.family.serial == serial).map(|known| known.family.clone())
    }

    /// With the good token half of the time, else with an older one or one from ahead.
    fn refresh(&mut self, who: usize, family: Family) -> Refresh {
        let generation = match self.dice.below(8) {
            0..2 => family.generation.saturating_sub(1),
            2 => family.generation.saturating_sub(2),
            3 => family.generation + 2,
            _ => family.generation,
        };
        Refresh {
            generation,
            key_id: self.dice.roll() as u8,
            grace_ms: self.dice.pick(&[0, 5_000, 31_000]),
            client_id: self.dice.pick(&[None, None, None, Some("app".into()), Some("other".into())]),
            scope: self.dice.pick(&[None, None, None, Some(vec!["read".into()]), Some(vec!["admin".into()])]),
            ..sample::refresh(self.people[who].person.tag, &family)
        }
    }

    fn revocation(&mut self, who: usize, id: SessionId) -> RevokeTokens {
        let tag = self.people[who].person.tag;
        let serial = self.some_family(who).map_or_else(|| self.dice.bytes(), |family| family.serial);
        let expires_at = self.dice.one_in(2).then(|| self.scene.now().plus_ms(301_000));
        let target = match self.dice.below(8) {
            0..2 => Target::Token { serial: self.dice.bytes(), expires_at },
            2..4 => Target::Family(serial),
            4 => Target::FamilyOf { serial, client_id: self.dice.pick(&["app".into(), "other".into()]) },
            5..7 => Target::Session(id),
            _ => Target::User,
        };
        RevokeTokens { tag, target, reason: "admin".into() }
    }

    /// What was granted without what the store need not count.
    pub(super) fn granted_alike(&self, granted: Granted) -> Box<Granted> {
        let session = granted.session.as_ref().map(|session| self.session_alike(session));
        Box::new(Granted { session, ..granted })
    }

    pub(super) async fn compare_denials(&self) {
        let now = self.scene.now();
        let mut answer = HashMap::new();
        for denial in self.scene.tokens.denials(now, DenialPlace::default()).await.expect("denials answers").denials {
            let held = answer.entry((denial.tag, denial.what)).or_insert(denial.until);
            *held = denial.until.max(*held);
        }
        let users = self.model.users.iter();
        let expected = users.flat_map(|(tag, user)| user.tokens.denied(now).map(|(what, until)| ((*tag, what), until)));
        self.same("the denials", &answer, &expected.collect());
    }
}
