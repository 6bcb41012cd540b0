//! The bounds that the sources keep to.

/// Most lines of a Rust file outside its tests; above it, the file wants to be a folder.
pub(crate) const FILE_LINES: usize = 600;
/// From here on a Rust file is named in a warning.
pub(crate) const FILE_LINES_WARN: usize = 500;
/// Largest file that the rules read, in bytes; larger ones are data.
pub(crate) const FILE_BYTES: u64 = 2 * 1024 * 1024;
