//! Addresses that no rule bounds, and addresses that get nothing of what a rule bounds.

use super::{
    Limiter,
    answer::{Checked, Outcome, Said, Taken},
    service::Ask,
};
use std::net::IpAddr;

/// On which list an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// No rule bounds it, and it counts nowhere.
    Exempt,
    /// It gets nothing of what a rule bounds, however little it asks for. This list is looked at first.
    Refused,
}

impl Listed {
    /// The stable word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exempt => "exempt",
            Self::Refused => "refused",
        }
    }
}

/// Asks that need no count, with their places among all.
pub(super) struct Exempt(Vec<(usize, Ask)>);

impl Exempt {
    /// Takes them out.
    pub(super) fn out_of(asks: &mut Vec<Ask>) -> Self {
        if asks.iter().all(|ask| ask.listed().is_none()) {
            return Self(Vec::new());
        }
        let (exempt, counted): (Vec<_>, Vec<_>) =
            std::mem::take(asks).into_iter().enumerate().partition(|(_, ask)| ask.listed() == Some(Listed::Exempt));
        asks.extend(counted.into_iter().map(|(_, ask)| ask));
        exempt.iter().for_each(|(_, ask)| ask.figures().exempt.increment(1));
        Self(exempt)
    }

    /// Puts each back into its place: allowed.
    pub(super) fn into(self, mut checked: Checked) -> Checked {
        for (place, ask) in self.0 {
            checked.said.insert(place, Said { ask, allowed: true, verdict: None, policy: None });
        }
        checked
    }
}

impl Limiter {
    /// On which list an address is.
    #[must_use]
    pub fn listed(&self, address: IpAddr) -> Option<Listed> {
        self.rules().listed(address)
    }
}

/// Whether one of them is refused, whatever the counts say.
pub(super) fn is_refused(asks: &[Ask]) -> bool {
    asks.iter().any(is_refusal)
}

/// What is answered then: nothing is asked and nothing taken.
pub(super) fn refusal(asks: Vec<Ask>) -> Checked {
    let say = |ask: Ask| {
        let allowed = !is_refusal(&ask);
        if !allowed {
            ask.figures().refused.increment(1);
        }
        Said { ask, allowed, verdict: None, policy: None }
    };
    Checked { outcome: Outcome::Refused, said: asks.into_iter().map(say).collect(), taken: Taken::default() }
}

/// A rule that only counts what it would deny refuses nobody.
fn is_refusal(ask: &Ask) -> bool {
    ask.listed() == Some(Listed::Refused) && !ask.rule().numbers().shadow
}
