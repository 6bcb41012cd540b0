//! Rate limits: how often something may happen, by whom, and what repeated excess costs.
//!
//! A [`Rule`] says how often. A [`Demand`] asks whether one thing may happen now under one rule for one key. All demands of one request
//! are decided together by [`decide`]: either every rule allows and every count is raised, or nothing is consumed. [`Limiter`] is what
//! applications call: it knows the rules, remembers keys that are denied, and answers by each rule's policy while the store cannot.
//!
//! What is counted lives in the state (memory or Redis) and never in the record: a count that outlives a crash would cost an fsync a
//! request and buys nothing, since losing it only forgives.
//!
//! A key that one node asks for all the time is leased: see `lease.rs` for how many units a node takes ahead, and why nobody gets more
//! for it than the rule allows.
//!
//! Arithmetic is on whole numbers of milliseconds, without rounding: counts are kept in fractions of a unit that make the rate exact.
//! What is told is rounded against the caller: `remaining` down, waiting times up.
//!
//! Deliberately absent: clocks (the store's server keeps the time), HTTP, and configuration files.

mod address;
mod answer;
pub mod bounds;
mod challenge;
mod decide;
mod denied;
mod endpoint;
mod fallback;
mod key;
mod known;
mod lease;
mod listed;
mod penalty;
mod port;
mod puzzle;
mod refill;
mod rule;
mod rules;
mod service;
mod tally;
mod throttle;
mod wait;

pub use address::{AddressPrefixes, Addresses};
pub use answer::{Checked, Outcome, Said, Taken};
pub use challenge::{Challenge, ChallengeVerifier, Solution, SolveError, Solved, VerifierAnswer, VerifierFault};
pub use decide::{Decision, Demand, Standing, Usage, Verdict, decide, give_back, look, pardon};
pub use denied::TopKey;
pub use endpoint::normalised_path;
pub use key::{KeyError, LimitKey};
pub use listed::Listed;
pub use penalty::{Penalty, Strikes};
pub use port::{LimitStore, Matched, Refund, ResetPattern};
pub use puzzle::{Puzzle, solution_of};
pub use rule::{Algorithm, Counted, Level, OnStoreFailure, Rate, Rule, RuleError, RuleOptions, StoredRule};
pub use rules::{Ruled, Rules, is_at};
pub use service::{Ask, AskError, Limiter, LimiterParts, Requester};
pub use tally::Tally;
pub use throttle::LimitThrottle;
