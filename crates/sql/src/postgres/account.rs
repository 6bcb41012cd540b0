//! Accounts.

use super::{array, fault::Trouble, int, time};
use crate::{
    batch::{Loaded, Wanted},
    decide::Held,
};
use sqlx::{PgConnection, PgPool, Row, postgres::PgRow};
use vestibule_core::{
    account::{Account, Email, Reset},
    id::{UserId, UserTag},
    session::TokenDigest,
};

/// The first half of the advisory locks under which addresses are claimed.
const CLAIMS: i32 = 0x5673_7462;

fn account(row: &PgRow) -> Result<Account, Trouble> {
    let (user_id, email): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    Ok(Account {
        user_id: UserId::new(user_id).map_err(|_| Trouble::Unreadable("a user id"))?,
        email: Email::new(&email).map_err(|_| Trouble::Unreadable("an address"))?,
        name: row.try_get::<Option<String>, _>(2)?.map(Into::into),
        password_hash: row.try_get::<String, _>(3)?.into(),
        created_at: time(row, 4)?,
        password_changed_at: time(row, 5)?,
        reset: reset(row)?,
    })
}

fn reset(row: &PgRow) -> Result<Option<Reset>, Trouble> {
    if row.try_get::<Option<&[u8]>, _>(6)?.is_none() {
        return Ok(None);
    }
    Ok(Some(Reset { digest: TokenDigest::from_bytes(array(row, 6)?), expires_at: time(row, 7)? }))
}

/// Accounts of users whose commands need them, and addresses that are taken. Who claims an address holds it locked until the
/// end of the transaction, so that of two nodes one sees the other's claim.
pub(super) async fn load(connection: &mut PgConnection, wanted: &Wanted, loaded: &mut Loaded) -> Result<(), Trouble> {
    if !wanted.addresses.is_empty() {
        let mut addresses = wanted.addresses.clone();
        addresses.sort_unstable();
        sqlx::query("SELECT pg_advisory_xact_lock($1, hash) FROM (SELECT DISTINCT hashtext(address) AS hash FROM unnest($2::text[]) AS address ORDER BY 1) AS claims")
            .bind(CLAIMS)
            .bind(&addresses)
            .execute(&mut *connection)
            .await?;
        let taken = sqlx::query_scalar("SELECT email FROM vestibule_accounts WHERE email = ANY($1)")
            .bind(&addresses)
            .fetch_all(&mut *connection)
            .await?;
        loaded.taken.extend(taken);
    }
    let needed = |held: &&Held| wanted.users.get(&held.user.tag) == Some(&true);
    let rows: Vec<i64> = loaded.held.iter().filter(needed).filter_map(|held| held.row).collect();
    if rows.is_empty() {
        return Ok(());
    }
    let found = sqlx::query(
        "SELECT user_id, email, name, password_hash, created_at, password_changed_at, reset_digest, reset_expires_at, user_row
         FROM vestibule_accounts WHERE user_row = ANY($1)",
    )
    .bind(rows)
    .fetch_all(connection)
    .await?;
    for row in &found {
        let user_row: i64 = row.try_get(8)?;
        let account = account(row)?;
        if let Some(held) = loaded.held.iter_mut().find(|held| held.row == Some(user_row)) {
            held.user.account = Some(Box::new(account));
        }
    }
    Ok(())
}

/// Writes accounts that changed. Deleted ones go first: their addresses may be claimed again in the same batch.
pub(super) async fn write(connection: &mut PgConnection, users: &[Held]) -> Result<(), Trouble> {
    let changed = || users.iter().filter(|held| held.account_changed).filter_map(|held| Some((held, held.row?)));
    let deleted: Vec<i64> = changed().filter(|(held, _)| held.user.account.is_none()).map(|(_, row)| row).collect();
    if !deleted.is_empty() {
        sqlx::query("DELETE FROM vestibule_accounts WHERE user_row = ANY($1)").bind(deleted).execute(&mut *connection).await?;
    }
    for (held, row) in changed() {
        if let Some(account) = &held.user.account {
            put(connection, row, account).await?;
        }
    }
    Ok(())
}

async fn put(connection: &mut PgConnection, row: i64, account: &Account) -> Result<(), Trouble> {
    sqlx::query(
        "INSERT INTO vestibule_accounts
         (user_row, email, user_id, name, password_hash, created_at, password_changed_at, reset_digest, reset_expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT (user_row) DO UPDATE SET email = excluded.email, user_id = excluded.user_id, name = excluded.name,
         password_hash = excluded.password_hash, created_at = excluded.created_at,
         password_changed_at = excluded.password_changed_at, reset_digest = excluded.reset_digest,
         reset_expires_at = excluded.reset_expires_at",
    )
    .bind(row)
    .bind(account.email.as_str())
    .bind(account.user_id.as_str())
    .bind(account.name.as_deref())
    .bind(&*account.password_hash)
    .bind(int(account.created_at.millis()))
    .bind(int(account.password_changed_at.millis()))
    .bind(account.reset.as_ref().map(|reset| &reset.digest.as_bytes()[..]))
    .bind(account.reset.map(|reset| int(reset.expires_at.millis())))
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn by_tag(pool: &PgPool, tag: UserTag) -> Result<Option<Account>, Trouble> {
    let row = sqlx::query(
        "SELECT a.user_id, a.email, a.name, a.password_hash, a.created_at, a.password_changed_at, a.reset_digest,
         a.reset_expires_at FROM vestibule_accounts AS a JOIN vestibule_users AS u ON u.id = a.user_row WHERE u.tag = $1",
    )
    .bind(&tag.as_bytes()[..])
    .fetch_optional(pool)
    .await?;
    row.as_ref().map(account).transpose()
}

pub(super) async fn by_email(pool: &PgPool, email: &Email) -> Result<Option<Account>, Trouble> {
    let row = sqlx::query(
        "SELECT user_id, email, name, password_hash, created_at, password_changed_at, reset_digest, reset_expires_at
         FROM vestibule_accounts WHERE email = $1",
    )
    .bind(email.as_str())
    .fetch_optional(pool)
    .await?;
    row.as_ref().map(account).transpose()
}
