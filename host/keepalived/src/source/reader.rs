//! What is known while lines are read.

use std::collections::BTreeMap;

use super::glyph::Line;
use crate::note::Notes;

/// A file that an `include` line names.
#[derive(Debug, Clone)]
pub struct Included {
    /// The file's name as notes are to show it; the next `include` starts from its directory.
    pub name: String,
    /// What is in it, or why it cannot be read.
    pub contents: Result<Vec<u8>, String>,
}

/// Finds the files that an `include` line names: given the line's pattern (which may have wildcards, and starts from
/// the directory of the including file) and the including file, those that there are, in the order in which they are to
/// be read.
///
/// # Errors
/// Why the pattern cannot be followed at all.
pub type Load<'a> = dyn FnMut(&str, &str) -> Result<Vec<Included>, String> + 'a;

/// A configuration while its lines are read.
pub(super) struct Reader<'a, 'b> {
    pub(super) id: Option<&'a str>,
    pub(super) load: &'a mut Load<'b>,
    pub(super) notes: &'a mut Notes,
    /// What has been defined so far. Their places are of no use where they are put in.
    pub(super) parameters: BTreeMap<String, Vec<char>>,
    /// The names of the files that are being read, each included by the one before.
    pub(super) open: Vec<String>,
    pub(super) lines: Vec<Line>,
    /// How many characters may still be read.
    pub(super) left: usize,
    /// There were too many, which has been said.
    pub(super) full: bool,
}
