//! Secrets of the configuration: judged, read from files, and generated where nobody has given one.
//!
//! A generated file appears under its name complete or not at all, so that a crash in the middle cannot leave half a secret
//! that the next start would trust.

use super::bounds;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::Path,
};
use vestibule::id::random;
use zeroize::Zeroizing;

/// A secret as it was written. Redacted whole and wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SecretText(Zeroizing<String>);

impl SecretText {
    pub(super) fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text itself, for the one place that needs it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// Bytes for a key ring. Only development mode lets a text pass that is shorter than a ring takes: it is repeated until
    /// it is long enough, which makes it no stronger.
    pub(crate) fn key_material(&self) -> Zeroizing<Vec<u8>> {
        let length = self.0.len().max(bounds::SECRET_RING_BYTES);
        Zeroizing::new(self.0.bytes().cycle().take(length).collect())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(redacted)")
    }
}

/// What is done about a weak secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Strictness {
    /// It stops the start.
    Strict,
    /// It is warned of: development mode on loopback.
    Lenient,
}

/// Why a secret is weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weakness {
    /// Fewer than [`bounds::SECRET_MIN_BYTES`] bytes.
    TooShort,
    /// The text of an example, or a repetition.
    Placeholder,
}

impl fmt::Display for Weakness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => {
                write!(f, "is shorter than {} bytes; `openssl rand -base64 32` makes a good one", bounds::SECRET_MIN_BYTES)
            }
            Self::Placeholder => f.write_str("is a placeholder or a repetition; `openssl rand -base64 32` makes a good one"),
        }
    }
}

/// Whether a secret may protect something.
pub(super) fn judge(text: &str) -> Result<(), Weakness> {
    if is_placeholder(text) {
        Err(Weakness::Placeholder)
    } else if text.len() < bounds::SECRET_MIN_BYTES {
        Err(Weakness::TooShort)
    } else {
        Ok(())
    }
}

/// Texts that people copy out of examples, and texts of hardly any variety.
fn is_placeholder(text: &str) -> bool {
    is_example(text) || is_monotonous(Zeroizing::new(text.trim().to_ascii_lowercase()).as_bytes())
}

/// Texts that people copy out of examples.
pub(super) fn is_example(text: &str) -> bool {
    const ANYWHERE: [&str; 8] =
        ["changeme", "change_me", "change-me", "change this", "placeholder", "replaceme", "replace_me", "replace-me"];
    const ALONE: [&str; 5] = ["secret", "password", "example", "default", "test"];
    let lower = Zeroizing::new(text.trim().to_ascii_lowercase());
    let is_yours = ["your_", "your-", "your ", "<your", "${"].iter().any(|start| lower.starts_with(start));
    is_yours || ANYWHERE.iter().any(|word| lower.contains(word)) || ALONE.iter().any(|word| *lower == *word)
}

fn is_monotonous(bytes: &[u8]) -> bool {
    let mut seen = [false; 256];
    bytes.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    let distinct = seen.iter().filter(|seen| **seen).count();
    let repeats = (1..=bytes.len() / 2).any(|period| bytes[period..] == bytes[..bytes.len() - period]);
    repeats || (bytes.len() >= bounds::SECRET_MIN_BYTES && distinct < bounds::SECRET_DISTINCT_BYTES)
}

/// Why a file with a secret cannot be used.
#[derive(Debug)]
pub(crate) enum SecretFileError {
    /// The operating system refuses.
    Io(io::Error),
    /// Empty, longer than a secret can be, or not text.
    NotASecret,
    /// A generated file that others than its owner can read.
    Exposed,
}

impl fmt::Display for SecretFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotASecret => f.write_str("it does not hold one line of text"),
            Self::Exposed => f.write_str("others than its owner can read it; replace it, or `chmod 600` it"),
        }
    }
}

impl std::error::Error for SecretFileError {}

impl From<io::Error> for SecretFileError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads a secret that the operator put into a file. A line end after it does not belong to it.
///
/// Its permissions are the operator's business: mounted secrets are often readable by a group.
pub(super) fn read_file(path: &Path) -> Result<SecretText, SecretFileError> {
    read_open(File::open(path)?)
}

fn read_open(file: File) -> Result<SecretText, SecretFileError> {
    let mut text = Zeroizing::new(String::new());
    let read = file.take(bounds::SECRET_FILE_BYTES + 1).read_to_string(&mut text);
    match read {
        Ok(length) if length as u64 > bounds::SECRET_FILE_BYTES => {
            return Err(SecretFileError::NotASecret);
        }
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            return Err(SecretFileError::NotASecret);
        }
        Err(error) => return Err(error.into()),
        Ok(_) => {}
    }
    let line = text.trim_end_matches(['\r', '\n']);
    if line.is_empty() || line.contains(char::is_control) {
        return Err(SecretFileError::NotASecret);
    }
    Ok(SecretText::new(line.to_owned()))
}

/// A secret of the data folder.
#[derive(Debug)]
pub(crate) struct Generated {
    /// The secret.
    pub(crate) text: SecretText,
    /// Whether this call has made it; false where the file was there.
    pub(crate) is_new: bool,
}

/// The deployment's secret in `<data dir>/secret` (mode 0600), generated where there is none: for development mode.
///
/// Of processes that start at the same time one generates and the others read its file.
pub(crate) fn load_or_generate(data_dir: &Path) -> Result<Generated, SecretFileError> {
    load_or_generate_as(data_dir, "secret", "")
}

/// The bootstrap management key in `<data dir>/management.key` (mode 0600), generated where there is none: `vk_` and 43
/// characters of base64url.
pub(crate) fn load_or_generate_management_key(data_dir: &Path) -> Result<Generated, SecretFileError> {
    load_or_generate_as(data_dir, "management.key", "vk_")
}

fn load_or_generate_as(data_dir: &Path, name: &str, prefix: &str) -> Result<Generated, SecretFileError> {
    create_private_dir(data_dir)?;
    let path = data_dir.join(name);
    if let Some(text) = read_private(&path)? {
        return Ok(Generated { text, is_new: false });
    }
    let bytes = Zeroizing::new(random::<{ bounds::GENERATED_BYTES }>());
    let text = SecretText::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes.as_slice())));
    if publish(data_dir, &path, &text)? {
        return Ok(Generated { text, is_new: true });
    }
    let text = read_private(&path)?.ok_or(SecretFileError::NotASecret)?;
    Ok(Generated { text, is_new: false })
}

fn read_private(path: &Path) -> Result<Option<SecretText>, SecretFileError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if is_exposed(&file)? {
        return Err(SecretFileError::Exposed);
    }
    read_open(file).map(Some)
}

/// Writes the secret beside its place and links it there. False where another process was faster.
fn publish(data_dir: &Path, path: &Path, text: &SecretText) -> io::Result<bool> {
    let mut draft = tempfile::Builder::new().prefix(".secret-").tempfile_in(data_dir)?;
    draft.write_all(text.expose().as_bytes())?;
    draft.write_all(b"\n")?;
    draft.as_file().sync_all()?;
    match draft.persist_noclobber(path) {
        Ok(_) => {
            // Without this the name may be gone after a power loss, and with it every session made under the secret.
            OpenOptions::new().read(true).open(data_dir)?.sync_all()?;
            Ok(true)
        }
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error),
    }
}

#[cfg(unix)]
fn create_private_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(not(unix))]
fn create_private_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

#[cfg(unix)]
fn is_exposed(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_exposed(_file: &File) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    // S88: what is generated is random, private, and the same at the next start.
    #[test]
    fn a_generated_secret_is_strong_private_and_stays() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let dir = parent.path().join("data");
        let first = load_or_generate(&dir).expect("generated");
        let again = load_or_generate(&dir).expect("read");
        assert!(first.is_new && !again.is_new && first.text == again.text);
        assert_eq!(judge(first.text.expose()), Ok(()));
        let key = load_or_generate_management_key(&dir).expect("generated").text;
        assert!(key.expose().starts_with("vk_") && key.expose().len() == 46 && judge(key.expose()).is_ok());
        let elsewhere = load_or_generate(&parent.path().join("other")).expect("generated");
        assert!(elsewhere.text != first.text);
        let left: Vec<_> = fs::read_dir(&dir).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
        assert_eq!(left.len(), 2, "no draft is left: {left:?}");
    }

    #[cfg(unix)]
    #[test]
    fn a_generated_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let parent = tempfile::tempdir().expect("a temporary folder");
        let dir = parent.path().join("data");
        load_or_generate(&dir).expect("generated");
        let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
        let path = dir.join("secret");
        assert_eq!((mode(&dir), mode(&path)), (0o700, 0o600));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("changed");
        assert!(matches!(load_or_generate(&dir), Err(SecretFileError::Exposed)));
    }

    #[test]
    fn processes_that_start_together_agree_on_one_secret() {
        let parent = tempfile::tempdir().expect("a temporary folder");
        let barrier = Barrier::new(8);
        let start = || {
            barrier.wait();
            load_or_generate(parent.path()).expect("generated or read")
        };
        let all: Vec<Generated> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert_eq!(all.iter().filter(|generated| generated.is_new).count(), 1);
        assert!(all.iter().all(|generated| generated.text == all[0].text));
    }
}
