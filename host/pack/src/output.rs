//! Writing a plugin file: as a whole, or not at all.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

/// Writes a file beside the one that is meant, has it looked at, and gives it its name. Whatever fails, nothing is left
/// behind, and a file that had the name stays what it was.
///
/// # Errors
/// When it cannot be written, or what `look` says against it.
pub fn write<E: From<io::Error>>(
    file: &Path,
    content: &[u8],
    look: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let name = file
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "this is no name of a file"))?;
    // Hidden, and no `*.wasm`: no daemon that reads its directory now takes it for a plugin.
    let mut unfinished = OsString::from(".");
    unfinished.push(name);
    unfinished.push(format!(".{}.new", std::process::id()));
    let unfinished = file.with_file_name(unfinished);
    let written = fs::write(&unfinished, content)
        .map_err(E::from)
        .and_then(|()| look(&unfinished))
        .and_then(|()| fs::rename(&unfinished, file).map_err(E::from));
    if written.is_err() {
        // Its own error would hide the first one.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_leaves_the_directory_as_it_was() {
        let directory = std::env::temp_dir().join(format!("evenkeel-pack-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let file = directory.join("p.wasm");
        let names = || {
            let mut names: Vec<_> = fs::read_dir(&directory)
                .unwrap()
                .map(|it| it.unwrap().file_name())
                .collect();
            names.sort();
            names
        };
        let refused = || Err(io::Error::other("no plugin"));
        assert!(write(&file, b"new", |_| refused()).is_err());
        assert!(names().is_empty());
        write::<io::Error>(&file, b"old", |_| Ok(())).unwrap();
        let seen = write(&file, b"new", |beside| {
            assert_eq!(fs::read(beside).unwrap(), b"new");
            refused()
        });
        assert!(seen.is_err());
        assert_eq!(fs::read(&file).unwrap(), b"old");
        assert_eq!(names(), ["p.wasm"]);
        assert!(write::<io::Error>(Path::new("/"), b"", |_| Ok(())).is_err());
        fs::remove_dir_all(&directory).unwrap();
    }
}
