//! What a listener answers with before and after the stores are open.

use axum::{Router, extract::Request, response::Response};
use std::{
    convert::Infallible,
    sync::{Arc, OnceLock},
};
use tower::{Service, ServiceExt as _};

/// A service that another one takes over from, once and for good. Connections that are open by then notice with their next
/// request.
pub(super) struct Staged<S>(Arc<Stages<S>>);

struct Stages<S> {
    waiting: Router,
    ready: OnceLock<S>,
}

impl<S> Clone for Staged<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<S> Staged<S> {
    /// Answers with `waiting` for now.
    pub(super) fn new(waiting: Router) -> Self {
        Self(Arc::new(Stages { waiting, ready: OnceLock::new() }))
    }

    /// Answers with this from now on. The first one stays.
    pub(super) fn take_over(&self, ready: S) {
        let _ = self.0.ready.set(ready);
    }
}

impl<S> Staged<S>
where
    S: Service<Request, Response = Response, Error = Infallible> + Clone,
{
    /// The answer of whichever service it is now.
    pub(super) async fn answer(self, request: Request) -> Result<Response, Infallible> {
        match self.0.ready.get() {
            Some(ready) => ready.clone().oneshot(request).await,
            None => self.0.waiting.clone().oneshot(request).await,
        }
    }
}
