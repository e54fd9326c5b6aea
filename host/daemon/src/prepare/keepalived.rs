//! keepalived's configuration files: reading them, with those that they include, and telling what is not carried over.

use std::path::Path;

use anyhow::Context as _;
use evenkeel_keepalived::{self as keepalived, Included, Kind, Translation};
use evenkeel_runtime::files;
use tracing::warn;

/// The largest file that is read as one of a configuration. Ten thousand services have some 5 MB.
pub(super) const MAX_CONFIG: u64 = 64 << 20;

/// Whether a file is one of keepalived's.
pub fn is_keepalived(file: &Path, bytes: &[u8]) -> bool {
    keepalived::is_keepalived(&file.to_string_lossy(), bytes)
}

/// Translates a file that has been read, and reads those that it includes. `id` is what `@NAME` lines are compared
/// with; without one it is this host's name, as with keepalived.
pub fn translate(file: &Path, bytes: &[u8], id: Option<&str>) -> Translation {
    let host = host_name();
    let id = id.or(host.as_deref());
    keepalived::translate(&file.to_string_lossy(), bytes, id, &mut included)
}

/// [`translate`], for a configuration that is to be run: what is not carried over is logged.
///
/// # Errors
/// When something in it cannot be understood: all of that.
pub(super) fn usable(file: &Path, bytes: &[u8]) -> anyhow::Result<Translation> {
    let translation = translate(file, bytes, None);
    let (errors, others): (Vec<_>, Vec<_>) = translation
        .notes
        .iter()
        .partition(|note| note.kind == Kind::Error);
    if !errors.is_empty() {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        anyhow::bail!("{}", lines.join("\n"));
    }
    for note in others {
        warn!("{note}");
    }
    Ok(translation)
}

/// The first part of the host's name.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let first = name.trim().split('.').next()?;
    (!first.is_empty()).then(|| first.to_owned())
}

/// The files that an `include` names, in the order of their names. Relative ones start from the including file's
/// directory.
fn included(pattern: &str, from: &str) -> Result<Vec<Included>, String> {
    let directory = Path::new(from).parent().unwrap_or(Path::new(""));
    let directory = glob::Pattern::escape(&directory.to_string_lossy());
    let pattern = Path::new(&directory).join(pattern);
    let options = glob::MatchOptions {
        require_literal_leading_dot: true,
        ..glob::MatchOptions::new()
    };
    let paths = glob::glob_with(&pattern.to_string_lossy(), options)
        .map_err(|error| format!("not a pattern: {error}"))?;
    let files = paths.map(|path| match path {
        Ok(path) => Included {
            contents: files::read(&path, MAX_CONFIG).map_err(|error| error.to_string()),
            name: path.to_string_lossy().into_owned(),
        },
        Err(error) => Included {
            name: error.path().to_string_lossy().into_owned(),
            contents: Err(error.error().to_string()),
        },
    });
    Ok(files.collect())
}

/// Reads a file of keepalived's.
///
/// # Errors
/// When it cannot be read.
pub fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    files::read(file, MAX_CONFIG).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(translation: &Translation) -> Vec<String> {
        translation.notes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn included_files_are_read_from_the_directory_of_the_file_that_includes_them() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("conf.d")).unwrap();
        std::fs::write(at("conf.d/b.conf"), "include more/*.inc\n").unwrap();
        std::fs::write(at("conf.d/a.conf"), "global_defs {\n router_id a\n}\n").unwrap();
        std::fs::create_dir(at("conf.d/more")).unwrap();
        std::fs::write(
            at("conf.d/more/c.inc"),
            "vrrp_script c { script /bin/true }\n",
        )
        .unwrap();
        let main = at("keepalived.conf");
        let found = translate(&main, b"include conf.d/*.conf\n", None);
        assert!(found.toml.contains("name = \"c\""), "{}", found.toml);
        let [note] = notes(&found).try_into().unwrap();
        let place = format!("{}:2: router_id", at("conf.d/a.conf").display());
        assert!(note.starts_with(&place), "{note}");
    }

    #[test]
    fn files_that_include_each_other_are_an_error_and_not_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let main = dir.path().join("keepalived.conf");
        std::fs::write(&main, "include keepalived.conf\n").unwrap();
        let found = translate(&main, b"include keepalived.conf\n", None);
        assert!(found.has_errors());
        assert!(notes(&found).iter().any(|note| note.contains("circle")));
        assert!(usable(&main, b"include keepalived.conf\n").is_err());
    }

    #[test]
    fn a_file_that_is_not_there_is_said_to_be_missing() {
        let found = translate(Path::new("/nowhere/k.conf"), b"includer x.conf\n", None);
        assert!(found.has_errors(), "{:?}", notes(&found));
        let found = translate(Path::new("/nowhere/k.conf"), b"include x.conf\n", None);
        assert!(!found.has_errors() && !found.notes.is_empty());
    }

    #[test]
    fn a_pipe_that_is_included_is_an_error_and_nobody_waits_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let pipe = dir.path().join("x.conf");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let found = translate(&dir.path().join("k.conf"), b"include x.conf\n", None);
        let [note] = notes(&found).try_into().unwrap();
        assert!(note.contains("is no regular file"), "{note}");
        let error = format!("{:#}", read(&pipe).unwrap_err());
        assert!(error.ends_with("x.conf: is no regular file"), "{error}");
    }

    #[test]
    fn lines_are_chosen_by_the_name_that_is_given() {
        let text =
            b"@main vrrp_script m { script /bin/m }\n@^main vrrp_script o { script /bin/o }\n";
        let file = Path::new("k.conf");
        let main = translate(file, text, Some("main")).toml;
        assert!(main.contains("/bin/m") && !main.contains("/bin/o"));
        let other = translate(file, text, Some("backup")).toml;
        assert!(!other.contains("/bin/m") && other.contains("/bin/o"));
    }
}
