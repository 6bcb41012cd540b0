//! [`Held`]: what a request has taken, which comes back also where its client leaves.

use std::net::IpAddr;
use std::sync::Arc;

use http::HeaderMap;
use vestibule_core::limit::{Ask, AskError, Checked, Limiter, Taken};

use super::challenge;
use super::finishing::Finishing;

/// What a request has taken until it is settled. Where it never is, because the client left, it is settled then.
pub(crate) struct Held {
    limiter: Arc<Limiter>,
    pub(crate) checked: Checked,
    /// What goes back where the client left.
    left: fn(&mut Checked) -> Taken,
}

impl Held {
    /// Checks, with the solution that the request brings. Where the client leaves before the store has answered, what was taken is held
    /// until it has, and settled as `left` says.
    ///
    /// # Errors
    /// [`AskError::TooMany`].
    pub(crate) async fn check(
        limiter: &Arc<Limiter>,
        asks: Vec<Ask>,
        headers: &HeaderMap,
        client: Option<IpAddr>,
        left: fn(&mut Checked) -> Taken,
    ) -> Result<Self, AskError> {
        let limiter = limiter.clone();
        let brought = challenge::brought(headers).map(str::to_owned);
        let held = async move {
            let checked = challenge::check(&limiter, asks, brought.as_deref(), client).await?;
            Ok(Self { limiter, checked, left })
        };
        Finishing::of(held).await
    }

    /// Gives back what `settle` says, also where the client leaves meanwhile.
    pub(crate) async fn settle(&mut self, settle: impl FnOnce(&mut Checked) -> Taken) {
        let taken = settle(&mut self.checked);
        let limiter = self.limiter.clone();
        Finishing::of(async move { limiter.give_back(taken).await }).await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Of what was settled before nothing is left to give back.
        self.limiter.give_back_soon((self.left)(&mut self.checked));
    }
}
