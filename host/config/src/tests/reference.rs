//! The reference page is complete, true and up to date.

#![expect(clippy::disallowed_methods, reason = "the page is a file")]

use std::path::Path;

use super::fixture::model;
use crate::reference;

fn examples() -> Vec<String> {
    let page = reference();
    page.split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn the_page_in_docs_is_what_the_declarations_say() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let page = reference();
    if std::env::var("EVENKEEL_UPDATE_DOCS").is_ok_and(|value| value == "1") {
        std::fs::write(&file, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == page,
        "docs/configuration.md is out of date: run EVENKEEL_UPDATE_DOCS=1 cargo test -p evenkeel-config tests::reference"
    );
}

#[test]
fn every_example_of_the_page_is_right() {
    let examples = examples();
    assert!(examples.len() >= 7, "{} examples", examples.len());
    for example in examples {
        let model = model(&example);
        assert!(!model.services.is_empty() || !model.vrrp.instances.is_empty());
    }
}

#[test]
fn every_example_file_is_right_and_gives_no_warning() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut read = 0;
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        // That one's plugin is an example itself.
        if path.extension().is_none_or(|e| e != "toml") || name == "sticky.toml" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!model(&text).services.is_empty(), "{name}");
        read += 1;
    }
    assert!(read >= 1);
}
