//! Challenges over HTTP: what a client is asked for, and what it brings.

use std::net::IpAddr;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use vestibule_core::limit::{Ask, AskError, Challenge, Checked, Limiter, Outcome, Solution, SolveError, Solved};

use crate::credential::text;
use crate::headers::single;

static SOLUTION: HeaderName = HeaderName::from_static("x-vestibule-solution");
static CHALLENGE: HeaderName = HeaderName::from_static("x-vestibule-challenge");

/// The solution that a request brings.
pub(crate) fn brought(headers: &HeaderMap) -> Option<&str> {
    text(single(headers, &SOLUTION))
}

/// Checks; where a challenge stands in the way and the request has brought its solution, once more without it.
///
/// # Errors
/// [`AskError::TooMany`].
pub(crate) async fn check(
    limiter: &Limiter,
    asks: Vec<Ask>,
    brought: Option<&str>,
    client: Option<IpAddr>,
) -> Result<Checked, AskError> {
    let Some(brought) = brought else { return limiter.check(asks).await };
    let again = asks.clone();
    let mut checked = limiter.check(asks).await?;
    let Some(ask) = checked.challenged() else { return Ok(checked) };
    match limiter.solve(ask, read(limiter, brought, client)).await {
        Ok(Solved::Cleared) => limiter.check(again).await,
        Ok(_) | Err(SolveError::TooOften { .. }) => Ok(checked),
        Err(error) => {
            tracing::warn!(error = &error as &dyn std::error::Error, "whether a challenge is solved cannot be told");
            checked.outcome = Outcome::StoreUnavailable;
            Ok(checked)
        }
    }
}

fn read<'a>(limiter: &Limiter, brought: &'a str, client: Option<IpAddr>) -> Solution<'a> {
    if limiter.wants_responses() {
        return Solution::Response { text: brought, client };
    }
    let (puzzle, text) = brought.split_once(':').unwrap_or((brought, ""));
    Solution::Work { puzzle, text }
}

/// Asks for work, or for a response, where that would do instead of waiting.
pub(crate) fn put_challenge(limiter: &Limiter, checked: &Checked, headers: &mut HeaderMap) {
    let Some((_, challenge)) = limiter.challenge(checked) else { return };
    let text = match challenge {
        Challenge::Puzzle(puzzle) => format!("{};d={}", puzzle.puzzle, puzzle.difficulty),
        Challenge::Response => "response".to_owned(),
    };
    if let Ok(value) = HeaderValue::try_from(text) {
        headers.insert(&CHALLENGE, value);
    }
}
