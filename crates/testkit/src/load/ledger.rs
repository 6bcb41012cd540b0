//! What one worker was promised, and whether an answer keeps it.

use crate::bounds::UNSEEN;
use std::time::{Duration, Instant};

/// A session as its owner knows it.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) user: String,
    pub(super) id: String,
    pub(super) token: String,
    pub(super) fate: Fate,
    /// The latest number that a patch was acknowledged for; `None` where a patch was lost, which may still arrive.
    pub(super) data: Option<u64>,
    /// The last acknowledged change.
    pub(super) changed: Changed,
    /// When it began, see [`super::Rule::era`].
    pub(super) era: u64,
}

/// When and through which server something was acknowledged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Changed {
    pub(super) at: Instant,
    pub(super) server: usize,
}

/// What became of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Live,
    Ended,
    /// The answer to a change was lost.
    Unknown,
}

/// What a validation said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// Valid, with this number in its data.
    Valid(Option<u64>),
    /// Valid, but another session.
    Another,
    Refused,
}

/// Whether an answer keeps what was promised.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Kept,
    /// It does not yet, and the change was made through another server so short a time ago. A refusal is never excused by that.
    Unseen(Duration),
    Broken(&'static str),
}

impl Held {
    /// Judges what a server said, asked at `asked`.
    pub(super) fn judge(&self, answer: Answer, server: usize, asked: Instant) -> Verdict {
        let broken = match (self.fate, answer) {
            (_, Answer::Another) => return Verdict::Broken("another session was answered"),
            (Fate::Live, Answer::Refused) => return Verdict::Broken("a valid session was refused"),
            (Fate::Ended, Answer::Valid(_)) => "an ended session was accepted",
            (Fate::Live, Answer::Valid(data)) if self.data.is_some() && data != self.data => "its data is not what was kept",
            _ => return Verdict::Kept,
        };
        let age = asked.saturating_duration_since(self.changed.at);
        if server != self.changed.server && age < UNSEEN { Verdict::Unseen(age) } else { Verdict::Broken(broken) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(fate: Fate, at: Instant) -> Held {
        let changed = Changed { at, server: 0 };
        let (user, id, token) = (String::new(), String::new(), String::new());
        Held { user, id, token, fate, data: Some(3), changed, era: 0 }
    }

    #[test]
    fn broken_promises_are_seen() {
        let now = Instant::now();
        for (fate, answer) in [(Fate::Live, Answer::Refused), (Fate::Unknown, Answer::Another)] {
            assert!(matches!(held(fate, now).judge(answer, 1, now), Verdict::Broken(_)), "{fate:?} {answer:?}");
        }
        for (fate, answer) in
            [(Fate::Live, Answer::Valid(Some(2))), (Fate::Live, Answer::Valid(None)), (Fate::Ended, Answer::Valid(Some(3)))]
        {
            assert!(matches!(held(fate, now).judge(answer, 0, now), Verdict::Broken(_)), "{fate:?} {answer:?}");
            assert!(matches!(held(fate, now).judge(answer, 1, now), Verdict::Unseen(_)), "{fate:?} {answer:?}");
            assert!(matches!(held(fate, now).judge(answer, 1, now + UNSEEN), Verdict::Broken(_)), "{fate:?} {answer:?}");
        }
        assert_eq!(held(Fate::Live, now).judge(Answer::Valid(Some(3)), 0, now), Verdict::Kept);
        assert_eq!(held(Fate::Ended, now).judge(Answer::Refused, 0, now), Verdict::Kept);
        assert_eq!(held(Fate::Unknown, now).judge(Answer::Refused, 0, now), Verdict::Kept);
    }
}
