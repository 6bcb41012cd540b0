//! One transaction of the writer: load, decide in memory, write.

use super::{
    fault::Trouble,
    load::{self, Loaded},
    write,
};
use crate::decide::{Counters, Journal};
use rusqlite::Transaction;
use std::collections::HashMap;
use vestibule_core::{
    event::Event,
    fault::Fault,
    id::UserTag,
    record::{Decided, Request},
    session::command::Touch,
    user::Facts,
};

/// What a call brings.
pub(super) enum Input {
    Decide(Vec<Request>),
    Touch(Vec<Touch>),
    Append(Vec<Event>),
}

/// What a call gets.
pub(super) enum Output {
    /// A fault is this call's alone: one of its users cannot be read.
    Decided(Result<Vec<Decided>, Fault>),
    Done,
}

/// What came of a batch.
pub(super) struct Done {
    /// One for each input, in order.
    pub(super) outputs: Vec<Output>,
    /// Whether there are new marks.
    pub(super) marks: bool,
}

/// Who and what a batch is about.
#[derive(Default)]
pub(super) struct Wanted {
    /// Users, and whether their account is needed.
    pub(super) users: HashMap<UserTag, bool>,
    /// Addresses that somebody wants to claim.
    pub(super) addresses: Vec<String>,
}

impl Wanted {
    fn of(inputs: &[Input]) -> Self {
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

/// Runs a batch. An error means that nothing of it may be committed.
pub(super) fn run(
    transaction: &Transaction<'_>,
    counters: &mut Counters,
    inputs: Vec<Input>,
    idle_slack_ms: u64,
) -> Result<Done, Trouble> {
    let mut loaded = load::batch(transaction, &Wanted::of(&inputs))?;
    let mut journal = Journal::default();
    let mut outputs = Vec::with_capacity(inputs.len());
    for input in inputs {
        outputs.push(match input {
            Input::Decide(requests) => Output::Decided(decide(&mut loaded, requests, idle_slack_ms, counters, &mut journal)),
            Input::Touch(touches) => {
                touches.iter().for_each(|touch| apply_touch(&mut loaded, touch));
                Output::Done
            }
            Input::Append(events) => {
                journal.events.extend(events);
                Output::Done
            }
        });
    }
    let marks = loaded.held.iter().any(|held| !held.marks.is_empty());
    write::batch(transaction, counters, loaded.held, journal)?;
    Ok(Done { outputs, marks })
}

/// A user who cannot be read is told with the next command; the uses of the others must not suffer.
fn apply_touch(loaded: &mut Loaded, touch: &Touch) {
    if let Some(held) = loaded.get_mut(touch.id.tag()) {
        held.touch(touch);
    }
}

fn decide(
    loaded: &mut Loaded,
    requests: Vec<Request>,
    idle_slack_ms: u64,
    counters: &mut Counters,
    journal: &mut Journal,
) -> Result<Vec<Decided>, Fault> {
    if requests.iter().any(|request| loaded.damaged.contains(&request.command.tag())) {
        return Err(Trouble::Unreadable("a user or a session").into_fault());
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
