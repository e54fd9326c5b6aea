//! Which file a plugin's name means, where several give themselves the same.

use std::path::Path;

use super::Catalogue;
use super::entry::Entry;
use super::shadowed::Shadowed;

impl Catalogue {
    /// The files that give themselves this name and come first: usable ones before others; of those the native ones,
    /// and the ones of the first directory that has any.
    pub(super) fn named_first(&self, name: &str) -> Vec<&Entry> {
        let usable: Vec<&Entry> = self.named(name).filter(|it| it.info().is_ok()).collect();
        if usable.is_empty() {
            return self.named(name).collect();
        }
        let of_directories = usable.iter().find(|entry| !self.is_native(entry));
        let first = of_directories.map(|entry| directory(entry));
        let counts = |entry: &&Entry| self.is_native(entry) || Some(directory(entry)) == first;
        usable.into_iter().filter(counts).collect()
    }

    /// What is not used because of an earlier directory.
    #[must_use]
    pub fn shadowed(&self) -> Vec<Shadowed> {
        let mut shadowed = Vec::new();
        for entry in &self.entries {
            let Ok(info) = entry.info() else { continue };
            let name = &info.manifest.name;
            let used = self.named_first(name);
            if used.iter().any(|it| it.file == entry.file) {
                continue;
            }
            let by = used.iter().find(|it| !self.is_native(it));
            shadowed.extend(by.map(|by| Shadowed {
                name: name.clone(),
                file: entry.file.clone(),
                by: by.file.clone(),
            }));
        }
        shadowed
    }

    fn is_native(&self, entry: &Entry) -> bool {
        self.native.iter().any(|native| native.file == entry.file)
    }
}

fn directory(entry: &Entry) -> Option<&Path> {
    entry.file.parent()
}
