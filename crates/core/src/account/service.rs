//! The account service: register, log in, change the password.
//!
//! Ending sessions, disabling and deleting are the session service's: they work for users without an account as well.

use super::{Account, AccountStore, Email, command::*};
use crate::{
    bounds,
    event::{Event, EventType, Observer, Origin},
    fault::Fault,
    id::{UserId, UserTag},
    password::{ContextWords, HashPool, Password, PasswordHash, PasswordPolicy, PasswordReason, PoolOutcome},
    session::{
        Session, Sessions,
        service::{
            Invalid, Issued,
            create::{Creation, NewSession},
        },
    },
    time::Clock,
    user::Context,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{fmt, sync::Arc};

/// Accounts with addresses and passwords, over a record and a session service.
pub struct Accounts {
    store: Arc<dyn AccountStore>,
    sessions: Arc<Sessions>,
    pool: HashPool,
    policy: PasswordPolicy,
    observer: Observer,
    clock: Clock,
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Accounts")
    }
}

/// A new account.
#[derive(Debug)]
pub struct NewAccount {
    /// Address.
    pub email: Email,
    /// Password.
    pub password: Password,
    /// Name to show.
    pub name: Option<Box<str>>,
}

/// How [`Accounts::register`] ended.
#[derive(Debug)]
pub enum Registration {
    /// The account was made; nobody is logged in by it.
    Registered(Account),
    /// The address has an account.
    AddressTaken,
    /// The password may not be used.
    Weak(Vec<PasswordReason>),
    /// An input was refused.
    Invalid(Invalid),
    /// The hashing pool is full.
    Overloaded,
}

/// Who wants to log in.
#[derive(Debug)]
pub struct Credentials {
    /// Address; `None` where what was given is none, which is refused like an unknown one, after the same work.
    pub email: Option<Email>,
    /// Password.
    pub password: Password,
}

/// How [`Accounts::login`] ended.
#[derive(Debug)]
pub enum Login {
    /// A session began.
    LoggedIn {
        /// The account.
        account: Account,
        /// The session with its secrets.
        issued: Box<Issued>,
    },
    /// Unknown address, wrong password or disabled user: told apart by nothing, in nearly the same time.
    Refused,
    /// The user has as many sessions as allowed and the policy is to refuse.
    LimitReached {
        /// The limit.
        limit: usize,
    },
    /// An input was refused.
    Invalid(Invalid),
    /// The hashing pool is full.
    Overloaded,
}

/// A change of password.
#[derive(Debug)]
pub struct PasswordChange {
    /// The password until now.
    pub current: Password,
    /// The new one.
    pub new: Password,
    /// Whether the user's other sessions end.
    pub revoke_others: bool,
}

/// How [`Accounts::change_password`] ended.
#[derive(Debug)]
pub enum PasswordChanged {
    /// It was changed.
    Done {
        /// The session that asked, with a new token; `None` where it ended meanwhile.
        issued: Option<Box<Issued>>,
        /// Sessions that ended.
        revoked: u64,
    },
    /// The current password is wrong, or was changed meanwhile.
    WrongPassword,
    /// The new password may not be used.
    Weak(Vec<PasswordReason>),
    /// The user has no account.
    NoAccount,
    /// The hashing pool is full.
    Overloaded,
}

/// What an account service is made of.
pub struct AccountParts {
    /// Where accounts are kept.
    pub store: Arc<dyn AccountStore>,
    /// The session service.
    pub sessions: Arc<Sessions>,
    /// Where passwords are hashed.
    pub pool: HashPool,
    /// Which passwords may be used.
    pub policy: PasswordPolicy,
}

macro_rules! done {
    ($outcome:expr, $overloaded:expr) => {
        match $outcome {
            PoolOutcome::Done(done) => done,
            PoolOutcome::Overloaded => return Ok($overloaded),
        }
    };
}

impl Accounts {
    /// A service.
    #[must_use]
    pub fn new(parts: AccountParts) -> Self {
        let AccountParts { store, sessions, pool, policy } = parts;
        let (observer, clock) = (sessions.observer().clone(), sessions.clock().clone());
        Self { store, sessions, pool, policy, observer, clock }
    }

    /// Makes an account. The password is judged, then hashed in the pool. One round trip.
    ///
    /// # Errors
    /// A fault of the record; after [`Fault::Timeout`] a repeat may find the address taken by itself.
    pub async fn register(&self, new: NewAccount, mut origin: Origin) -> Result<Registration, Fault> {
        if let Some(name) = &new.name
            && let Err(invalid) = crate::session::service::label("name", name, bounds::ACCOUNT_NAME_BYTES)
        {
            return Ok(Registration::Invalid(invalid));
        }
        let context = ContextWords::new([new.email.as_str(), new.name.as_deref().unwrap_or_default()]);
        let verdict = done!(self.pool.check(self.policy, &new.password, context).await, Registration::Overloaded);
        if !verdict.accepted {
            return Ok(Registration::Weak(verdict.reasons));
        }
        let hash = done!(self.pool.hash(&new.password).await, Registration::Overloaded);
        let now = self.clock.now();
        let account = Account {
            user_id: fresh_user_id(),
            email: new.email,
            name: new.name,
            password_hash: hash.as_str().into(),
            created_at: now,
            password_changed_at: now,
        };
        origin.actor = Some(account.user_id.as_str().into());
        let command = Register { tag: self.sessions.tag(&account.user_id), account: account.clone() };
        Ok(match self.store.register(Context { now, origin }, command).await? {
            RegisterOutcome::Registered => Registration::Registered(account),
            RegisterOutcome::AddressTaken => Registration::AddressTaken,
        })
    }

    /// Logs a user in: `new` says what the session is like besides the user. A read, a verification in the pool that costs
    /// the same for unknown users, and the creation of the session.
    ///
    /// # Errors
    /// A fault of the record or the store.
    pub async fn login(&self, credentials: Credentials, new: NewSession, mut origin: Origin) -> Result<Login, Fault> {
        let account = match credentials.email {
            Some(email) => self.store.by_email(email).await?,
            None => None,
        };
        let hash = account.as_ref().map(stored_hash).transpose()?;
        let verified = done!(self.pool.verify_or_burn(&credentials.password, hash.as_ref()).await, Login::Overloaded);
        let account = match account {
            Some(account) if verified.valid => account,
            known => {
                self.note_failure(known.as_ref(), "invalid_credentials", &origin);
                return Ok(Login::Refused);
            }
        };
        origin.actor = Some(account.user_id.as_str().into());
        let new = NewSession { user_id: Some(account.user_id.clone()), amr: vec!["pwd".into()], login: true, ..new };
        match self.sessions.create(new, origin.clone()).await? {
            Creation::Created(issued) => {
                if verified.needs_rehash {
                    self.strengthen(&account, &credentials.password, origin).await;
                }
                Ok(Login::LoggedIn { account, issued })
            }
            Creation::LimitReached { limit } => Ok(Login::LimitReached { limit }),
            Creation::Invalid(invalid) => Ok(Login::Invalid(invalid)),
            Creation::UserDisabled | Creation::ImpersonationNested => {
                self.note_failure(Some(&account), "user_disabled", &origin);
                Ok(Login::Refused)
            }
        }
    }

    /// The account of a user.
    ///
    /// # Errors
    /// A fault of the record.
    pub async fn of(&self, tag: UserTag) -> Result<Option<Account>, Fault> {
        self.store.by_tag(tag).await
    }

    /// Changes the password of the user of `session`, which gets a new token without overlap; others end if asked.
    ///
    /// # Errors
    /// A fault of the record; after [`Fault::Timeout`] the password may have changed.
    pub async fn change_password(
        &self,
        session: &Session,
        change: PasswordChange,
        origin: Origin,
    ) -> Result<PasswordChanged, Fault> {
        let tag = session.id.tag();
        let Some(account) = self.store.by_tag(tag).await? else { return Ok(PasswordChanged::NoAccount) };
        let hash = stored_hash(&account)?;
        if !done!(self.pool.verify(&change.current, &hash).await, PasswordChanged::Overloaded).valid {
            return Ok(PasswordChanged::WrongPassword);
        }
        let context = ContextWords::new([account.email.as_str(), account.name.as_deref().unwrap_or_default()]);
        let verdict = done!(self.pool.check(self.policy, &change.new, context).await, PasswordChanged::Overloaded);
        if !verdict.accepted {
            return Ok(PasswordChanged::Weak(verdict.reasons));
        }
        let new_hash = done!(self.pool.hash(&change.new).await, PasswordChanged::Overloaded);
        let (token, mut rotate) = self.sessions.rotation(session.id, None, None);
        rotate.overlap_ms = 0;
        let command = ChangePassword {
            tag,
            expected_hash: account.password_hash,
            new_hash: new_hash.as_str().into(),
            current: Some(rotate),
            revoke_others: change.revoke_others,
        };
        let cx = Context { now: self.clock.now(), origin };
        match self.store.change_password(cx, command).await? {
            ChangePasswordOutcome::Raced => Ok(PasswordChanged::WrongPassword),
            ChangePasswordOutcome::Changed { session, revoked } => {
                let issued = session.map(|session| self.sessions.issue(token, &session).map(Box::new)).transpose()?;
                Ok(PasswordChanged::Done { issued, revoked })
            }
        }
    }

    /// Replaces a hash that is weaker than those made today. Failing to do so fails no login: the next one tries again.
    async fn strengthen(&self, account: &Account, password: &Password, origin: Origin) {
        let PoolOutcome::Done(hash) = self.pool.hash(password).await else { return };
        let tag = self.sessions.tag(&account.user_id);
        let command = ReplaceHash { tag, expected_hash: account.password_hash.clone(), new_hash: hash.as_str().into() };
        if let Err(fault) = self.store.replace_hash(Context { now: self.clock.now(), origin }, command).await {
            tracing::warn!(class = fault.class(), "a weak password hash was not replaced");
        }
    }

    /// Notes a failed login. Without an account nobody's name is on it: what was typed there may be a password.
    fn note_failure(&self, account: Option<&Account>, reason: &str, origin: &Origin) {
        let mut event = Event::new(EventType::LoginFailed, self.clock.now(), origin).because(reason);
        if let Some(account) = account {
            event = event.of(self.sessions.tag(&account.user_id), Some(&account.user_id));
        }
        metrics::counter!("vestibule_logins_failed_total").increment(1);
        self.observer.note(event);
    }
}

fn stored_hash(account: &Account) -> Result<PasswordHash, Fault> {
    PasswordHash::parse(&account.password_hash).map_err(|_| Fault::Corrupt("a stored password hash cannot be read".into()))
}

fn fresh_user_id() -> UserId {
    let text = format!("usr_{}", URL_SAFE_NO_PAD.encode(crate::id::random::<12>()));
    UserId::new(text).expect("a prefix and base64url make a user id")
}
