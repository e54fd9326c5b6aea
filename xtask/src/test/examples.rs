//! Examples in documentation. Each crate that is asked for them costs seconds, and most have none: their manifests
//! say `doctest = false`, and this looks whether that is true.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use xtask::cmd::root;

/// Refuses a crate that has an example and says that it has none.
pub(super) fn none_is_hidden() -> Result<()> {
    for dir in ["host", "plugins", "."] {
        for entry in fs::read_dir(root().join(dir))? {
            let dir: PathBuf = entry?.path();
            let manifest = fs::read_to_string(dir.join("Cargo.toml")).unwrap_or_default();
            ensure!(
                !manifest.contains("doctest = false") || !has_example(&dir.join("src"))?,
                "{} has an example in its documentation, and its Cargo.toml says doctest = false",
                dir.display()
            );
        }
    }
    Ok(())
}

/// Whether a file below has an example in a comment that is documentation.
fn has_example(dir: &Path) -> Result<bool> {
    if !dir.exists() {
        return Ok(false);
    }
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        let found = if path.is_dir() {
            has_example(&path)?
        } else {
            path.extension().is_some_and(|it| it == "rs")
                && text_has_example(&fs::read_to_string(&path)?)
        };
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether documentation in this source has a block that rustdoc would compile. Blocks of `text`, such as diagrams,
/// it does not.
fn text_has_example(source: &str) -> bool {
    let mut inside = false;
    source.lines().filter_map(fence).any(|language| {
        inside = !inside;
        inside && !["text", "toml", "console", "sh"].contains(&language)
    })
}

/// The language of a fence in a comment that is documentation; empty where none is named.
fn fence(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let text = line
        .strip_prefix("//!")
        .or_else(|| line.strip_prefix("///"))?;
    text.trim_start().strip_prefix("```").map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_is_a_block_in_documentation_that_is_not_plain_text() {
        assert!(text_has_example("    //! ```no_run\n//! f();\n//! ```"));
        assert!(text_has_example(
            "/// ```text\n/// a -> b\n/// ```\n/// ```\n/// f();\n/// ```"
        ));
        assert!(!text_has_example("//! ```text\n//! a -> b\n//! ```"));
        assert!(!text_has_example("// ```\n// f();\n// ```"));
        assert!(!text_has_example("let fence = \"```\";"));
    }

    #[test]
    fn the_sdk_has_examples_and_no_crate_hides_its_own() {
        assert!(has_example(&root().join("sdk/src")).unwrap());
        none_is_hidden().unwrap();
    }
}
