//! Listeners, bounds, logs, health and shutdown.
