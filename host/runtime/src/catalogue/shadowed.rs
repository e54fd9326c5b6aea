//! What is not used because of another.

use std::path::PathBuf;

/// A file that is not used, since an earlier directory has a plugin of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shadowed {
    /// The name of both.
    pub name: String,
    /// The file that is not used.
    pub file: PathBuf,
    /// The file that is.
    pub by: PathBuf,
}
