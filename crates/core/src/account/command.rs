//! Commands on accounts, and their rules.

use super::{Account, Reset};
use crate::{
    event::EventType,
    id::{SessionId, UserTag},
    session::{EndReason, PackedSession, TokenDigest, command::RotateSession, transition::rotated},
    user::{Step, command::UserCommand},
};

/// Makes an account.
#[derive(Debug, Clone)]
pub struct Register {
    /// The user's tag.
    pub tag: UserTag,
    /// The account.
    pub account: Account,
}

/// How [`Register`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegisterOutcome {
    /// It was made.
    Registered,
    /// The address, or the user id, has an account already.
    AddressTaken,
}

impl UserCommand for Register {
    type Outcome = RegisterOutcome;

    fn tag(&self) -> UserTag {
        self.tag
    }

    fn needs_account(&self) -> bool {
        true
    }

    fn claims_address(&self) -> Option<&str> {
        Some(self.account.email.as_str())
    }

    fn apply(self, step: &mut Step<'_>) -> RegisterOutcome {
        if step.facts.address_taken || step.user.account.is_some() {
            return RegisterOutcome::AddressTaken;
        }
        step.user.user_id = Some(self.account.user_id.clone());
        step.user.account = Some(Box::new(self.account));
        step.fx.account_changed = true;
        step.fx.changed = true;
        step.note(EventType::UserRegistered);
        RegisterOutcome::Registered
    }
}

/// Replaces a password, ends the other sessions and gives the current one a new token, in one step.
#[derive(Debug, Clone)]
pub struct ChangePassword {
    /// The user's tag.
    pub tag: UserTag,
    /// The hash that the current password was verified against: a change in between wins.
    pub expected_hash: Box<str>,
    /// The new hash.
    pub new_hash: Box<str>,
    /// The session that stays, with its new token.
    pub current: Option<RotateSession>,
    /// Whether the other sessions end.
    pub revoke_others: bool,
}

/// How [`ChangePassword`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangePasswordOutcome {
    /// The password is replaced.
    Changed {
        /// The current session with its new token, if it was still there.
        session: Option<PackedSession>,
        /// Sessions that ended.
        revoked: u64,
    },
    /// Somebody changed it in between, or there is no account.
    Raced,
}

impl UserCommand for ChangePassword {
    type Outcome = ChangePasswordOutcome;

    fn tag(&self) -> UserTag {
        self.tag
    }

    fn needs_account(&self) -> bool {
        true
    }

    fn apply(self, step: &mut Step<'_>) -> ChangePasswordOutcome {
        let now = step.cx.now;
        match &mut step.user.account {
            Some(account) if account.password_hash == self.expected_hash => {
                account.replace_password(self.new_hash, now);
            }
            _ => return ChangePasswordOutcome::Raced,
        }
        step.fx.account_changed = true;
        step.fx.changed = true;
        let session = self.current.and_then(|rotate| rotate_current(step, rotate));
        let except: Vec<SessionId> = session.iter().map(PackedSession::id).collect();
        let revoked = if self.revoke_others { step.end_all(&except, EndReason::PasswordChanged) } else { 0 };
        step.note(EventType::UserPasswordChanged).count = Some(revoked);
        ChangePasswordOutcome::Changed { session, revoked }
    }
}

fn rotate_current(step: &mut Step<'_>, rotate: RotateSession) -> Option<PackedSession> {
    let position = step.user.position(rotate.id)?;
    let session = step.user.live[position].unpack();
    let packed = PackedSession::pack(&rotated(session, rotate, step.cx.now));
    step.put(packed.clone());
    step.note_session(EventType::SessionRotated, &packed);
    Some(packed)
}

/// Replaces a hash by a stronger one of the same password, after a login.
#[derive(Debug, Clone)]
pub struct ReplaceHash {
    /// The user's tag.
    pub tag: UserTag,
    /// Only if the hash is still this one.
    pub expected_hash: Box<str>,
    /// The new hash.
    pub new_hash: Box<str>,
}

/// How [`ReplaceHash`] ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplaceHashOutcome {
    /// It was replaced.
    Replaced,
    /// It had changed in between.
    Raced,
}

impl UserCommand for ReplaceHash {
    type Outcome = ReplaceHashOutcome;

    fn tag(&self) -> UserTag {
        self.tag
    }

    fn needs_account(&self) -> bool {
        true
    }

    fn apply(self, step: &mut Step<'_>) -> ReplaceHashOutcome {
        match &mut step.user.account {
            Some(account) if account.password_hash == self.expected_hash => {
                account.password_hash = self.new_hash;
                step.fx.account_changed = true;
                step.fx.changed = true;
                ReplaceHashOutcome::Replaced
            }
            _ => ReplaceHashOutcome::Raced,
        }
    }
}

/// Remembers a token for a forgotten password. One given out before serves nobody any more.
///
/// Atomic with what else changes the account. A repeat is another token in the place of this one.
#[derive(Debug, Clone)]
pub struct OpenReset {
    /// The user's tag.
    pub tag: UserTag,
    /// The token, and until when it is taken.
    pub reset: Reset,
}

/// How [`OpenReset`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenResetOutcome {
    /// It is remembered.
    Opened,
    /// The user has no account.
    NoAccount,
}

impl UserCommand for OpenReset {
    type Outcome = OpenResetOutcome;

    fn tag(&self) -> UserTag {
        self.tag
    }

    fn needs_account(&self) -> bool {
        true
    }

    fn apply(self, step: &mut Step<'_>) -> OpenResetOutcome {
        let Some(account) = &mut step.user.account else { return OpenResetOutcome::NoAccount };
        account.reset = Some(self.reset);
        step.fx.account_changed = true;
        step.fx.changed = true;
        step.note(EventType::UserResetIssued);
        OpenResetOutcome::Opened
    }
}

/// Uses a token for a forgotten password up: replaces the password and ends all sessions, in one step.
///
/// Of two that come with one token, one is too late. A repeat after a lost answer finds the token used.
#[derive(Debug, Clone)]
pub struct ResetPassword {
    /// The user's tag.
    pub tag: UserTag,
    /// The token.
    pub token: TokenDigest,
    /// The hash of the new password.
    pub new_hash: Box<str>,
}

/// How [`ResetPassword`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetPasswordOutcome {
    /// The password is replaced.
    Done {
        /// Sessions that ended.
        revoked: u64,
    },
    /// The token is unknown, used or expired, or was followed by a newer one.
    Invalid,
}

impl UserCommand for ResetPassword {
    type Outcome = ResetPasswordOutcome;

    fn tag(&self) -> UserTag {
        self.tag
    }

    fn needs_account(&self) -> bool {
        true
    }

    fn apply(self, step: &mut Step<'_>) -> ResetPasswordOutcome {
        let now = step.cx.now;
        match &mut step.user.account {
            Some(account) if account.takes_reset(&self.token, now) => account.replace_password(self.new_hash, now),
            _ => return ResetPasswordOutcome::Invalid,
        }
        step.fx.account_changed = true;
        step.fx.changed = true;
        let revoked = step.end_all(&[], EndReason::PasswordChanged);
        let event = step.note(EventType::UserPasswordChanged);
        event.reason = Some("reset".into());
        event.count = Some(revoked);
        ResetPasswordOutcome::Done { revoked }
    }
}
