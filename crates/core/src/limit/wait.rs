//! Waiting until something is allowed.

use super::{Ask, AskError, Checked, Limiter, Outcome, Rules, bounds};
use std::time::{Duration, Instant};

impl Limiter {
    /// Asks until everything is allowed, for as long as one may wait, each time by the rules in effect then. The last answer is told, at once
    /// where waiting cannot help, [`bounds::WAITERS`] wait already, or one of the rules is no more.
    ///
    /// # Errors
    /// [`AskError::TooMany`].
    ///
    /// # Cancel safety
    /// What was taken by a check whose future is dropped stays taken.
    pub async fn check_until(&self, mut asks: Vec<Ask>, longest: Duration) -> Result<Checked, AskError> {
        let end = Instant::now() + longest;
        let mut turn = None;
        loop {
            let checked = self.check(asks.clone()).await?;
            let Some(pause) = pause(&checked).filter(|pause| Instant::now() + *pause <= end) else { return Ok(checked) };
            turn = turn.or_else(|| self.waiting.try_acquire().ok());
            if turn.is_none() {
                return Ok(checked);
            }
            tokio::time::sleep(pause).await;
            let Some(renewed) = renewed(&asks, &self.rules()) else { return Ok(checked) };
            asks = renewed;
        }
    }
}

/// The same by other rules; `None` where one of them is not there, or counts something else.
fn renewed(asks: &[Ask], rules: &Rules) -> Option<Vec<Ask>> {
    asks.iter().map(|ask| ask.under(rules)).collect()
}

/// How long to wait before it is worth asking again; `None` where waiting does not help.
fn pause(checked: &Checked) -> Option<Duration> {
    let Outcome::Denied { retry_after_ms } = checked.outcome else { return None };
    let told = Duration::from_millis(retry_after_ms);
    // What is in flight, or counts only until it succeeds, may come back sooner than was told.
    let may_end = checked.said.iter().any(|said| !said.allowed && !said.ask.rule().denies_for_good());
    let pause = if may_end { told.min(bounds::DENIED_BRIEFLY) } else { told };
    // No time is told where nobody knows one: asking again at once would be asking without end.
    (!pause.is_zero()).then_some(pause)
}
