//! Accounts and the routes of browsers, and the transcript of the README.
