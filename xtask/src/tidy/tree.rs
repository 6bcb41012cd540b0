//! The text files of the repository.

use crate::bounds::FILE_BYTES;
use std::{
    io,
    path::{Path, PathBuf},
};

/// What holds nothing written by hand: folders, and the file `.git` of a second work tree.
const SKIPPED: &[&str] = &[".git", "target", "vestibule-data", "node_modules"];

/// A text file.
#[derive(Debug)]
pub(crate) struct File {
    /// From the root, with slashes.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// Whether the name ends with this, such as `.rs`.
    pub(crate) fn is(&self, ending: &str) -> bool {
        self.path.ends_with(ending)
    }

    /// The lines with their numbers, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.split('\n').enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// All text files, in the order of their paths.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    pub(crate) files: Vec<File>,
}

impl Tree {
    /// Reads the repository; files that are large or not UTF-8 are left out.
    pub(crate) fn read(root: &Path) -> io::Result<Self> {
        let mut tree = Self::default();
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let entry = entry?;
                if SKIPPED.contains(&&*entry.file_name().to_string_lossy()) {
                    continue;
                }
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    tree.files.extend(read_text(root, entry.path())?);
                }
            }
        }
        tree.files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(tree)
    }

    /// The file at this path.
    pub(crate) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// The Rust files.
    pub(crate) fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.is(".rs"))
    }

    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(path, text)| File { path: (*path).into(), text: (*text).into() }).collect();
        Self { files }
    }
}

fn read_text(root: &Path, path: PathBuf) -> io::Result<Option<File>> {
    if path.metadata()?.len() > FILE_BYTES {
        return Ok(None);
    }
    let Ok(text) = String::from_utf8(std::fs::read(&path)?) else { return Ok(None) };
    let parts: Vec<_> = path.strip_prefix(root).unwrap_or(&path).iter().map(|part| part.to_string_lossy()).collect();
    Ok(Some(File { path: parts.join("/"), text }))
}
