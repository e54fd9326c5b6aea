//! What a file's text alone tells: its length, and documentation that says nothing.

use std::path::Path;

/// The most lines that a file may have, its own tests included.
const MAX_LINES: usize = 500;

/// Whether a file holds tests only.
pub(super) fn is_test(file: &Path) -> bool {
    let name =
        |part: &std::ffi::OsStr| part == "tests" || part == "tests.rs" || part == "generated";
    file.iter().any(name)
}

/// What is wrong with a file's text, if it is not one of tests.
pub(super) fn faults(file: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let count = text.lines().count();
    if count > MAX_LINES {
        faults.push(format!(
            "{file}: {count} lines, {MAX_LINES} at most: split it by idea"
        ));
    }
    let mut lines = text.lines().enumerate().peekable();
    let mut before = "";
    while let Some((number, line)) = lines.next() {
        let line = line.trim();
        let alone = !before.starts_with("///")
            && lines
                .peek()
                .is_none_or(|(_, next)| !next.trim().starts_with("///"));
        if alone && is_empty_doc(line) {
            let number = number + 1;
            faults.push(format!(
                "{file}:{number}: it only refers to the module's documentation"
            ));
        }
        before = line;
    }
    faults
}

fn is_empty_doc(line: &str) -> bool {
    let Some(doc) = line.strip_prefix("///") else {
        return false;
    };
    let doc = doc.trim().trim_end_matches('.').to_lowercase();
    doc.starts_with("see the ")
        && (doc.ends_with("module's documentation") || doc.ends_with("module documentation"))
}
