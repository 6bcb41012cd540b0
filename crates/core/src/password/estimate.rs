//! How guessable a password is, by zxcvbn's ranked lists and patterns, within bounds that a hostile text cannot stretch.

use super::{bounds, context::ContextWords, context::fold};
use zxcvbn::{Entropy, matching::Match, matching::patterns::DictionaryPattern, matching::patterns::MatchPattern};

/// Common passwords in lower case without symbols that zxcvbn's ranking of 30,000 does not hold: long ones, of which a long
/// minimum length lets no others through, and those that breaches of later years have brought up.
const COMMON: &str = include_str!("common.txt");

/// A password made of this many entries of the password ranking, or fewer, is one that guessers try.
const LISTED_PARTS: usize = 2;

/// What is known of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Estimate {
    /// zxcvbn's score, 0 to 4, of the strongest window.
    pub(super) score: u8,
    /// It is a listed password, a word with little beside it, or two listed passwords in a row.
    pub(super) common: bool,
    /// It is a context word, or little more than context words.
    pub(super) context: bool,
}

/// Judges a text in NFKC. Sees its first [`bounds::ESTIMATED_CHARACTERS`] characters, window by window, until one is strong.
pub(super) fn estimate(text: &str, context: &ContextWords) -> Estimate {
    let characters: Vec<char> = text.chars().take(bounds::ESTIMATED_CHARACTERS).collect();
    let unit = repeated_unit(&characters);
    let words: Vec<&str> = context.iter().collect();
    let mut found =
        Estimate { score: 0, common: is_listed(&characters) || is_listed(unit), context: little_beside_context(text, context) };
    let fits_window = unit.len() <= bounds::WINDOW_CHARACTERS;
    for window in unit.chunks(bounds::WINDOW_CHARACTERS) {
        let window: String = window.iter().collect();
        let entropy = zxcvbn::zxcvbn(&window, &words);
        found.score = found.score.max(u8::from(entropy.score()));
        if fits_window {
            found.common |= is_common(&entropy, &words);
            found.context |= u8::from(entropy.score()) <= 2 && entropy.sequence().iter().any(|part| is_context(part, &words));
        }
        if found.score == 4 {
            break;
        }
    }
    found
}

/// The shortest beginning of which the whole is a repetition, or the whole.
fn repeated_unit(characters: &[char]) -> &[char] {
    let period = (1..=characters.len() / 2).find(|&period| characters[period..] == characters[..characters.len() - period]);
    period.map_or(characters, |period| &characters[..period])
}

fn is_listed(characters: &[char]) -> bool {
    let folded = fold(characters.iter().copied().filter(|c| c.is_alphanumeric()));
    let bare = folded.trim_end_matches(|c: char| c.is_ascii_digit());
    COMMON.lines().any(|listed| listed == folded || listed == bare)
}

fn is_common(entropy: &Entropy, words: &[&str]) -> bool {
    // The type of a dictionary's name is private to zxcvbn; its default is the password ranking (a test below holds it to that).
    let ranking = DictionaryPattern::default().dictionary_name;
    let listed = |part: &Match| matches!(&part.pattern, MatchPattern::Dictionary(word) if word.dictionary_name == ranking);
    let parts = entropy.sequence();
    // Few guesses mean that a listed word is most of it. Which list it is named after must not matter: where two explanations
    // cost the same, zxcvbn takes either.
    let mut words_of_few_guesses = parts.iter().filter(|part| u8::from(entropy.score()) <= 1 && !is_context(part, words));
    words_of_few_guesses.any(|part| matches!(part.pattern, MatchPattern::Dictionary(_)))
        || !parts.is_empty() && parts.len() <= LISTED_PARTS && parts.iter().all(|part| listed(part) && !is_context(part, words))
}

fn is_context(part: &Match, words: &[&str]) -> bool {
    matches!(&part.pattern, MatchPattern::Dictionary(word) if words.contains(&word.matched_word.as_str()))
}

/// Whether the text holds context words and, without them, too few letters and digits to stand alone.
fn little_beside_context(text: &str, context: &ContextWords) -> bool {
    let folded = fold(text.chars());
    let mut rest = folded.clone();
    for word in context.iter() {
        let reversed: String = word.chars().rev().collect();
        // A space keeps the two sides apart: removing one word must not build another.
        rest = rest.replace(word, " ").replace(&reversed, " ");
    }
    rest != folded && rest.chars().filter(|c| c.is_alphanumeric()).count() < bounds::BESIDE_CONTEXT_CHARACTERS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str) -> Estimate {
        estimate(text, &ContextWords::default())
    }

    #[test]
    fn the_default_dictionary_is_the_password_ranking() {
        let entropy = zxcvbn::zxcvbn("123456", &[]);
        let [only] = entropy.sequence() else { panic!("one part: {:?}", entropy.sequence()) };
        let MatchPattern::Dictionary(word) = &only.pattern else { panic!("a word: {only:?}") };
        assert_eq!((word.dictionary_name, word.rank), (DictionaryPattern::default().dictionary_name, 1));
        assert!(is_common(&entropy, &[]));
    }

    #[test]
    fn the_list_is_sorted_and_folded() {
        assert!(COMMON.lines().is_sorted());
        for listed in COMMON.lines() {
            assert_eq!(fold(listed.chars()), listed);
            assert!(listed.len() >= 6 && listed.chars().all(char::is_alphanumeric), "{listed}");
        }
    }

    #[test]
    fn hostile_texts_are_judged_within_bounds() {
        // When it saw them whole, some made the estimator overflow, which panics in a test, others kept it busy for a second.
        let lookalikes = "4@8({[<63911!|071$5+7%2";
        for unit in
            ["20", "1590", "qpwo", "0147896325", "a1b2", lookalikes, "4p4ssw0rd!1qaz2wsx3edc", "\u{130}", "\u{FDFA}", "a "]
        {
            for tail in ["", "x", "3"] {
                let text: String = unit.chars().cycle().take(1_000).chain(tail.chars()).collect();
                assert!(judge(&text).score <= 4, "{unit}");
            }
        }
    }

    #[test]
    fn a_repetition_is_as_weak_as_its_unit() {
        for text in ["passwordpassword", "passwordpasswordpassword", "letmeinletmeinletme"] {
            assert!(judge(text).common, "{text}");
        }
        assert!(judge(&"a".repeat(1024)).score == 0);
        assert!(judge("jonathan ate nine jonathan ate nine ").score >= 3);
    }

    #[test]
    fn a_strong_window_behind_a_weak_one_counts() {
        let text = format!("{}correct horse battery staple", "1".repeat(bounds::WINDOW_CHARACTERS));
        assert_eq!(judge(&text), Estimate { score: 4, common: false, context: false });
    }
}
