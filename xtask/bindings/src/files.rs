//! What is generated.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// Files by their path from the top of the repository.
pub(crate) type Files = BTreeMap<PathBuf, Vec<u8>>;
