//! One transaction of a writer between loading and writing: what it is about, and the commands applied in order.
//!
//! Knows nothing of a database: each record loads into [`Loaded`], calls [`decide`], and writes what came of it.

use crate::decide::{Counters, Held, Journal};
use std::collections::{HashMap, HashSet};
use tokio::sync::oneshot;
use vestibule_core::{
    event::Event,
    fault::Fault,
    id::UserTag,
    record::{Decided, Request},
    session::command::Touch,
    user::Facts,
};

/// What a call brings.
#[derive(Debug, Clone)]
pub(crate) enum Input {
    Decide(Vec<Request>),
    Touch(Vec<Touch>),
    Append(Vec<Event>),
}

impl Input {
    /// How much of a batch it fills.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Decide(requests) => requests.len(),
            Self::Touch(touches) => touches.len(),
            Self::Append(events) => events.len(),
        }
    }
}

/// What a call gets.
#[derive(Debug)]
pub(crate) enum Output {
    /// A fault is this call's alone: one of its users cannot be read.
    Decided(Result<Vec<Decided>, Fault>),
    Done,
}

pub(crate) type Reply<T> = oneshot::Sender<Result<T, Fault>>;

/// Where the output of a call goes.
#[derive(Debug)]
pub(crate) enum ReplyTo {
    Decide(Reply<Vec<Decided>>),
    Done(Reply<()>),
}

impl ReplyTo {
    /// Nobody may be waiting any more; what was decided stands nevertheless.
    pub(crate) fn send(self, output: Result<Output, Fault>) {
        let _ = match self {
            Self::Decide(reply) => reply
                .send(output.and_then(|output| match output {
                    Output::Decided(decided) => decided,
                    Output::Done => Err(Fault::Corrupt("the writer answered another call".into())),
                }))
                .is_ok(),
            Self::Done(reply) => reply.send(output.map(|_| ())).is_ok(),
        };
    }
}

/// Who and what a batch is about.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// Users, and whether their account is needed.
    pub(crate) users: HashMap<UserTag, bool>,
    /// Addresses that somebody wants to claim.
    pub(crate) addresses: Vec<String>,
}

impl Wanted {
    pub(crate) fn of(inputs: &[Input]) -> Self {
        let mut wanted = Self::default();
        for input in inputs {
            match input {
                Input::Decide(requests) => requests.iter().for_each(|request| wanted.note(request)),
                Input::Touch(touches) => {
                    for touch in touches {
                        wanted.users.entry(touch.id.tag()).or_default();
                    }
                }
                Input::Append(_) => {}
            }
        }
        wanted
    }

    fn note(&mut self, request: &Request) {
        *self.users.entry(request.command.tag()).or_default() |= request.command.needs_account();
        self.addresses.extend(request.command.claims_address().map(str::to_owned));
    }
}

/// The users of a batch.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// Each user once.
    pub(crate) held: Vec<Held>,
    places: HashMap<UserTag, usize>,
    /// Users with a row that cannot be read: calls that are about them get this fault, the others go on.
    damaged: HashMap<UserTag, Fault>,
    /// Addresses, among those that somebody wants to claim, that have an account.
    pub(crate) taken: HashSet<String>,
}

impl Loaded {
    pub(crate) fn add(&mut self, held: Held) {
        self.places.insert(held.user.tag, self.held.len());
        self.held.push(held);
    }

    pub(crate) fn get_mut(&mut self, tag: UserTag) -> Option<&mut Held> {
        self.places.get(&tag).map(|place| &mut self.held[*place])
    }

    pub(crate) fn note_damage(&mut self, tag: UserTag, fault: Fault) {
        self.damaged.insert(tag, fault);
    }

    /// Adds users of whom nothing is stored, and takes the damaged ones out of reach.
    pub(crate) fn complete(&mut self, wanted: &Wanted) {
        for tag in wanted.users.keys() {
            if !self.places.contains_key(tag) && !self.damaged.contains_key(tag) {
                self.add(Held::new(*tag));
            }
        }
        for tag in self.damaged.keys() {
            self.places.remove(tag);
        }
    }
}

/// Applies the inputs in order. One output for each.
pub(crate) fn decide(
    loaded: &mut Loaded,
    inputs: Vec<Input>,
    idle_slack_ms: u64,
    counters: &mut Counters,
) -> (Vec<Output>, Journal) {
    let mut journal = Journal::default();
    let mut apply = |input| match input {
        Input::Decide(requests) => Output::Decided(decide_call(loaded, requests, idle_slack_ms, counters, &mut journal)),
        Input::Touch(touches) => {
            touches.iter().for_each(|touch| apply_touch(loaded, touch));
            Output::Done
        }
        Input::Append(events) => {
            journal.events.extend(events);
            Output::Done
        }
    };
    let outputs = inputs.into_iter().map(&mut apply).collect();
    (outputs, journal)
}

/// A user who cannot be read is told with the next command; the uses of the others must not suffer.
fn apply_touch(loaded: &mut Loaded, touch: &Touch) {
    if let Some(held) = loaded.get_mut(touch.id.tag()) {
        held.touch(touch);
    }
}

fn decide_call(
    loaded: &mut Loaded,
    requests: Vec<Request>,
    idle_slack_ms: u64,
    counters: &mut Counters,
    journal: &mut Journal,
) -> Result<Vec<Decided>, Fault> {
    if let Some(fault) = requests.iter().find_map(|request| loaded.damaged.get(&request.command.tag())) {
        return Err(fault.clone());
    }
    let mut decided = Vec::with_capacity(requests.len());
    for request in requests {
        let address_taken = request.command.claims_address().is_some_and(|address| loaded.taken.contains(address));
        let facts = Facts { idle_slack_ms, address_taken };
        let Some(held) = loaded.get_mut(request.command.tag()) else {
            return Err(Fault::Corrupt("a user of the batch was not loaded".into()));
        };
        let before = held.address();
        decided.push(held.apply(request, facts, counters, journal));
        let after = held.address();
        if before != after {
            before.iter().for_each(|address| {
                loaded.taken.remove(address);
            });
            loaded.taken.extend(after);
        }
    }
    Ok(decided)
}
