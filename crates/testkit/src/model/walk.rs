//! Random commands against a store and the model.

mod compare;
mod token;

use super::Model;
use crate::{
    bounds::WALK_COMMANDS,
    conformance::{Harness, Person, Scene},
};
use vestibule_core::{
    device::{DeviceId, Presented, Refusal, command::*},
    fault::Fault,
    id::{SessionId, UserId, UserTag},
    session::{
        Actor, CapPolicy, Device, EndReason, Session, SessionKind, TokenDigest,
        command::{
            AmendSession, Cap, CreateSession, EndSessions, ExpireUser, Filter, Limits, OpenHandoff, RedeemHandoff,
            RotateSession, Selection, SetData, ShareSession, StepUp, Touch,
        },
    },
    time::Timestamp,
    user::{
        Context,
        command::{Command, DeleteUser, DisableUser, EnableUser, Outcome},
    },
};

const HOUR: u64 = 3_600_000;
/// Time between two commands. More than stores remember a negative answer for, and an even part of an overlap.
const STEP: u64 = 2_000;
/// Commands before the hour is turned, so that no command comes near a deadline: those are all at half past.
const STEPS_IN_HOUR: u64 = 300;
/// People of a walk: few, so that their sessions meet.
const PEOPLE: usize = 4;
/// Tokens, codes and ids of each person that the walk goes on using, newest last.
const KEPT: usize = 12;

/// A random walk. The seed alone decides what happens.
#[derive(Debug, Clone, Copy)]
pub struct Walk {
    /// Printed by every walk; `VESTIBULE_TEST_SEED` repeats one.
    pub seed: u64,
    /// How many commands; `VESTIBULE_TEST_COMMANDS` in the environment.
    pub commands: usize,
    /// Whether the store counts every use. One that hears of uses in batches may count several as one.
    pub counts_uses: bool,
}

impl Walk {
    /// A walk as the environment wants it, else with a fresh seed and [`WALK_COMMANDS`].
    ///
    /// # Panics
    /// Where a variable is no number.
    #[must_use]
    pub fn from_env() -> Self {
        let number = |name: &str| {
            let text = std::env::var(name).ok()?;
            Some(text.parse::<u64>().unwrap_or_else(|_| panic!("{name} should be a number")))
        };
        let fresh = || u64::from_le_bytes(vestibule_core::id::random());
        Self {
            seed: number("VESTIBULE_TEST_SEED").unwrap_or_else(fresh),
            commands: number("VESTIBULE_TEST_COMMANDS").map_or(WALK_COMMANDS, |count| count as usize),
            counts_uses: true,
        }
    }

    /// Sends the commands to the store and the model.
    ///
    /// # Panics
    /// At the first difference, with the seed, the last commands and both answers.
    pub async fn compare(self, store: Harness) {
        println!("VESTIBULE_TEST_SEED={} VESTIBULE_TEST_COMMANDS={}", self.seed, self.commands);
        let scene = Scene::new(store);
        // From a full hour on, so that deadlines keep their distance.
        scene.advance(HOUR - scene.now().millis() % HOUR);
        let mut dice = Dice(self.seed);
        let people = (0..PEOPLE).map(|number| Known::new(&mut dice, number)).collect();
        let mut walker = Walker { walk: self, dice, scene, model: Model::default(), people, recent: Vec::new(), in_hour: 0 };
        for step in 0..self.commands {
            walker.step(step).await;
        }
        walker.compare_all().await;
    }
}

/// SplitMix64: enough for choices, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound as u64) as usize
    }

    fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.roll() as u8)
    }

    fn digest(&mut self) -> TokenDigest {
        TokenDigest::from_bytes(self.bytes())
    }
}

/// What a walk remembers of a person, valid or not.
struct Known {
    person: Person,
    sessions: Vec<SessionId>,
    /// Digests of current and of earlier tokens.
    digests: Vec<TokenDigest>,
    codes: Vec<TokenDigest>,
    /// Devices that were trusted once, with the digests of their tokens.
    devices: Vec<(DeviceId, TokenDigest)>,
    /// Serials of token families.
    families: Vec<[u8; 12]>,
}

impl Known {
    fn new(dice: &mut Dice, number: usize) -> Self {
        let id = UserId::new(format!("user-{number}")).expect("a valid id");
        let person = Person { tag: UserTag::from_bytes(dice.bytes()), id };
        Self { person, sessions: Vec::new(), digests: Vec::new(), codes: Vec::new(), devices: Vec::new(), families: Vec::new() }
    }

    fn remember(&mut self, id: SessionId, digest: TokenDigest) {
        keep(&mut self.sessions, id);
        keep(&mut self.digests, digest);
    }
}

fn keep<T>(list: &mut Vec<T>, item: T) {
    list.push(item);
    let surplus = list.len().saturating_sub(KEPT);
    list.drain(..surplus);
}

struct Walker {
    walk: Walk,
    dice: Dice,
    scene: Scene,
    model: Model,
    people: Vec<Known>,
    recent: Vec<String>,
    in_hour: u64,
}

impl Walker {
    async fn step(&mut self, step: usize) {
        self.move_time();
        let who = self.dice.below(PEOPLE);
        if self.dice.one_in(5) {
            self.touch(who).await;
        } else {
            let command = self.command(who);
            self.run(step, who, command).await;
        }
        self.compare_reads(who).await;
        if step.is_multiple_of(50) {
            self.compare_all().await;
        }
    }

    fn move_time(&mut self) {
        self.in_hour += 1;
        if self.in_hour < STEPS_IN_HOUR && !self.dice.one_in(60) {
            return self.scene.advance(STEP);
        }
        let hours = 1 + self.dice.below(3) as u64;
        self.in_hour = 0;
        self.scene.advance(hours * HOUR - self.scene.now().millis() % HOUR);
    }

    /// A valid session of a person, mostly; else one that may have ended, or that never was.
    fn some_session(&mut self, who: usize) -> SessionId {
        let tag = self.people[who].person.tag;
        let valid = self.model.list(tag, self.scene.now());
        if !valid.is_empty() && !self.dice.one_in(4) {
            return self.dice.pick(&valid).id();
        }
        if self.people[who].sessions.is_empty() || self.dice.one_in(10) {
            return SessionId::from_parts(tag, self.dice.bytes());
        }
        self.dice.pick(&self.people[who].sessions)
    }

    /// The newest code half of the time, else one of those before.
    fn some_code(&mut self, who: usize) -> TokenDigest {
        match self.people[who].codes.last() {
            None => self.dice.digest(),
            Some(newest) if self.dice.one_in(2) => *newest,
            Some(_) => self.dice.pick(&self.people[who].codes),
        }
    }

    fn revision_of(&self, id: SessionId) -> u32 {
        let user = self.model.users.get(&id.tag());
        let session = user.and_then(|user| user.sessions.iter().find(|session| session.id == id));
        session.map_or(1, |session| session.revision)
    }

    fn expected(&mut self, id: SessionId) -> u32 {
        let revision = self.revision_of(id);
        if self.dice.one_in(3) { revision.saturating_sub(1) } else { revision }
    }

    fn cap(&mut self) -> Cap {
        let policy = if self.dice.one_in(2) { CapPolicy::Deny } else { CapPolicy::EvictOldest };
        Cap { limit: 2 + self.dice.below(8), policy }
    }

    /// Half past some hour: no command comes near it.
    fn deadline(&mut self) -> Timestamp {
        let hours = self.dice.below(12) as u64;
        let now = self.scene.now().millis();
        Timestamp::from_millis(now - now % HOUR + hours * HOUR + HOUR / 2)
    }

    fn idle_timeout_ms(&mut self) -> u64 {
        self.dice.below(8) as u64 * HOUR + HOUR / 2
    }

    fn session(&mut self, who: usize) -> Session {
        let (person, actor) = (self.people[who].person.clone(), self.people[(who + 1) % PEOPLE].person.id.clone());
        let mut session = self.scene.session(&person);
        session.id = SessionId::from_parts(person.tag, self.dice.bytes());
        session.digest = self.dice.digest();
        session.expires_at = self.deadline();
        session.idle_timeout_ms = self.idle_timeout_ms();
        session.ip = Some([192, 0, 2, self.dice.below(2) as u8].into());
        session.device = self.device();
        if self.dice.one_in(6) {
            session.kind = SessionKind::Impersonation;
            session.actor = Some(Actor { user_id: actor, session_id: None });
        } else if self.dice.one_in(8) {
            session.kind = SessionKind::Anonymous;
            session.user_id = None;
        }
        session
    }

    fn device(&mut self) -> Device {
        let id = self.dice.pick(&[None, Some("phone".into()), Some("laptop".into())]);
        Device { id, fingerprint: self.dice.pick(&[None, None, Some("a".into()), Some("b".into())]), ..Device::default() }
    }

    /// A device that was trusted once; else one that nobody knows.
    fn some_device(&mut self, who: usize) -> (DeviceId, TokenDigest) {
        match self.people[who].devices.is_empty() || self.dice.one_in(10) {
            true => (DeviceId::from_parts(self.people[who].person.tag, self.dice.bytes()), self.dice.digest()),
            false => self.dice.pick(&self.people[who].devices),
        }
    }

    fn presented(&mut self, who: usize) -> Option<Presented> {
        match self.dice.below(6) {
            0 => Some(Presented::Refused(Refusal::OtherUser)),
            1 | 2 => Some(Presented::Authentic(self.some_device(who).1)),
            _ => None,
        }
    }

    fn trust(&mut self, who: usize) -> TrustDevice {
        let person = self.people[who].person.clone();
        let id = DeviceId::from_parts(person.tag, self.dice.bytes());
        let digest = self.dice.digest();
        keep(&mut self.people[who].devices, (id, digest));
        let session = self.dice.one_in(3).then(|| self.some_session(who));
        let replaces = self.dice.one_in(4).then(|| self.some_device(who).1);
        let (label, expires_at) = (self.device(), self.deadline());
        TrustDevice { id, user_id: person.id, digest, label, expires_at, session, replaces }
    }

    fn on_device(&mut self, who: usize) -> Command {
        let (id, digest) = self.some_device(who);
        let selection = if self.dice.one_in(4) { TrustSelection::All } else { TrustSelection::One(id) };
        match self.dice.below(4) {
            0 => RenameDevice { id, name: "new".into() }.into(),
            1 => RevokeTrust { tag: id.tag(), selection }.into(),
            _ => CheckDevice { tag: id.tag(), digest }.into(),
        }
    }

    fn command(&mut self, who: usize) -> Command {
        let tag = self.people[who].person.tag;
        let id = self.some_session(who);
        if self.dice.one_in(5) {
            return self.token_command(who, id);
        }
        match self.dice.below(120) {
            0..25 => {
                let (session, cap) = (self.session(who), self.cap());
                self.people[who].remember(session.id, session.digest);
                let device = self.presented(who);
                let (login, is_new_browser) = (self.dice.one_in(2), self.dice.one_in(4));
                CreateSession { session, cap, login, device, is_new_browser }.into()
            }
            25..33 => self.share(who, id).into(),
            33..40 => {
                let digest = self.dice.digest();
                keep(&mut self.people[who].codes, digest);
                OpenHandoff { id, digest, expires_at: self.scene.now().plus_ms(60_000) }.into()
            }
            40..51 => self.redemption(who).into(),
            51..60 => SetData { id, expected: self.expected(id), data: vec![self.dice.roll() as u8; 24].into() }.into(),
            60..70 => self.amendment(id).into(),
            70..82 => self.rotation(who, id).into(),
            82..93 => self.ending(who, id).into(),
            93..95 => ExpireUser { tag }.into(),
            95..96 => DisableUser { tag, user_id: self.people[who].person.id.clone() }.into(),
            96..99 => EnableUser { tag }.into(),
            99 => DeleteUser { tag }.into(),
            100..108 => self.trust(who).into(),
            _ => self.on_device(who),
        }
    }

    fn share(&mut self, who: usize, parent: SessionId) -> ShareSession {
        let (serial, digest) = (self.dice.bytes(), self.dice.digest());
        self.people[who].remember(SessionId::from_parts(parent.tag(), serial), digest);
        let expires_at = self.deadline();
        ShareSession { parent, serial, digest, scope: vec!["read".into()], label: None, expires_at }
    }

    fn redemption(&mut self, who: usize) -> RedeemHandoff {
        let (serial, digest) = (self.dice.bytes(), self.dice.digest());
        let (tag, code) = (self.people[who].person.tag, self.some_code(who));
        self.people[who].remember(SessionId::from_parts(tag, serial), digest);
        let (cap, reuse_revokes) = (self.cap(), self.dice.one_in(2));
        RedeemHandoff { tag, code, serial, digest, ip: None, user_agent: Some("tv/1".into()), cap, reuse_revokes }
    }

    fn amendment(&mut self, id: SessionId) -> AmendSession {
        let limits = Limits { idle_timeout_ms: self.idle_timeout_ms(), expires_at: self.deadline() };
        AmendSession {
            id,
            expected: self.dice.one_in(2).then(|| self.expected(id)),
            roles: self.dice.one_in(2).then(|| vec!["admin".into()]),
            profile: self.dice.one_in(4).then(|| "kiosk".into()),
            limits: self.dice.one_in(2).then_some(limits),
            extends: self.dice.one_in(2),
        }
    }

    fn rotation(&mut self, who: usize, id: SessionId) -> RotateSession {
        let digest = self.dice.digest();
        keep(&mut self.people[who].digests, digest);
        let proof = StepUp { mfa: self.dice.one_in(2), amr: vec![self.dice.pick(&["otp".into(), "hwk".into()])] };
        RotateSession {
            id,
            expected: self.dice.one_in(2).then(|| self.expected(id)),
            nonce: self.dice.bytes(),
            digest,
            overlap_ms: self.dice.pick(&[0, 5_000, 30_000]),
            step_up: self.dice.one_in(3).then_some(proof),
        }
    }

    fn ending(&mut self, who: usize, id: SessionId) -> EndSessions {
        let tag = self.people[who].person.tag;
        let reason = self.dice.pick(&[EndReason::Logout, EndReason::Revoked, EndReason::PasswordChanged]);
        let filter = Filter {
            device_id: self.dice.pick(&[None, Some("phone".into())]),
            ip: self.dice.pick(&[None, Some([192, 0, 2, 1].into())]),
            created_before: self.dice.pick(&[None, Some(self.scene.now().minus_ms(HOUR))]),
            except: self.dice.pick(&[Vec::new(), vec![id]]),
        };
        let other = self.some_session(who);
        let selection = match self.dice.below(8) {
            0 => Selection::All { except: Vec::new() },
            1 => Selection::All { except: vec![id, other] },
            2 => Selection::Matching(filter),
            _ => Selection::One(id),
        };
        EndSessions { tag, selection, reason }
    }

    async fn touch(&mut self, who: usize) {
        let id = self.some_session(who);
        let late = self.dice.one_in(6);
        // Never the time of another use: a store takes the same use of the same thing for one that it heard of twice.
        let at = if late { self.scene.now().minus_ms(STEP + 1) } else { self.scene.now() };
        let activity = self.dice.one_in(2).then(|| format!("/page/{}", self.dice.below(9)).into());
        let touch = Touch { id, at, idle_timeout_ms: self.idle_timeout_ms(), activity };
        self.note(&touch);
        let expected = self.model.touch(&touch);
        let answer = self.scene.sessions.touch(touch).await;
        self.same("touch", &answer, &Ok(expected));
    }

    async fn run(&mut self, step: usize, who: usize, command: Command) {
        let now = self.scene.now();
        self.note(&(step, now, &command));
        let cx = Context { now, origin: vestibule_core::event::Origin::default() };
        let answer = send(&self.scene, cx, command.clone()).await;
        let expected = self.model.decide(command, now).expect("the walk sends no commands of accounts");
        let (answer, expected) = (answer.map(|outcome| self.alike(outcome)), self.alike(expected));
        self.same("the outcome", &answer, &Ok(expected));
        self.compare_events(who, now).await;
    }

    fn note(&mut self, what: &impl std::fmt::Debug) {
        keep(&mut self.recent, format!("{what:?}"));
    }

    fn same<T: PartialEq + std::fmt::Debug>(&self, what: &str, answer: &T, expected: &T) {
        if answer != expected {
            let (seed, recent) = (self.walk.seed, self.recent.join("\n"));
            panic!(
                "a difference in {what} at {}; VESTIBULE_TEST_SEED={seed}\n{recent}\nstore: {answer:#?}\nmodel: {expected:#?}",
                self.scene.now()
            );
        }
    }
}

/// Sends a command to the method of its name.
async fn send(stores: &Harness, cx: Context, command: Command) -> Result<Outcome, Fault> {
    let Harness { sessions: store, devices, tokens, .. } = stores;
    Ok(match command {
        Command::CreateSession(command) => store.create(cx, *command).await?.into(),
        Command::ShareSession(command) => store.share(cx, *command).await?.into(),
        Command::OpenHandoff(command) => store.open_handoff(cx, *command).await?.into(),
        Command::RedeemHandoff(command) => store.redeem(cx, *command).await?.into(),
        Command::SetData(command) => store.set_data(cx, *command).await?.into(),
        Command::AmendSession(command) => store.amend(cx, *command).await?.into(),
        Command::RotateSession(command) => store.rotate(cx, *command).await?.into(),
        Command::EndSessions(command) => store.end(cx, *command).await?.into(),
        Command::ExpireUser(command) => store.expire(cx, *command).await?.into(),
        Command::DisableUser(command) => store.disable_user(cx, *command).await?.into(),
        Command::EnableUser(command) => store.enable_user(cx, *command).await?.into(),
        Command::DeleteUser(command) => store.delete_user(cx, *command).await?.into(),
        Command::IssueFamily(command) => tokens.issue(cx, *command).await?.into(),
        Command::Refresh(command) => tokens.refresh(cx, *command).await?.into(),
        Command::RevokeTokens(command) => tokens.revoke(cx, *command).await?.into(),
        Command::TrustDevice(command) => devices.trust(cx, *command).await?.into(),
        Command::CheckDevice(command) => devices.check(cx, *command).await?.into(),
        Command::RenameDevice(command) => devices.rename(cx, *command).await?.into(),
        Command::RevokeTrust(command) => devices.revoke_trust(cx, *command).await?.into(),
        other => panic!("no session store answers {other:?}"),
    })
}
