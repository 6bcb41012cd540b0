//! The command line against a running server.
