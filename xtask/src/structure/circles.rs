//! Files that take names from each other, directly or by way of others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::tree::Edges;

/// Files each of which can be reached from each other one.
pub(super) type Circle = BTreeSet<PathBuf>;

/// All circles, each as large as it can be.
pub(super) fn circles(edges: &Edges) -> Vec<Circle> {
    let reach: BTreeMap<&Path, BTreeSet<&Path>> = edges
        .keys()
        .map(|file| (&**file, reachable(edges, file)))
        .collect();
    let mut circles: BTreeSet<Circle> = BTreeSet::new();
    for (file, reached) in &reach {
        if reached.contains(file) {
            let back = |other: &&&Path| reach.get(**other).is_some_and(|it| it.contains(file));
            let circle = reached.iter().filter(back);
            circles.insert(circle.map(|file| file.to_path_buf()).collect());
        }
    }
    circles.into_iter().collect()
}

fn reachable<'a>(edges: &'a Edges, from: &Path) -> BTreeSet<&'a Path> {
    let mut reached = BTreeSet::new();
    let mut left = vec![from];
    while let Some(file) = left.pop() {
        for next in edges.get(file).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(&**next) {
                left.push(next);
            }
        }
    }
    reached
}

/// A circle in words: which file takes which names from which.
pub(super) fn show(circle: &Circle, edges: &Edges, root: &Path) -> String {
    let short = |file: &Path| {
        file.strip_prefix(root)
            .unwrap_or(file)
            .display()
            .to_string()
    };
    let mut out = format!("a circle of {} files:", circle.len());
    for from in circle {
        let taken = edges.get(from).into_iter().flatten();
        for (of, names) in taken.filter(|(of, _)| circle.contains(*of)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            // Writing to a string does not fail.
            let _ = write!(
                out,
                "\n  {} -> {}: {}",
                short(from),
                short(of),
                names.join(", ")
            );
        }
    }
    out
}
