//! .

pub use vestibule_core::{bounds, id, password, secret, session, time};
#[cfg(feature = "axum")]
pub use vestibule_http as http;
