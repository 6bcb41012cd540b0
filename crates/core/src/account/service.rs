//! The account service: register, log in, change the password.
//!
//! Ending sessions, disabling and deleting are the session service's: they work for users without an account as well.

use super::{
    Account, AccountStore, Email, KnownDeviceToken,
    command::*,
    guess::{Guess, Proof},
    throttle::{Attempt, Budgets, LocalThrottle, LoginThrottle},
};
use crate::{
    bounds,
    event::{Observer, Origin},
    fault::Fault,
    id::{UserId, UserTag},
    password::{ContextWords, HashPool, Password, PasswordPolicy, PasswordReason, PoolOutcome},
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
use std::{fmt, sync::Arc, time::Duration};

/// Accounts with addresses and passwords, over a record and a session service.
pub struct Accounts {
    pub(super) store: Arc<dyn AccountStore>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) pool: HashPool,
    policy: PasswordPolicy,
    pub(super) throttle: Arc<dyn LoginThrottle>,
    /// Requests for a new password: see [`Accounts::request_reset`].
    pub(super) resets: LocalThrottle,
    pub(super) observer: Observer,
    pub(super) clock: Clock,
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
    /// What the device kept of an earlier login, good or not: see [`super::known_device`].
    pub known_device: Option<String>,
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
        /// What the device keeps, so that it counts as known at the next login.
        known_device: KnownDeviceToken,
    },
    /// Too many failures, of this address or for what was typed as the account's. The password was not looked at.
    Throttled {
        /// When the next attempt may be made.
        retry_after: Duration,
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
        /// What the device keeps: no device of before is known any more.
        known_device: KnownDeviceToken,
        /// Sessions that ended.
        revoked: u64,
    },
    /// Too many wrong passwords in this session or from this address.
    Throttled {
        /// When the next attempt may be made.
        retry_after: Duration,
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
    /// How often somebody may be wrong.
    pub throttle: Arc<dyn LoginThrottle>,
}

/// A new password, once it was judged.
pub(super) enum Judged {
    /// It may be used; this is kept of it.
    Hashed(Box<str>),
    /// It may not.
    Weak(Vec<PasswordReason>),
    /// The hashing pool is full.
    Overloaded,
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
        let AccountParts { store, sessions, pool, policy, throttle } = parts;
        let (observer, clock) = (sessions.observer().clone(), sessions.clock().clone());
        let resets = LocalThrottle::new(Budgets::RESETS);
        Self { store, sessions, pool, policy, throttle, resets, observer, clock }
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
            reset: None,
        };
        origin.actor = Some(account.user_id.as_str().into());
        let command = Register { tag: self.sessions.tag(&account.user_id), account: account.clone() };
        Ok(match self.store.register(Context { now, origin }, command).await? {
            RegisterOutcome::Registered => Registration::Registered(account),
            RegisterOutcome::AddressTaken => Registration::AddressTaken,
        })
    }

    /// Logs a user in: `new` says what the session is like besides the user. A read, the throttle, a verification in the pool that
    /// costs the same for unknown users, and the creation of the session.
    ///
    /// # Errors
    /// A fault of the record or the store.
    pub async fn login(&self, credentials: Credentials, new: NewSession, mut origin: Origin) -> Result<Login, Fault> {
        let typed = credentials.email.as_ref().map(|email| self.login_subject(email));
        let account = match credentials.email {
            Some(email) => self.store.by_email(email).await?,
            None => None,
        };
        let known = self.device_subject(credentials.known_device.as_deref(), account.as_ref());
        let attempt = Attempt { subject: known.or(typed), address: origin.ip };
        let verified = match self.guess(attempt, &credentials.password, account.as_ref(), &origin).await? {
            Guess::Right(verified) => verified,
            Guess::Wrong => return Ok(Login::Refused),
            Guess::Throttled { retry_after } => return Ok(Login::Throttled { retry_after }),
            Guess::Overloaded => return Ok(Login::Overloaded),
        };
        let Some(account) = account else { return Ok(Login::Refused) };
        origin.actor = Some(account.user_id.as_str().into());
        let tag = self.sessions.tag(&account.user_id);
        // Whatever became of the password since: the device is the same.
        let was_here = credentials.known_device.as_deref().and_then(|text| KnownDeviceToken::parse(self.sessions.ring(), text));
        let new = NewSession {
            user_id: Some(account.user_id.clone()),
            amr: vec!["pwd".into()],
            login: true,
            is_new_browser: was_here.is_none_or(|token| token.tag() != tag),
            ..new
        };
        match self.sessions.create(new, origin.clone()).await? {
            Creation::Created(issued) => {
                if verified.needs_rehash {
                    self.strengthen(&account, &credentials.password, origin).await;
                }
                let known_device = self.introduce_device(issued.info.session.id.tag());
                Ok(Login::LoggedIn { account, issued, known_device })
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
        let account = match self.prove(session, &change.current, &origin).await? {
            Proof::Right(account) => account,
            Proof::Wrong => return Ok(PasswordChanged::WrongPassword),
            Proof::NoAccount => return Ok(PasswordChanged::NoAccount),
            Proof::Throttled { retry_after } => return Ok(PasswordChanged::Throttled { retry_after }),
            Proof::Overloaded => return Ok(PasswordChanged::Overloaded),
        };
        let new_hash = match self.judge_and_hash(&account, &change.new).await {
            Judged::Hashed(hash) => hash,
            Judged::Weak(reasons) => return Ok(PasswordChanged::Weak(reasons)),
            Judged::Overloaded => return Ok(PasswordChanged::Overloaded),
        };
        let (token, mut rotate) = self.sessions.rotation(session.id, None, None);
        rotate.overlap_ms = 0;
        let command = ChangePassword {
            tag,
            expected_hash: account.password_hash,
            new_hash,
            current: Some(rotate),
            revoke_others: change.revoke_others,
        };
        let cx = Context { now: self.clock.now(), origin };
        match self.store.change_password(cx, command).await? {
            ChangePasswordOutcome::Raced => Ok(PasswordChanged::WrongPassword),
            ChangePasswordOutcome::Changed { session, revoked } => {
                let issued = session.map(|session| self.sessions.issue(token, &session).map(Box::new)).transpose()?;
                Ok(PasswordChanged::Done { issued, known_device: self.introduce_device(tag), revoked })
            }
        }
    }

    /// Judges a new password for an account and hashes it.
    pub(super) async fn judge_and_hash(&self, account: &Account, new: &Password) -> Judged {
        let context = ContextWords::new([account.email.as_str(), account.name.as_deref().unwrap_or_default()]);
        match self.pool.check(self.policy, new, context).await {
            PoolOutcome::Done(verdict) if verdict.accepted => {}
            PoolOutcome::Done(verdict) => return Judged::Weak(verdict.reasons),
            PoolOutcome::Overloaded => return Judged::Overloaded,
        }
        match self.pool.hash(new).await {
            PoolOutcome::Done(hash) => Judged::Hashed(hash.as_str().into()),
            PoolOutcome::Overloaded => Judged::Overloaded,
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
}

pub(super) fn fresh_user_id() -> UserId {
    let text = format!("usr_{}", URL_SAFE_NO_PAD.encode(crate::id::random::<12>()));
    UserId::new(text).expect("a prefix and base64url make a user id")
}
