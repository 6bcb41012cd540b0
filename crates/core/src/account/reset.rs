//! A forgotten password: a token that the backend sends to its user, and a new password for it.
//!
//! We send no mail. `POST /auth/reset` with an address leaves an event; the backend that hears it fetches a token
//! ([`Accounts::open_reset`]) and sends it. Nothing else ever holds the token, the event least of all.

use super::{
    Account, Accounts, Email,
    command::{OpenReset, OpenResetOutcome, ResetPassword, ResetPasswordOutcome},
    service::Judged,
    throttle::{Attempt, AttemptEnd, CountedIn, LocalThrottle},
};
use crate::{
    bounds,
    event::{Event, EventType, Origin},
    fault::Fault,
    id::UserId,
    password::{Password, PasswordReason},
    session::{TokenDigest, token::Kind, token::Token},
    time::{Timestamp, millis},
    user::Context,
};
use std::time::Duration;

/// Marks tokens for forgotten passwords.
pub struct ResetKind;

impl Kind for ResetKind {
    const PREFIX: &'static str = "vp_";
}

/// A single-use secret that replaces a forgotten password. It logs nobody in.
pub type ResetToken = Token<ResetKind>;

/// What an account remembers of the token that was given out last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reset {
    /// SHA-256 of the token.
    pub digest: TokenDigest,
    /// When it is no longer taken.
    pub expires_at: Timestamp,
}

/// How [`Accounts::open_reset`] ended.
#[derive(Debug)]
pub enum ResetOpened {
    /// The token, shown once.
    Done {
        /// The token.
        token: ResetToken,
        /// When it is no longer taken.
        expires_at: Timestamp,
    },
    /// The user has no account.
    NoAccount,
}

/// How [`Accounts::reset_password`] ended.
#[derive(Debug)]
pub enum PasswordReset {
    /// The password is replaced.
    Done {
        /// Sessions that ended.
        revoked: u64,
    },
    /// The token is garbage, unknown, used or expired, or was followed by a newer one.
    Invalid,
    /// The new password may not be used; the token still may.
    Weak(Vec<PasswordReason>),
    /// The hashing pool is full.
    Overloaded,
}

impl Account {
    /// Whether this token may replace the password.
    #[must_use]
    pub fn takes_reset(&self, token: &TokenDigest, now: Timestamp) -> bool {
        self.reset.is_some_and(|reset| now < reset.expires_at && token.matches(reset.digest.as_bytes()))
    }

    /// A new password, and with it the end of a token that may be under way.
    pub(super) fn replace_password(&mut self, hash: Box<str>, now: Timestamp) {
        self.password_hash = hash;
        self.password_changed_at = now;
        self.reset = None;
    }
}

/// The account whose request is to be noted. The address pays first, whatever it asks for. Of accounts only those that exist are
/// counted: made-up ones cost whoever makes them up nothing, so they would fill the memory and drive out the counts that matter.
async fn admitted(
    resets: &LocalThrottle,
    attempt: Attempt,
    now: Timestamp,
    find: impl Future<Output = Result<Option<Account>, Fault>>,
) -> Result<Option<Account>, Fault> {
    let is_allowed = |attempt| resets.admit_at(&attempt, now).is_allowed();
    if !is_allowed(Attempt { subject: None, ..attempt }) {
        return Ok(None);
    }
    let account = find.await?;
    Ok(account.filter(|_| is_allowed(Attempt { address: None, ..attempt })))
}

impl Accounts {
    /// Notes that somebody asked for a new password. One read whether there is such an account or not, and nothing in the
    /// answer tells which. Requests beyond a few are not noted: each may become a mail. An address that has asked too often costs no
    /// read either.
    ///
    /// # Errors
    /// A fault of the record.
    pub async fn request_reset(&self, email: Option<Email>, origin: Origin) -> Result<(), Fault> {
        let Some(email) = email else { return Ok(()) };
        let now = self.clock.now();
        let attempt = Attempt { subject: Some(self.subject(b"\0reset", email.as_str().as_bytes())), address: origin.ip };
        if let Some(account) = admitted(&self.resets, attempt, now, self.store.by_email(email)).await? {
            let event = Event::new(EventType::UserResetRequested, now, &origin);
            self.observer.note(event.of(self.sessions.tag(&account.user_id), Some(&account.user_id)));
        }
        Ok(())
    }

    /// Makes a token for a forgotten password, for `ttl` but no longer than [`bounds::RESET_TTL`]. One round trip.
    ///
    /// # Errors
    /// A fault of the record.
    pub async fn open_reset(&self, user: &UserId, ttl: Option<Duration>, origin: Origin) -> Result<ResetOpened, Fault> {
        let (tag, now) = (self.sessions.tag(user), self.clock.now());
        let token = ResetToken::mint(self.sessions.ring(), tag);
        let expires_at = now.plus_ms(millis(ttl.unwrap_or(bounds::RESET_TTL).min(bounds::RESET_TTL)));
        let command = OpenReset { tag, reset: Reset { digest: token.digest(), expires_at } };
        Ok(match self.store.open_reset(Context { now, origin }, command).await? {
            OpenResetOutcome::Opened => ResetOpened::Done { token, expires_at },
            OpenResetOutcome::NoAccount => ResetOpened::NoAccount,
        })
    }

    /// Replaces a forgotten password and ends all sessions of the user. Garbage reaches no store, and a token that is not
    /// taken costs no hash. One read and one command; whoever logs in afterwards still needs their second factor.
    ///
    /// # Errors
    /// A fault of the record; after [`Fault::Timeout`] the password may be replaced and the token used.
    pub async fn reset_password(&self, token: &str, new: Password, mut origin: Origin) -> Result<PasswordReset, Fault> {
        let Some(token) = ResetToken::parse(self.sessions.ring(), token) else { return Ok(PasswordReset::Invalid) };
        let (tag, digest) = (token.tag(), token.digest());
        let account = match self.store.by_tag(tag).await? {
            Some(account) if account.takes_reset(&digest, self.clock.now()) => account,
            _ => return Ok(PasswordReset::Invalid),
        };
        let new_hash = match self.judge_and_hash(&account, &new).await {
            Judged::Hashed(hash) => hash,
            Judged::Weak(reasons) => return Ok(PasswordReset::Weak(reasons)),
            Judged::Overloaded => return Ok(PasswordReset::Overloaded),
        };
        origin.actor = Some(account.user_id.as_str().into());
        let command = ResetPassword { tag, token: digest, new_hash };
        let cx = Context { now: self.clock.now(), origin };
        match self.store.reset_password(cx, command).await? {
            ResetPasswordOutcome::Done { revoked } => {
                // Whatever was guessed so far was about another password, and the owner is about to log in.
                let guesses = Attempt { subject: Some(self.login_subject(&account.email)), address: None };
                self.throttle.settle(guesses, CountedIn::Nothing, AttemptEnd::Succeeded).await?;
                Ok(PasswordReset::Done { revoked })
            }
            ResetPasswordOutcome::Invalid => Ok(PasswordReset::Invalid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::throttle::Budgets, *};
    use std::net::IpAddr;

    const START: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn ada() -> Account {
        Account {
            user_id: UserId::new("ada").expect("an id"),
            email: Email::new("ada@example.com").expect("an address"),
            name: None,
            password_hash: "".into(),
            created_at: START,
            password_changed_at: START,
            reset: None,
        }
    }

    fn of(subject: u8, address: u8) -> Attempt {
        Attempt { subject: Some([subject; 12]), address: Some(IpAddr::from([203, 0, 113, address])) }
    }

    async fn is_noted(resets: &LocalThrottle, attempt: Attempt, found: Option<Account>) -> bool {
        admitted(resets, attempt, START, async { Ok(found) }).await.expect("no fault").is_some()
    }

    #[tokio::test]
    async fn names_that_nobody_has_fill_no_memory() {
        let resets = LocalThrottle::new(Budgets::RESETS);
        for subject in 0..50 {
            assert!(!is_noted(&resets, of(subject, 1), None).await);
        }
        assert_eq!(resets.len(), 1, "the address alone");
        assert!(
            is_noted(&resets, of(7, 2), Some(ada())).await,
            "what was asked for in vain is not counted against whoever comes"
        );
        assert_eq!(resets.len(), 3);
    }

    #[tokio::test]
    async fn an_account_is_asked_for_three_times_whatever_the_address() {
        let resets = LocalThrottle::new(Budgets::RESETS);
        let mut noted = 0;
        for address in 0..50 {
            noted += usize::from(is_noted(&resets, of(1, address), Some(ada())).await);
        }
        assert_eq!(noted, 3);
    }

    #[tokio::test]
    async fn an_address_that_asked_too_often_costs_no_read() {
        let resets = LocalThrottle::new(Budgets::RESETS);
        for subject in 0..60 {
            assert!(is_noted(&resets, of(subject, 1), Some(ada())).await);
        }
        let find = async { panic!("there is nothing to find") };
        assert_eq!(admitted(&resets, of(61, 1), START, find).await, Ok(None));
    }
}
