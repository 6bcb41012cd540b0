//! Listeners, bounds, logs, health and shutdown.

mod bounds;
mod docs;
mod finding;
mod health;
mod log;
mod metrics;
mod retention;
mod start;
mod stop;
mod waiting;
