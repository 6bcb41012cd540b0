//! .
pub struct Accounts;
