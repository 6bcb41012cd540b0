//! Words that everybody who sees the account could try first: its user, its address, the service.

use super::bounds;
use unicode_normalization::UnicodeNormalization as _;

/// Our own name is a context word of every check.
const SERVICE: &str = "vestibule";

/// The context of one check, folded to lower case and NFKC, longest word first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextWords(Vec<String>);

impl ContextWords {
    /// Collects the words behind user names, e-mail addresses, display names and names of the service: each text as a whole,
    /// each of its parts, and of an address the part before the `@` too. The last label of a domain says nothing and is left out.
    ///
    /// Bounded: words of 3 to 64 characters, 32 of them, in the order given.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut words = vec![SERVICE.to_owned()];
        for text in texts {
            if words.len() >= bounds::CONTEXT_WORDS {
                break;
            }
            // Only as much of a text is folded as could still be an address; NFKC grows a character at most eighteenfold.
            let folded = fold(text.chars().take(crate::bounds::EMAIL_BYTES));
            collect(&folded, &mut words);
        }
        words.truncate(bounds::CONTEXT_WORDS);
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        Self(words)
    }

    /// These words and the other ones, which do not count towards the 32.
    #[must_use]
    pub fn with(mut self, other: &Self) -> Self {
        for word in other.iter() {
            push(word, &mut self.0);
        }
        self.0.sort_by_key(|word| std::cmp::Reverse(word.len()));
        self
    }

    /// The words, longest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl Default for ContextWords {
    /// The service's own name and nothing else.
    fn default() -> Self {
        Self::new([])
    }
}

/// Lower case and NFKC: the form in which words are compared.
pub(super) fn fold(text: impl Iterator<Item = char>) -> String {
    text.flat_map(char::to_lowercase).nfkc().collect()
}

fn collect(text: &str, words: &mut Vec<String>) {
    push(text.trim(), words);
    let (local, domain) = text.rsplit_once('@').unwrap_or((text, ""));
    push(local.trim(), words);
    let named = domain.rsplit_once('.').map_or(domain, |(labels, _)| labels);
    for part in [local, named].into_iter().flat_map(|text| text.split(|c: char| !c.is_alphanumeric())) {
        push(part, words);
    }
}

fn push(word: &str, words: &mut Vec<String>) {
    let length = word.chars().count();
    let fits = (bounds::CONTEXT_WORD_MIN_CHARACTERS..=bounds::CONTEXT_WORD_CHARACTERS).contains(&length);
    if fits && !words.iter().any(|known| known == word) {
        words.push(word.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gives_its_parts_without_the_top_level() {
        let words = ContextWords::new(["Ada.Lovelace@Mail.Example.org", "al"]);
        let words: Vec<_> = words.iter().collect();
        assert_eq!(words, ["ada.lovelace@mail.example.org", "ada.lovelace", "vestibule", "lovelace", "example", "mail", "ada"]);
    }

    #[test]
    fn a_flood_of_words_is_bounded() {
        let text = (0..10_000).map(|i| format!("word{i} ")).collect::<String>();
        assert!(ContextWords::new([text.as_str()]).iter().count() <= bounds::CONTEXT_WORDS);
        let many: Vec<_> = (0..1_000).map(|i| format!("user{i}")).collect();
        assert_eq!(ContextWords::new(many.iter().map(String::as_str)).iter().count(), bounds::CONTEXT_WORDS);
        assert_eq!(ContextWords::new(["x".repeat(100_000).as_str()]), ContextWords::default());
    }
}
