//! Stands where the references are not compiled.

use crate::Error;
use std::time::Duration;

fn absent<T>() -> Result<T, Error> {
    Err("built without its references; run: cargo xtask bench".into())
}

/// Would serve sessions.
pub(crate) async fn serve(_address: &str, _redis: &str) -> Result<(), Error> {
    absent()
}

/// Would create sessions for some time.
pub(crate) async fn create(_redis: &str, _time: Duration) -> Result<(), Error> {
    absent()
}

/// Would create sessions, and return what their cookies hold.
pub(crate) async fn fill(_redis: &str, _sessions: usize) -> Result<Vec<String>, Error> {
    absent()
}
