//! The files that a new plugin begins with.

use crate::kind::Kind;
use crate::language::Language;

/// A file of a new plugin: where it is, and its text, in which `{{name}}` stands for the plugin's name.
pub(super) type Template = (&'static str, &'static str);

macro_rules! template {
    ($at:literal, $file:literal) => {
        ($at, include_str!(concat!("../../templates/", $file)))
    };
}

/// A configuration with the plugin in it.
pub(super) const fn example(kind: Kind) -> &'static str {
    match kind {
        Kind::Scheduler => include_str!("../../templates/example-scheduler.toml"),
        Kind::Checker => include_str!("../../templates/example-checker.toml"),
    }
}

/// What every plugin in this language has.
pub(super) const fn common(language: Language) -> &'static [Template] {
    match language {
        Language::Rust => &[
            template!("Cargo.toml", "Cargo.toml"),
            template!(".gitignore", "gitignore"),
        ],
        Language::C => &[template!(".gitignore", "wasm-gitignore")],
        Language::Go => &[
            template!("go.mod", "go.mod"),
            template!("main.go", "go-main.go"),
            template!("README.md", "go-README.md"),
            template!(".gitignore", "wasm-gitignore"),
        ],
        Language::JavaScript => &[
            template!("package.json", "js-package.json"),
            template!("README.md", "js-README.md"),
            template!(".gitignore", "js-gitignore"),
        ],
        Language::Python => &[
            template!("README.md", "python-README.md"),
            template!(".gitignore", "python-gitignore"),
        ],
    }
}

/// What a plugin of this kind has.
pub(super) const fn own(language: Language, kind: Kind) -> &'static [Template] {
    match (language, kind) {
        (Language::Rust, Kind::Scheduler) => &[
            template!("src/lib.rs", "rust-scheduler/lib.rs"),
            template!("README.md", "rust-scheduler/README.md"),
        ],
        (Language::Rust, Kind::Checker) => &[
            template!("src/lib.rs", "rust-checker/lib.rs"),
            template!("README.md", "rust-checker/README.md"),
        ],
        (Language::C, Kind::Scheduler) => &[
            template!("plugin.c", "c-scheduler/plugin.c"),
            template!("README.md", "c-scheduler/README.md"),
        ],
        (Language::C, Kind::Checker) => &[
            template!("plugin.c", "c-checker/plugin.c"),
            template!("README.md", "c-checker/README.md"),
        ],
        (Language::Go, Kind::Scheduler) => &[template!(
            "scheduler/scheduler.go",
            "go-scheduler/scheduler.go"
        )],
        (Language::Go, Kind::Checker) => {
            &[template!("checker/checker.go", "go-checker/checker.go")]
        }
        (Language::JavaScript, Kind::Scheduler) => {
            &[template!("plugin.js", "js-scheduler/plugin.js")]
        }
        (Language::JavaScript, Kind::Checker) => &[template!("plugin.js", "js-checker/plugin.js")],
        (Language::Python, Kind::Scheduler) => {
            &[template!("plugin.py", "python-scheduler/plugin.py")]
        }
        (Language::Python, Kind::Checker) => &[template!("plugin.py", "python-checker/plugin.py")],
    }
}
