//! The management API: every route, its answers and its errors.
