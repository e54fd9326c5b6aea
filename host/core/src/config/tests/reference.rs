//! The reference page is complete, true and up to date.

#![expect(clippy::disallowed_methods, reason = "the page is a file")]

use std::path::Path;

use super::fixture::model;
use crate::config::reference;

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
        "docs/configuration.md is out of date: run EVENKEEL_UPDATE_DOCS=1 cargo test -p evenkeel-core config::tests::reference"
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
