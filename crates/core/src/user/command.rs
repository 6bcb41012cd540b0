//! Every command that changes a user, in one list.
//!
//! A command is plain data. [`Command`] and [`Outcome`] carry any of them through a queue, so that a record can decide many
//! in one transaction; the typed methods of the ports wrap and unwrap them.

use super::{Context, Effects, Facts, Step, UserAggregate};
use crate::{
    account::command as account, device::command as device, id::UserTag, session::command as session, token::command as token,
};

/// A command on one user's aggregate.
pub trait UserCommand: Into<Command> + Send + 'static {
    /// What its rule can decide.
    type Outcome: TryFrom<Outcome> + Into<Outcome> + Send + 'static;

    /// The user whom it is about.
    fn tag(&self) -> UserTag;

    /// The rule: changes the aggregate and notes the effects. Pure but for fresh event ids.
    fn apply(self, step: &mut Step<'_>) -> Self::Outcome;

    /// Whether [`UserAggregate::account`] must be loaded for it.
    fn needs_account(&self) -> bool {
        false
    }

    /// The address that it wants to claim, if it does; the store answers in [`Facts::address_taken`].
    fn claims_address(&self) -> Option<&str> {
        None
    }
}

/// Applies a command: expiry first, then its rule, then the revision.
pub fn apply<C: UserCommand>(command: C, user: &mut UserAggregate, cx: &Context, facts: Facts) -> (C::Outcome, Effects) {
    let mut step = Step { user, cx, facts, fx: Effects::default() };
    step.expire();
    let outcome = command.apply(&mut step);
    step.end_orphaned_families();
    let fx = step.fx;
    user.drop_empty_extras();
    if fx.changed {
        user.revision += 1;
    }
    (outcome, fx)
}

macro_rules! commands {
    ($($name:ident($command:ty) -> $outcome:ty,)+) => {
        /// Any command.
        #[derive(Debug, Clone)]
        #[allow(missing_docs, reason = "each variant wraps the command of the same name")]
        pub enum Command {
            $($name(Box<$command>),)+
        }

        /// What any command decided.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(missing_docs, reason = "each variant wraps the outcome of the same name")]
        pub enum Outcome {
            $($name($outcome),)+
        }

        impl Command {
            /// The user whom it is about.
            #[must_use]
            pub fn tag(&self) -> UserTag {
                match self {
                    $(Self::$name(command) => command.tag(),)+
                }
            }

            /// See [`UserCommand::needs_account`].
            #[must_use]
            pub fn needs_account(&self) -> bool {
                match self {
                    $(Self::$name(command) => command.needs_account(),)+
                }
            }

            /// See [`UserCommand::claims_address`].
            #[must_use]
            pub fn claims_address(&self) -> Option<&str> {
                match self {
                    $(Self::$name(command) => command.claims_address(),)+
                }
            }

            /// See [`apply`].
            pub fn apply(self, user: &mut UserAggregate, cx: &Context, facts: Facts) -> (Outcome, Effects) {
                match self {
                    $(Self::$name(command) => {
                        let (outcome, effects) = apply(*command, user, cx, facts);
                        (Outcome::$name(outcome), effects)
                    })+
                }
            }
        }

        $(
            impl From<$command> for Command {
                fn from(command: $command) -> Self {
                    Self::$name(Box::new(command))
                }
            }

            impl From<$outcome> for Outcome {
                fn from(outcome: $outcome) -> Self {
                    Self::$name(outcome)
                }
            }

            impl TryFrom<Outcome> for $outcome {
                type Error = Outcome;

                fn try_from(outcome: Outcome) -> Result<Self, Outcome> {
                    match outcome {
                        Outcome::$name(outcome) => Ok(outcome),
                        other => Err(other),
                    }
                }
            }
        )+
    };
}

commands! {
    CreateSession(session::CreateSession) -> session::CreateOutcome,
    ShareSession(session::ShareSession) -> session::ShareOutcome,
    OpenHandoff(session::OpenHandoff) -> session::HandoffOutcome,
    RedeemHandoff(session::RedeemHandoff) -> session::RedeemOutcome,
    SetData(session::SetData) -> session::SetDataOutcome,
    AmendSession(session::AmendSession) -> session::AmendOutcome,
    RotateSession(session::RotateSession) -> session::RotateOutcome,
    EndSessions(session::EndSessions) -> session::EndOutcome,
    ExpireUser(session::ExpireUser) -> session::ExpireOutcome,
    DisableUser(DisableUser) -> DisableOutcome,
    EnableUser(EnableUser) -> EnableOutcome,
    DeleteUser(DeleteUser) -> DeleteOutcome,
    TrustDevice(device::TrustDevice) -> device::TrustOutcome,
    CheckDevice(device::CheckDevice) -> device::CheckOutcome,
    RenameDevice(device::RenameDevice) -> device::RenameOutcome,
    RevokeTrust(device::RevokeTrust) -> device::RevokeTrustOutcome,
    Register(account::Register) -> account::RegisterOutcome,
    ChangePassword(account::ChangePassword) -> account::ChangePasswordOutcome,
    ReplaceHash(account::ReplaceHash) -> account::ReplaceHashOutcome,
    IssueFamily(token::IssueFamily) -> token::IssueOutcome,
    Refresh(token::Refresh) -> token::RefreshOutcome,
    RevokeTokens(token::RevokeTokens) -> token::RevokeOutcome,
    OpenReset(account::OpenReset) -> account::OpenResetOutcome,
    ResetPassword(account::ResetPassword) -> account::ResetPasswordOutcome,
}

/// Ends all sessions of a user and refuses new ones until [`EnableUser`].
#[derive(Debug, Clone)]
pub struct DisableUser {
    /// The user.
    pub tag: UserTag,
    /// Their id; they need no account, nor any session so far.
    pub user_id: crate::id::UserId,
}

/// How [`DisableUser`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisableOutcome {
    /// Sessions that it ended; none where the user was disabled already.
    pub revoked: u64,
}

/// Lets a user have sessions again. Revives none.
#[derive(Debug, Clone)]
pub struct EnableUser {
    /// The user.
    pub tag: UserTag,
}

/// How [`EnableUser`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnableOutcome {
    /// Whether the user was disabled before.
    pub was_disabled: bool,
}

/// Ends all sessions of a user and erases account and history. Events stay for their retention.
#[derive(Debug, Clone)]
pub struct DeleteUser {
    /// The user.
    pub tag: UserTag,
}

/// How [`DeleteUser`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteOutcome {
    /// Sessions that it ended.
    pub revoked: u64,
    /// Whether there was an account.
    pub had_account: bool,
}
