//! Comparing a password that was said with an account's: throttled, in the pool, and told in events.

use super::{
    Account, Accounts, Email, KnownDeviceToken,
    throttle::{Admission, Attempt, AttemptEnd},
};
use crate::{
    event::{Event, EventType, Origin},
    fault::Fault,
    id::UserTag,
    password::{Password, PasswordHash, PoolOutcome, Verification},
    session::Session,
};
use std::{net::IpAddr, time::Duration};

/// How a comparison ended.
pub(super) enum Guess {
    /// It is the account's password.
    Right(Verification),
    /// It is not, or there is no account.
    Wrong,
    /// There were too many wrong ones; it was not looked at.
    Throttled {
        /// When the next attempt may be made.
        retry_after: Duration,
    },
    /// The hashing pool is full.
    Overloaded,
}

/// How the user of a session proved themselves again.
pub(super) enum Proof {
    /// By the password of this account.
    Right(Account),
    /// Not at all.
    Wrong,
    /// They have no account.
    NoAccount,
    /// There were too many wrong passwords.
    Throttled {
        /// When the next attempt may be made.
        retry_after: Duration,
    },
    /// The hashing pool is full.
    Overloaded,
}

impl Accounts {
    /// Compares a password with an account's. Without an account the work is the same.
    pub(super) async fn guess(
        &self,
        attempt: Attempt,
        password: &Password,
        account: Option<&Account>,
        origin: &Origin,
    ) -> Result<Guess, Fault> {
        let counted = match self.throttle.admit(attempt, self.clock.now()).await? {
            Admission::Allowed(counted) => counted,
            Admission::Throttled { retry_after } => {
                self.note_throttled(account, origin);
                return Ok(Guess::Throttled { retry_after });
            }
        };
        let hash = account.map(stored_hash).transpose()?;
        let (guess, end) = match self.pool.verify_or_burn(password, hash.as_ref()).await {
            PoolOutcome::Done(verified) if verified.valid => (Guess::Right(verified), AttemptEnd::Succeeded),
            PoolOutcome::Done(_) => {
                self.note_failure(account, "invalid_credentials", origin);
                return Ok(Guess::Wrong);
            }
            PoolOutcome::Overloaded => (Guess::Overloaded, AttemptEnd::Undecided),
        };
        self.throttle.settle(attempt, counted, end).await?;
        Ok(guess)
    }

    /// Asks the user of a session for their password again. Whoever found a session open has no more tries than at a login.
    pub(super) async fn prove(&self, session: &Session, password: &Password, origin: &Origin) -> Result<Proof, Fault> {
        let Some(account) = self.store.by_tag(session.id.tag()).await? else { return Ok(Proof::NoAccount) };
        let attempt = Attempt { subject: Some(self.subject(b"\0session", &session.id.to_bytes())), address: origin.ip };
        Ok(match self.guess(attempt, password, Some(&account), origin).await? {
            Guess::Right(_) => Proof::Right(account),
            Guess::Wrong => Proof::Wrong,
            Guess::Throttled { retry_after } => Proof::Throttled { retry_after },
            Guess::Overloaded => Proof::Overloaded,
        })
    }

    /// Whose failures a login at this address is counted with, whether it has an account or not.
    pub(super) fn login_subject(&self, email: &Email) -> [u8; 12] {
        self.subject(b"\0login", email.as_str().as_bytes())
    }

    /// What stands for somebody where failures are counted.
    pub(super) fn subject(&self, purpose: &[u8], name: &[u8]) -> [u8; 12] {
        self.sessions.deployment().pseudonym(purpose, name)
    }

    /// The subject of a device that the owner of this account has used; `None` for a stranger's.
    pub(super) fn device_subject(&self, token: Option<&str>, account: Option<&Account>) -> Option<[u8; 12]> {
        let (token, account) = (KnownDeviceToken::parse(self.sessions.ring(), token?)?, account?);
        let is_known = token.knows(account, self.sessions.tag(&account.user_id), self.clock.now());
        is_known.then(|| self.subject(b"\0device", token.digest().as_bytes()))
    }

    /// What a device keeps on which the user just proved themselves.
    pub(super) fn introduce_device(&self, tag: UserTag) -> KnownDeviceToken {
        KnownDeviceToken::issue(self.sessions.ring(), tag, self.clock.now())
    }

    /// Notes a failed login.
    pub(super) fn note_failure(&self, account: Option<&Account>, reason: &str, origin: &Origin) {
        metrics::counter!("vestibule_logins_failed_total").increment(1);
        self.observer.note(self.failure(account, reason, origin));
    }

    /// One event a minute for each account, and for each address where there is none: whoever is throttled may go on asking.
    fn note_throttled(&self, account: Option<&Account>, origin: &Origin) {
        metrics::counter!("vestibule_logins_throttled_total").increment(1);
        let mut key = [0; 16];
        match (account, origin.ip.map(|ip| ip.to_canonical())) {
            (Some(account), _) => key[..UserTag::LEN].copy_from_slice(self.sessions.tag(&account.user_id).as_bytes()),
            (None, Some(IpAddr::V4(ip))) => key = ip.to_ipv6_mapped().octets(),
            (None, Some(IpAddr::V6(ip))) => key = ip.octets(),
            (None, None) => {}
        }
        self.observer.note_once(u128::from_be_bytes(key), self.failure(account, "throttled", origin));
    }

    /// A failed login. Without an account nobody's name is on it: what was typed there may be a password.
    fn failure(&self, account: Option<&Account>, reason: &str, origin: &Origin) -> Event {
        let event = Event::new(EventType::LoginFailed, self.clock.now(), origin).because(reason);
        match account {
            Some(account) => event.of(self.sessions.tag(&account.user_id), Some(&account.user_id)),
            None => event,
        }
    }
}

fn stored_hash(account: &Account) -> Result<PasswordHash, Fault> {
    PasswordHash::parse(&account.password_hash).map_err(|_| Fault::Corrupt("a stored password hash cannot be read".into()))
}
