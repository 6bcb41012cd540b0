//! [`Finishing`]: what has begun is finished, whoever leaves meanwhile.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future that a task of its own finishes where it is dropped after it has begun. Until then it runs where it is waited for, so that
/// whoever stays pays for no task. Outside a runtime it ends with the drop.
pub(super) struct Finishing<T: 'static> {
    /// `None` once it is done.
    future: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    has_begun: bool,
}

impl<T: 'static> Finishing<T> {
    pub(super) fn of(future: impl Future<Output = T> + Send + 'static) -> Self {
        Self { future: Some(Box::pin(future)), has_begun: false }
    }
}

impl<T: 'static> Future for Finishing<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        self.has_begun = true;
        let future = self.future.as_mut().expect("nobody polls a future that is done");
        let polled = future.as_mut().poll(cx);
        if polled.is_ready() {
            self.future = None;
        }
        polled
    }
}

impl<T: 'static> Drop for Finishing<T> {
    fn drop(&mut self) {
        let Some(future) = self.future.take().filter(|_| self.has_begun) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move { drop(future.await) });
        }
    }
}
