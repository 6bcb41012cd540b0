//! What an operator refuses as a password beside what everybody should.

use super::{BreachedList, ContextWords, Password, PasswordCheck, PasswordPolicy, PasswordReason, bounds};
use std::io;

/// Words of a service and breached passwords. Default: neither.
#[derive(Debug, Default)]
pub struct Blocklist {
    words: Option<ContextWords>,
    breached: Option<BreachedList>,
}

impl Blocklist {
    /// Names of the service and its makers, of which the first [`bounds::SERVICE_WORDS`] are context words of every check, and a
    /// list of breached passwords.
    #[must_use]
    pub fn new<'a>(names: impl IntoIterator<Item = &'a str>, breached: Option<BreachedList>) -> Self {
        let words = ContextWords::new(names.into_iter().take(bounds::SERVICE_WORDS));
        Self { words: Some(words), breached }
    }

    /// Judges a new password by a policy and by what is on the lists.
    ///
    /// # Errors
    /// Where the list of breached passwords cannot be read.
    pub(super) fn check(
        &self,
        policy: PasswordPolicy,
        password: &Password,
        context: &ContextWords,
    ) -> io::Result<PasswordCheck> {
        let mut check = match &self.words {
            Some(words) => policy.check(password, &context.clone().with(words)),
            None => policy.check(password, context),
        };
        if let Some(breached) = &self.breached
            && breached.contains(password)?
        {
            check.refuse(PasswordReason::Breached);
        }
        Ok(check)
    }
}
