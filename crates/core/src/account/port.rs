//! The port of accounts. Only a record implements it.

use super::{Account, Email, command::*};
use crate::{Answer, id::UserTag, user::Context};

/// Keeps accounts. The contract of [`crate::session::SessionStore`] holds here as well.
pub trait AccountStore: Send + Sync {
    /// The account with this address. A read.
    fn by_email(&self, email: Email) -> Answer<'_, Option<Account>>;

    /// The account of this user. A read.
    fn by_tag(&self, tag: UserTag) -> Answer<'_, Option<Account>>;

    /// See [`Register`]. A repeat finds the address taken.
    fn register(&self, cx: Context, command: Register) -> Answer<'_, RegisterOutcome>;

    /// See [`ChangePassword`]. A repeat is refused as raced.
    fn change_password(&self, cx: Context, command: ChangePassword) -> Answer<'_, ChangePasswordOutcome>;

    /// See [`ReplaceHash`]. A repeat is refused as raced.
    fn replace_hash(&self, cx: Context, command: ReplaceHash) -> Answer<'_, ReplaceHashOutcome>;

    /// See [`OpenReset`]. A repeat replaces the token.
    fn open_reset(&self, cx: Context, command: OpenReset) -> Answer<'_, OpenResetOutcome>;

    /// See [`ResetPassword`]. A repeat is refused.
    fn reset_password(&self, cx: Context, command: ResetPassword) -> Answer<'_, ResetPasswordOutcome>;
}
