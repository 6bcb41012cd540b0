//! Saying the password again: what asks for a recent proof of identity opens for the time of `sessions.step_up_max_age`.
//!
//! It is the first factor once more and never the second: a session without one stays without.

use super::{Accounts, guess::Proof};
use crate::{
    event::Origin,
    fault::Fault,
    password::Password,
    session::{
        Session,
        command::StepUp,
        service::{Issued, change::Changed},
    },
};
use std::time::Duration;

/// How [`Accounts::step_up`] ended.
#[derive(Debug)]
pub enum SteppedUp {
    /// The session has a new token and a fresh proof of identity.
    Done(Box<Issued>),
    /// The password is wrong.
    WrongPassword,
    /// Too many wrong passwords in this session or from this address.
    Throttled {
        /// When the next attempt may be made.
        retry_after: Duration,
    },
    /// The user has no account; whoever logs them in steps them up.
    NoAccount,
    /// The session ended meanwhile.
    Gone,
    /// The hashing pool is full.
    Overloaded,
}

impl Accounts {
    /// Asks the user of `session` for their password and notes the proof. A read, a verification in the pool, one command.
    ///
    /// # Errors
    /// A fault of the record or the store; after [`Fault::Timeout`] the token may have been replaced.
    pub async fn step_up(&self, session: &Session, password: &Password, origin: Origin) -> Result<SteppedUp, Fault> {
        match self.prove(session, password, &origin).await? {
            Proof::Right(_) => {}
            Proof::Wrong => return Ok(SteppedUp::WrongPassword),
            Proof::NoAccount => return Ok(SteppedUp::NoAccount),
            Proof::Throttled { retry_after } => return Ok(SteppedUp::Throttled { retry_after }),
            Proof::Overloaded => return Ok(SteppedUp::Overloaded),
        }
        let proof = StepUp { mfa: false, amr: vec!["pwd".into()] };
        Ok(match self.sessions.step_up(session.id, proof, None, origin).await? {
            Changed::Done(issued) => SteppedUp::Done(Box::new(issued)),
            // Without an expected revision nothing conflicts, and shares and impersonations do not come here.
            Changed::Gone | Changed::Conflict { .. } | Changed::Refused | Changed::Invalid(_) => SteppedUp::Gone,
        })
    }
}
