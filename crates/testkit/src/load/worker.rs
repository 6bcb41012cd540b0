//! One caller with sessions of its own.

use super::{
    Rule, Shared,
    ledger::{Answer, Changed, Fate, Held, Verdict},
    lock,
};
use crate::{
    bounds::{ANSWER, LOAD_HELD, LOAD_PER_SECOND, LOAD_WORKERS},
    process::{Connection, Request, Response, delete, post, wait_for},
};
use serde_json::{Value, json};
use std::{
    io::Result,
    sync::Arc,
    time::{Duration, Instant},
};

/// Work that waited longer than this is left out instead of caught up with.
const BEHIND: Duration = Duration::from_millis(500);

pub(super) struct Worker {
    number: usize,
    shared: Arc<Shared>,
    /// One to each server, opened when it is needed.
    connections: Vec<Option<Connection>>,
    held: Vec<Held>,
    step: u64,
}

impl Worker {
    pub(super) fn new(number: usize, shared: Arc<Shared>) -> Self {
        let connections = shared.places.iter().map(|_| None).collect();
        Self { number, shared, connections, held: Vec::new(), step: 0 }
    }

    /// Works at its share of the rate until told to stop, then reads everything back.
    pub(super) fn run(mut self) {
        let interval = Duration::from_secs(LOAD_WORKERS as u64) / LOAD_PER_SECOND;
        let mut next = Instant::now();
        loop {
            let rule = *lock(&self.shared.rule);
            if rule.stop {
                break;
            }
            self.held.retain(|held| held.era == rule.era);
            self.step(rule);
            self.step += 1;
            next = (next + interval).max(Instant::now().checked_sub(BEHIND).unwrap_or(next));
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
        self.read_back();
    }

    /// Of ten steps one begins a session, one ends one, one rotates, one patches, one asks for an ended session and five for a
    /// live one.
    fn step(&mut self, rule: Rule) {
        let live = self.choose(Fate::Live);
        match (self.step % 10, live) {
            (0, _) | (_, None) => self.create(rule),
            (3, Some(live)) => self.end(self.choose(Fate::Unknown).unwrap_or(live)),
            (5, Some(live)) => self.rotate(live),
            (7, Some(live)) => self.patch(live),
            (8, Some(live)) => {
                self.validate(self.choose(Fate::Ended).unwrap_or(live), self.server());
            }
            (_, Some(live)) => {
                self.validate(live, self.server());
            }
        }
    }

    /// By turns one server and the next, so that all kinds of steps meet all of them.
    fn server(&self) -> usize {
        (self.step / 10 + self.step) as usize % self.connections.len()
    }

    /// One of the sessions of this fate, another one each time.
    fn choose(&self, fate: Fate) -> Option<usize> {
        let of_fate = || self.held.iter().enumerate().filter(move |(_, held)| held.fate == fate);
        let count = of_fate().count();
        of_fate().nth((self.step.wrapping_mul(7) as usize).checked_rem(count)?).map(|(index, _)| index)
    }

    fn create(&mut self, rule: Rule) {
        if self.held.len() >= LOAD_HELD {
            self.held.remove(0);
        }
        // Three sessions a user: far below the cap, and enough for an end of all to end several.
        let user = format!("load-{}-{}", self.number, self.step / 30);
        let server = self.server();
        let body = json!({"user_id": user, "data": {"n": 0}});
        let Some(created) = self.ask(server, post("/v1/sessions").json(&body), &[201]) else { return };
        let body = created.json();
        let (id, token) = (text(&body["session"]["id"]), text(&body["token"]));
        let changed = Changed { at: Instant::now(), server };
        self.held.push(Held { user, id, token, fate: Fate::Live, data: Some(0), changed, era: rule.era });
    }

    /// Ends a session by its id, or all of its user.
    fn end(&mut self, chosen: usize) {
        let server = self.server();
        let Held { user, id, .. } = self.held[chosen].clone();
        let all = self.step.is_multiple_of(20);
        let request = match all {
            true => delete(&format!("/v1/users/{user}/sessions")),
            false => delete(&format!("/v1/sessions/{id}")),
        };
        let ended = self.ask(server, request, &[200, 204]).is_some();
        let changed = Changed { at: Instant::now(), server };
        for held in self.held.iter_mut().filter(|held| held.id == id || all && held.user == user) {
            // An end that was acknowledged stands, whatever became of a later one.
            if held.fate != Fate::Ended {
                held.fate = if ended { Fate::Ended } else { Fate::Unknown };
                held.changed = changed;
            }
        }
    }

    fn rotate(&mut self, chosen: usize) {
        let server = self.server();
        let rotated = self.on_live(chosen, server, post(&format!("/v1/sessions/{}/rotate", self.held[chosen].id)));
        let Some(held) = self.held.get_mut(chosen) else { return };
        held.changed = Changed { at: Instant::now(), server };
        match rotated {
            Some(answer) => held.token = text(&answer.json()["token"]),
            None => held.fate = Fate::Unknown,
        }
    }

    fn patch(&mut self, chosen: usize) {
        let server = self.server();
        let number = self.step;
        let target = format!("/v1/sessions/{}/data", self.held[chosen].id);
        let patched = self.on_live(chosen, server, Request::new("PATCH", &target).json(&json!({"n": number})));
        let Some(held) = self.held.get_mut(chosen) else { return };
        held.changed = Changed { at: Instant::now(), server };
        held.data = patched.and(held.data).map(|_| number);
    }

    /// Changes a live session; "there is no such session" is a refusal of it.
    fn on_live(&mut self, chosen: usize, server: usize, request: Request) -> Option<Response> {
        let asked = Instant::now();
        let answer = self.ask(server, request, &[200, 404])?;
        if answer.status == 200 {
            return Some(answer);
        }
        self.judge(chosen, Answer::Refused, server, asked);
        None
    }

    /// `None` where the server has no answer.
    fn validate(&mut self, chosen: usize, server: usize) -> Option<()> {
        let asked = Instant::now();
        let request = post("/v1/sessions/validate").json(&json!({"token": self.held[chosen].token}));
        let answer = self.ask(server, request, &[200, 401])?;
        let body = answer.json();
        let said = match answer.status {
            200 if body["session"]["id"] == self.held[chosen].id.as_str() => {
                Answer::Valid(body["session"]["data"]["n"].as_u64())
            }
            200 => Answer::Another,
            _ => Answer::Refused,
        };
        self.judge(chosen, said, server, asked);
        Some(())
    }

    fn judge(&mut self, chosen: usize, said: Answer, server: usize, asked: Instant) {
        let held = &self.held[chosen];
        let rule = *lock(&self.shared.rule);
        match held.judge(said, server, asked) {
            Verdict::Kept => {}
            Verdict::Unseen(age) => {
                let mut figures = lock(&self.shared.figures);
                figures.unseen = figures.unseen.max(age);
            }
            Verdict::Broken(_) if rule.may_lose || held.era != rule.era => {
                lock(&self.shared.figures).lost += 1;
                self.held[chosen].fate = Fate::Unknown;
            }
            Verdict::Broken(what) => {
                let age = asked.saturating_duration_since(held.changed.at);
                let changed = held.changed.server;
                let text = format!("{what} by server {server}: {said:?}, last changed {age:?} ago through {changed}: {held:?}");
                self.fail(text);
                self.held[chosen].fate = Fate::Unknown;
            }
        }
    }

    /// Every promise is looked at once more when all is calm.
    fn read_back(&mut self) {
        for server in 0..self.connections.len() {
            for chosen in 0..self.held.len() {
                if wait_for(ANSWER, || self.validate(chosen, server)).is_none() {
                    return self.fail(format!("server {server} does not answer again"));
                }
            }
        }
    }

    /// Sends a request. `None` where the server says: come again. Anything but that and what is expected is a failure.
    fn ask(&mut self, server: usize, request: Request, expected: &[u16]) -> Option<Response> {
        let asked = Instant::now();
        let answer = match self.exchange(server, request) {
            Ok(answer) => answer,
            Err(error) => {
                self.fail(format!("server {server} gave no answer: {error}"));
                return None;
            }
        };
        let is_good = expected.contains(&answer.status);
        {
            let mut figures = lock(&self.shared.figures);
            figures.requests += 1;
            figures.slowest = figures.slowest.max(asked.elapsed());
            figures.unavailable += u64::from(answer.status == 503);
        }
        let come_again = answer.status == 503 && answer.header("retry-after").is_some();
        if !is_good && !come_again {
            self.fail(format!("server {server} answered {}: {}", answer.status, answer.text()));
        }
        is_good.then_some(answer)
    }

    /// Over a connection that is kept.
    fn exchange(&mut self, server: usize, request: Request) -> Result<Response> {
        let place = &self.shared.places[server];
        let mut connection = match self.connections[server].take() {
            Some(connection) => connection,
            None => Connection::open(&place.address)?,
        };
        let answer = connection.send(&request.bearer(&place.key))?;
        self.connections[server] = Some(connection);
        Ok(answer)
    }

    fn fail(&self, text: String) {
        lock(&self.shared.figures).failures.push(text);
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
