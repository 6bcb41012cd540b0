//! Commands on accounts, and their rules.

use super::{Account, Reset};
use crate::{
    device::TrustEnd,
    event::EventType,
    id::{SessionId, UserTag},
    session::{EndReason, PackedSession, TokenDigest, command::RotateSession, transition::rotated},
    token::FamilyEnd,
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
        let stays = session.as_ref().map(PackedSession::id);
        let revoked = if self.revoke_others { end_what_it_opened(step, stays) } else { 0 };
        step.end_trusts(TrustEnd::PasswordChanged, |_| true);
        step.note(EventType::UserPasswordChanged).count = Some(revoked);
        ChangePasswordOutcome::Changed { session, revoked }
    }
}

/// Ends what the password before has opened: sessions and families of tokens, but for the session that stays and its families.
/// Returns how many sessions ended.
fn end_what_it_opened(step: &mut Step<'_>, stays: Option<SessionId>) -> u64 {
    let revoked = step.end_all(stays.as_slice(), EndReason::PasswordChanged);
    step.end_families(FamilyEnd::Revoked, |family| family.session.is_none() || family.session != stays);
    revoked
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
        let revoked = end_what_it_opened(step, None);
        step.end_trusts(TrustEnd::PasswordChanged, |_| true);
        let event = step.note(EventType::UserPasswordChanged);
        event.reason = Some("reset".into());
        event.count = Some(revoked);
        ResetPasswordOutcome::Done { revoked }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        account::Email,
        event::Origin,
        id::UserId,
        time::Timestamp,
        token::Family,
        user::{Context, Facts, UserAggregate, command::apply},
    };

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn family(serial: u8, session: Option<SessionId>) -> Family {
        Family {
            serial: [serial; 12],
            session,
            client_id: None,
            device_id: None,
            audience: Vec::new(),
            scope: Vec::new(),
            roles: Vec::new(),
            permissions: Vec::new(),
            created_at: NOW,
            expires_at: NOW.plus_ms(1_000_000),
            idle_timeout_ms: 1_000_000,
            last_used_at: NOW,
            generation: 0,
            key_id: 0,
            advanced_at: NOW,
            access_until: NOW.plus_ms(1_000),
        }
    }

    /// A user with an account and three families: of no session, of a session, and of another.
    fn user(sessions: [SessionId; 2]) -> UserAggregate {
        let mut user = UserAggregate::new(sessions[0].tag());
        user.account = Some(Box::new(Account {
            user_id: UserId::new("ada").expect("a user id"),
            email: Email::new("ada@example.com").expect("an address"),
            name: None,
            password_hash: "before".into(),
            created_at: NOW,
            password_changed_at: NOW,
            reset: Some(Reset { digest: TokenDigest::from_bytes([1; 32]), expires_at: NOW.plus_ms(1) }),
        }));
        user.extras_mut().families = vec![family(1, None), family(2, Some(sessions[0])), family(3, Some(sessions[1]))];
        user
    }

    fn sessions() -> [SessionId; 2] {
        let tag = UserTag::anonymous();
        [SessionId::generate(tag), SessionId::generate(tag)]
    }

    // S14
    #[test]
    fn a_new_password_ends_the_families_of_all_but_the_session_that_stays() {
        let sessions = sessions();
        for (stays, left) in [(None, vec![]), (Some(sessions[0]), vec![[2; 12]])] {
            let mut user = user(sessions);
            let cx = Context { now: NOW, origin: Origin::default() };
            let mut step = Step { user: &mut user, cx: &cx, facts: Facts::default(), fx: crate::user::Effects::default() };
            assert_eq!(end_what_it_opened(&mut step, stays), 0);
            assert_eq!(step.fx.denied.len(), 3 - left.len(), "their access tokens are denied as well");
            let families = step.user.extras.as_ref().map_or(&[][..], |extras| &extras.families);
            assert_eq!(families.iter().map(|family| family.serial).collect::<Vec<_>>(), left);
        }
    }

    // S14, S87
    #[test]
    fn a_reset_leaves_no_family_and_no_second_use() {
        let sessions = sessions();
        let mut user = user(sessions);
        let cx = Context { now: NOW, origin: Origin::default() };
        let reset = ResetPassword { tag: user.tag, token: TokenDigest::from_bytes([1; 32]), new_hash: "after".into() };
        let (outcome, effects) = apply(reset.clone(), &mut user, &cx, Facts::default());
        assert_eq!(outcome, ResetPasswordOutcome::Done { revoked: 0 });
        assert!(effects.account_changed && user.extras.as_ref().is_none_or(|extras| extras.families.is_empty()));
        assert_eq!(apply(reset, &mut user, &cx, Facts::default()).0, ResetPasswordOutcome::Invalid);
    }
}
