//! Which new passwords are accepted: length and not being guessable, nothing else.

use super::{Password, bounds, context::ContextWords, estimate::estimate};
use std::fmt;

/// Below this score the estimator needs fewer than a million guesses: that many fit into a patient online attack.
const ACCEPTED_SCORE: u8 = 2;

/// What else stands between a guesser and the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PasswordProfile {
    /// Nothing: at least 15 characters.
    #[default]
    SingleFactor,
    /// A second factor: at least 8 characters.
    Mfa,
}

impl PasswordProfile {
    /// Fewest characters where the configuration names no other number.
    #[must_use]
    pub fn min_length(self) -> usize {
        match self {
            Self::SingleFactor => bounds::SINGLE_FACTOR_CHARACTERS,
            Self::Mfa => bounds::MFA_CHARACTERS,
        }
    }
}

/// The rule for new passwords. Old ones are never judged again: there is no expiry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PasswordPolicy {
    profile: PasswordProfile,
    /// Where it is not the profile's.
    min_length: Option<usize>,
}

/// A configured minimum outside of 8 to 64 characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the minimum length of passwords is {} to {} characters", bounds::MFA_CHARACTERS, bounds::MIN_LENGTH_CEILING)]
pub struct MinLengthError;

/// Why a password was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordReason {
    /// Fewer characters, counted in NFKC, than `min_length`.
    TooShort {
        /// The fewest that are accepted.
        min_length: usize,
    },
    /// It is among the common passwords, or a single word.
    Common,
    /// It is on the operator's list of breached passwords.
    Breached,
    /// It is a word of its context (user name, address, service), or little more than such words.
    ContextWord,
    /// It follows a pattern that takes few guesses: a repetition, a sequence, a walk over the keyboard.
    Guessable,
}

impl PasswordReason {
    /// The stable word for programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooShort { .. } => "too_short",
            Self::Common => "common",
            Self::Breached => "breached",
            Self::ContextWord => "context_word",
            Self::Guessable => "guessable",
        }
    }
}

impl fmt::Display for PasswordReason {
    /// A sentence for the person who chose the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { min_length } => write!(f, "Use at least {min_length} characters."),
            Self::Common => f.write_str("This is a common password."),
            Self::Breached => f.write_str("This password was seen in a breach."),
            Self::ContextWord => f.write_str("This is too close to your name, your address or the name of the service."),
            Self::Guessable => f.write_str("This is easy to guess: avoid repetitions, sequences and rows of keys."),
        }
    }
}

/// The judgement on one password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordCheck {
    /// Whether it may be used: there is no reason against it.
    pub accepted: bool,
    /// Strength from 0 (guessed at once) to 4, as zxcvbn defines it.
    pub score: u8,
    /// Everything that speaks against it.
    pub reasons: Vec<PasswordReason>,
}

impl PasswordCheck {
    /// Adds a reason.
    pub(super) fn refuse(&mut self, reason: PasswordReason) {
        self.reasons.push(reason);
        self.accepted = false;
    }
}

impl PasswordPolicy {
    /// The policy of a profile, with another minimum length in characters where one is configured.
    ///
    /// # Errors
    /// [`MinLengthError`] outside of 8 to 64: fewer is no password, more would refuse what has to be accepted.
    pub fn new(profile: PasswordProfile, min_length: Option<usize>) -> Result<Self, MinLengthError> {
        let allowed = bounds::MFA_CHARACTERS..=bounds::MIN_LENGTH_CEILING;
        if min_length.is_none_or(|length| allowed.contains(&length)) {
            Ok(Self { profile, min_length })
        } else {
            Err(MinLengthError)
        }
    }

    /// The same policy for another profile; a minimum length that was configured stays.
    #[must_use]
    pub fn of(self, profile: PasswordProfile) -> Self {
        Self { profile, ..self }
    }

    /// Fewest characters, counted in NFKC.
    #[must_use]
    pub fn min_length(&self) -> usize {
        self.min_length.unwrap_or_else(|| self.profile.min_length())
    }

    /// Judges a new password, offline. Takes about a millisecond of CPU, up to 100 ms for a hostile text and for the first call,
    /// which builds the word lists: call it through [`super::HashPool::check`] where others wait for the thread.
    #[must_use]
    pub fn check(&self, password: &Password, context: &ContextWords) -> PasswordCheck {
        let text = password.normalized();
        let estimate = estimate(&text, context);
        let found = [
            (text.chars().count() < self.min_length(), PasswordReason::TooShort { min_length: self.min_length() }),
            (estimate.common, PasswordReason::Common),
            (estimate.context, PasswordReason::ContextWord),
            (estimate.score < ACCEPTED_SCORE && !estimate.common && !estimate.context, PasswordReason::Guessable),
        ];
        let reasons: Vec<_> = found.into_iter().filter_map(|(holds, reason)| holds.then_some(reason)).collect();
        PasswordCheck { accepted: reasons.is_empty(), score: estimate.score, reasons }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(profile: PasswordProfile) -> PasswordPolicy {
        PasswordPolicy::new(profile, None).expect("the profiles are within the bounds")
    }

    fn check(profile: PasswordProfile, text: &str, context: &[&str]) -> PasswordCheck {
        let password = Password::new(text).expect("at most 1,024 bytes");
        policy(profile).check(&password, &ContextWords::new(context.iter().copied()))
    }

    fn words(check: &PasswordCheck) -> Vec<&'static str> {
        check.reasons.iter().map(|reason| reason.as_str()).collect()
    }

    // S78
    #[test]
    fn long_unicode_passphrases_with_spaces_are_accepted() {
        let phrase = "ein Füchslein läuft über 七つの橋 и поёт песню 🦊 until the last of all the lanterns has gone out and nobody is \
                      left to hear how the river answers it";
        for length in [64, 128] {
            let text: String = phrase.chars().take(length).collect();
            assert_eq!(text.chars().count(), length);
            let check = check(PasswordProfile::SingleFactor, &text, &["fox@example.org"]);
            assert!(check.accepted && check.score == 4, "{check:?}");
        }
        // Four bytes a character is the most there is.
        let all: Vec<char> = ('\u{1F600}'..='\u{1F64F}').chain('\u{1F680}'..='\u{1F6AF}').collect();
        let emoji: String = (0..128).map(|i| all[i * 37 % all.len()]).collect();
        assert_eq!((emoji.chars().count(), emoji.len()), (128, 512));
        assert!(check(PasswordProfile::SingleFactor, &emoji, &[]).accepted);
    }

    // S79
    #[test]
    fn a_profile_sets_the_minimum_and_nothing_sets_a_composition() {
        let fourteen = "quirky otters ".replace(' ', "z");
        assert_eq!(words(&check(PasswordProfile::SingleFactor, &fourteen, &[])), ["too_short"]);
        assert!(check(PasswordProfile::SingleFactor, &format!("{fourteen}q"), &[]).accepted);
        assert_eq!(words(&check(PasswordProfile::Mfa, "xkvqzwj", &[])), ["too_short"]);
        for text in ["xkvqzwjb", "XKVQZWJB", "84029175", "-.,;:_+!"] {
            let check = check(PasswordProfile::Mfa, text, &[]);
            assert!(check.accepted, "one class of characters is enough: {text} {check:?}");
        }
    }

    // S79
    #[test]
    fn a_minimum_is_counted_in_normalized_characters() {
        // Five of the letters are typed with a combining mark of their own.
        let decomposed = "a\u{308}o\u{308}u\u{308}xkvqzw jbre\u{301}a\u{300}";
        let counted = Password::new(decomposed).expect("short").normalized().chars().count();
        assert_eq!((decomposed.chars().count(), counted), (20, 15));
        assert!(check(PasswordProfile::SingleFactor, decomposed, &[]).accepted);
        assert_eq!(words(&check(PasswordProfile::SingleFactor, &decomposed.replace("w ", "w"), &[])), ["too_short"]);
        assert_eq!(PasswordPolicy::new(PasswordProfile::Mfa, Some(7)), Err(MinLengthError));
        assert_eq!(PasswordPolicy::new(PasswordProfile::Mfa, Some(65)), Err(MinLengthError));
        assert_eq!(PasswordPolicy::new(PasswordProfile::SingleFactor, Some(20)).map(|policy| policy.min_length()), Ok(20));
    }

    // S80
    #[test]
    fn common_passwords_are_refused_with_the_reason() {
        for text in [
            "password",
            "12345678",
            "iloveyou",
            "sunshine",
            "football",
            "trustno1",
            "jennifer",
            "1qaz2wsx",
            "password1",
            "Passw0rd",
            "P@ssw0rd",
            "drowssap",
            "princess",
            "starwars",
            "whatever",
            "qwertyuiop",
            "1q2w3e4r",
            "michelle",
            "corvette",
            "baseball",
        ] {
            let check = check(PasswordProfile::Mfa, text, &[]);
            assert_eq!((check.accepted, words(&check)), (false, vec!["common"]), "{text}");
        }
        for text in [
            "passwordpassword",
            "password1234567",
            "1q2w3e4r5t6y7u8i",
            "qwertyuiopasdfgh",
            "QwertyUiop AsdfghJkl",
            "iloveyou12345678",
            "1qaz2wsx3edc4rfv",
            "Manchester United 1",
            "zaq1 2wsx cde3 4rfv",
        ] {
            let check = check(PasswordProfile::SingleFactor, text, &[]);
            assert!(words(&check).contains(&"common"), "{text} {check:?}");
        }
    }

    // S80: the 3,000 most used passwords of two rankings, zxcvbn's and the later one that Django ships.
    #[test]
    fn the_most_used_passwords_are_refused_whatever_their_length() {
        const MOST_USED: &str = include_str!("../../tests/password/common.txt");
        assert!(MOST_USED.lines().count() > 4_000);
        for text in MOST_USED.lines() {
            let check = check(PasswordProfile::Mfa, text, &[]);
            assert!(!check.accepted, "{text} {check:?}");
        }
    }

    // S80
    #[test]
    fn patterns_are_refused_with_the_reason() {
        for text in [
            "aaaaaaaaaaaaaaaaaaaa",
            "abcdefghijklmnop",
            "ihgfedcbaihgfedcba",
            "20202020202020202020202020202020",
            "               ",
        ] {
            let check = check(PasswordProfile::SingleFactor, text, &[]);
            assert!(!check.accepted && check.score < ACCEPTED_SCORE, "{text} {check:?}");
        }
    }

    // S80
    #[test]
    fn context_words_are_refused_with_the_reason() {
        let context = ["Ada.Lovelace@engine.example.org", "Countess Ada", "Analytical"];
        for text in [
            "ada.lovelace@engine.example.org",
            "ada.lovelace.2026",
            "AdaLovelaceAdaLovelace",
            "Lovelace12345678",
            "L0v3lac3!L0v3lac3!",
            "ecalevol-ecalevol",
            "analytical engine",
            "countess-countess",
            "vestibule12345678",
            "Vestibule-Vestibule-1",
            "vestibule lovelace",
        ] {
            let check = check(PasswordProfile::SingleFactor, text, &context);
            assert!(!check.accepted && words(&check).contains(&"context_word"), "{text} {check:?}");
        }
        let phrase = "lovelace wrote notes on a loom";
        assert!(
            check(PasswordProfile::SingleFactor, phrase, &context).accepted,
            "a context word in a strong phrase is no harm"
        );
    }

    #[test]
    fn ordinary_passphrases_are_accepted() {
        let context = ["ada@example.org", "Ada"];
        for text in [
            "correct horse battery staple",
            "a-long-test-password",
            "new password for ada",
            "the river runs at noon",
            "Tr0ub4dor&3-Tr1umph",
            "seven lazy otters",
            "моя любимая кошка",
            "夏の夜は満月と蛍と川の音と風の歌",
        ] {
            let check = check(PasswordProfile::SingleFactor, text, &context);
            assert!(check.accepted, "{text} {check:?}");
        }
    }

    // S80
    #[test]
    fn a_reason_reads_as_a_sentence_and_never_repeats_the_password() {
        let check = check(PasswordProfile::SingleFactor, "letmein", &[]);
        assert_eq!(words(&check), ["too_short", "common"]);
        assert_eq!(check.reasons[0].to_string(), "Use at least 15 characters.");
        assert!(check.reasons.iter().all(|reason| !reason.to_string().contains("letmein")));
    }
}
