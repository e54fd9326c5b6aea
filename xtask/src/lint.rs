//! What other tools find: licences, bans and sources of dependencies, dependencies that nothing uses, and spelling.
//! They are not installed here, and `cargo xtask ci` does without them.

use anyhow::{Result, ensure};
use xtask::cmd::{self, answer, cargo, command, step};

/// A tool, what shows that it is there, what runs it, and how one gets it.
struct Tool {
    name: &'static str,
    words: &'static [&'static str],
    install: &'static str,
}

const TOOLS: [Tool; 3] = [
    Tool {
        name: "cargo-deny",
        words: &["deny", "check", "bans", "licenses", "sources"],
        install: "cargo install --locked cargo-deny",
    },
    Tool {
        name: "cargo-shear",
        words: &["shear"],
        install: "cargo install --locked cargo-shear",
    },
    Tool {
        name: "typos",
        words: &[],
        install: "cargo install --locked typos-cli",
    },
];

pub(crate) fn run() -> Result<()> {
    let mut failed = Vec::new();
    let mut missing = Vec::new();
    for tool in &TOOLS {
        let make = |words: &[&str]| match tool.name.strip_prefix("cargo-") {
            Some(subcommand) => {
                let mut cargo = cargo(&[subcommand]);
                cargo.args(words);
                cargo
            }
            None => {
                let mut own = command(tool.name);
                own.args(words);
                own
            }
        };
        if answer(&mut make(&["--version"])).is_none() {
            missing.push(tool);
            continue;
        }
        step(&format!("{} {}", tool.name, tool.words.join(" ")));
        let words = tool.words.get(1..).unwrap_or_default();
        if let Err(error) = cmd::run(&mut make(words)) {
            println!("{error:#}");
            failed.push(tool.name);
        }
    }
    step("Summary");
    for tool in &missing {
        println!("NOT RUN: {} is not installed: {}", tool.name, tool.install);
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    println!(
        "{} of {} tools have run, none of them complains",
        TOOLS.len() - missing.len(),
        TOOLS.len()
    );
    Ok(())
}
