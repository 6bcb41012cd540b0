//! Accounts of another system: taken over with their password hashes, so that nobody has to choose a new password.
//!
//! What is weak about a hash is not kept: it is wrapped before it is stored ([`HashPool::wrap`]). The first login with the right
//! password replaces it by a plain hash of today.
//!
//! [`HashPool::wrap`]: crate::password::HashPool::wrap

use super::{
    Account, Accounts, Email,
    command::{Register, RegisterOutcome},
    service::fresh_user_id,
};
use crate::{
    bounds,
    event::Origin,
    fault::Fault,
    id::UserId,
    password::{HashFormatError, PasswordHash, PoolOutcome},
    session::service::{Invalid, label},
    user::Context,
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};

/// An account of another system, as that one wrote it.
#[derive(Clone)]
pub struct ForeignAccount {
    /// Address.
    pub email: Box<str>,
    /// The password's hash, in any of the formats that [`PasswordHash::parse`] reads.
    pub password_hash: Box<str>,
    /// Name to show.
    pub name: Option<Box<str>>,
    /// The id by which sessions and the application know the user; without one the user gets a new one.
    pub user_id: Option<Box<str>>,
}

impl std::fmt::Debug for ForeignAccount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ForeignAccount(redacted)")
    }
}

/// What became of a [`ForeignAccount`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AccountImport {
    /// It is an account here.
    Imported(UserId),
    /// The address, or the user, has an account, which stays as it is.
    Known,
    /// An input was refused.
    Invalid(Invalid),
    /// There was no memory to wrap the hash. A repeat may do it.
    Overloaded,
}

/// What is wrong with a [`ForeignAccount`] can be told before anything is done with it.
struct Checked {
    email: Email,
    hash: PasswordHash,
    name: Option<Box<str>>,
    user_id: Option<UserId>,
}

impl ForeignAccount {
    /// Says what is wrong with it. Costs no hash.
    ///
    /// # Errors
    /// The first field that is refused.
    pub fn check(&self) -> Result<(), Invalid> {
        Checked::read(self.clone()).map(drop)
    }
}

impl Checked {
    fn read(foreign: ForeignAccount) -> Result<Self, Invalid> {
        let email = Email::new(&foreign.email).map_err(|error| Invalid::new("email", error.0))?;
        let hash = PasswordHash::parse(&foreign.password_hash);
        let hash = hash.map_err(|error| Invalid::new("password_hash", reason(error)))?;
        if let Some(name) = &foreign.name {
            label("name", name, bounds::ACCOUNT_NAME_BYTES)?;
        }
        let user_id = foreign.user_id.map(|id| UserId::new(&*id)).transpose();
        let user_id = user_id.map_err(|error| Invalid::new("user_id", error.0))?;
        Ok(Self { email, hash, name: foreign.name, user_id })
    }
}

fn reason(error: HashFormatError) -> &'static str {
    match error {
        HashFormatError::TooLong => "longer than a password hash is",
        HashFormatError::UnknownFormat => "no known format of a password hash",
        HashFormatError::Malformed => "malformed",
        HashFormatError::AbsurdCost => "its parameters cost too much",
    }
}

impl Accounts {
    /// Takes over accounts of another system; one answer for each, in order. Safe to repeat, also after a fault in the middle:
    /// whoever has an account keeps it. As many at once as the hashing pool has workers, so that a login in between waits for
    /// one of these hashes and not for all.
    ///
    /// # Errors
    /// A fault of the record: some may have been imported. Repeat.
    pub async fn import(&self, accounts: Vec<ForeignAccount>, origin: Origin) -> Result<Vec<AccountImport>, Fault> {
        let each = accounts.into_iter().map(|account| self.import_one(account, origin.clone()));
        stream::iter(each).buffered(self.pool.workers()).try_collect().await
    }

    async fn import_one(&self, foreign: ForeignAccount, origin: Origin) -> Result<AccountImport, Fault> {
        let Checked { email, hash, name, user_id } = match Checked::read(foreign) {
            Ok(checked) => checked,
            Err(invalid) => return Ok(AccountImport::Invalid(invalid)),
        };
        // A repeat should not cost a hash for each of those who are here already.
        if self.store.by_email(email.clone()).await?.is_some() {
            return Ok(AccountImport::Known);
        }
        let PoolOutcome::Done(hash) = self.pool.wrap_patiently(&hash).await else { return Ok(AccountImport::Overloaded) };
        let now = self.clock.now();
        let user_id = user_id.unwrap_or_else(fresh_user_id);
        let account = Account {
            user_id: user_id.clone(),
            email,
            name,
            password_hash: hash.as_str().into(),
            created_at: now,
            password_changed_at: now,
            reset: None,
        };
        let command = Register { tag: self.sessions.tag(&user_id), account };
        Ok(match self.store.register(Context { now, origin }, command).await? {
            RegisterOutcome::Registered => AccountImport::Imported(user_id),
            RegisterOutcome::AddressTaken => AccountImport::Known,
        })
    }
}
