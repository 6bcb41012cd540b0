//! Accounts.

use super::{array, fault::Trouble, int, time};
use rusqlite::{Row, Transaction, params, types::ValueRef};
use vestibule_core::{
    account::{Account, Email, Reset},
    id::{UserId, UserTag},
    session::TokenDigest,
};

const COLUMNS: &str = "a.user_id, a.email, a.name, a.password_hash, a.created_at, a.password_changed_at, a.reset_digest,
     a.reset_expires_at FROM accounts AS a";

fn account(row: &Row<'_>) -> Result<Account, Trouble> {
    let (user_id, email): (String, String) = (row.get(0)?, row.get(1)?);
    Ok(Account {
        user_id: UserId::new(user_id).map_err(|_| Trouble::Unreadable("a user id"))?,
        email: Email::new(&email).map_err(|_| Trouble::Unreadable("an address"))?,
        name: row.get::<_, Option<String>>(2)?.map(Into::into),
        password_hash: row.get::<_, String>(3)?.into(),
        created_at: time(row, 4)?,
        password_changed_at: time(row, 5)?,
        reset: reset(row)?,
    })
}

fn reset(row: &Row<'_>) -> Result<Option<Reset>, Trouble> {
    if matches!(row.get_ref(6)?, ValueRef::Null) {
        return Ok(None);
    }
    Ok(Some(Reset { digest: TokenDigest::from_bytes(array(row, 6)?), expires_at: time(row, 7)? }))
}

pub(super) fn of_user(transaction: &Transaction<'_>, user: i64) -> Result<Option<Account>, Trouble> {
    let mut statement = transaction.prepare_cached(&format!("SELECT {COLUMNS} WHERE a.user = ?1"))?;
    let mut rows = statement.query([user])?;
    rows.next()?.map(account).transpose()
}

pub(super) fn by_tag(transaction: &Transaction<'_>, tag: UserTag) -> Result<Option<Account>, Trouble> {
    let sql = format!("SELECT {COLUMNS} JOIN users AS u ON u.id = a.user WHERE u.tag = ?1");
    let mut statement = transaction.prepare_cached(&sql)?;
    let mut rows = statement.query([tag.as_bytes()])?;
    rows.next()?.map(account).transpose()
}

pub(super) fn by_email(transaction: &Transaction<'_>, email: &Email) -> Result<Option<Account>, Trouble> {
    let mut statement = transaction.prepare_cached(&format!("SELECT {COLUMNS} WHERE a.email = ?1"))?;
    let mut rows = statement.query([email.as_str()])?;
    rows.next()?.map(account).transpose()
}

/// Whether an address has an account.
pub(super) fn exists(transaction: &Transaction<'_>, address: &str) -> Result<bool, Trouble> {
    Ok(transaction.prepare_cached("SELECT 1 FROM accounts WHERE email = ?1")?.exists([address])?)
}

pub(super) fn put(transaction: &Transaction<'_>, user: i64, account: &Account) -> Result<(), Trouble> {
    let mut statement = transaction.prepare_cached(
        "INSERT INTO accounts
         (user, email, user_id, name, password_hash, created_at, password_changed_at, reset_digest, reset_expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (user) DO UPDATE SET email = excluded.email, user_id = excluded.user_id, name = excluded.name,
         password_hash = excluded.password_hash, created_at = excluded.created_at,
         password_changed_at = excluded.password_changed_at, reset_digest = excluded.reset_digest,
         reset_expires_at = excluded.reset_expires_at",
    )?;
    statement.execute(params![
        user,
        account.email.as_str(),
        account.user_id.as_str(),
        account.name.as_deref(),
        &*account.password_hash,
        int(account.created_at.millis()),
        int(account.password_changed_at.millis()),
        account.reset.as_ref().map(|reset| reset.digest.as_bytes()),
        account.reset.map(|reset| int(reset.expires_at.millis())),
    ])?;
    Ok(())
}

pub(super) fn delete(transaction: &Transaction<'_>, user: i64) -> Result<(), Trouble> {
    transaction.prepare_cached("DELETE FROM accounts WHERE user = ?1")?.execute([user])?;
    Ok(())
}
