//! Accounts: the service over [`super::AccountStore`] comes next; the port and the rules are here.
