//! Plugins in other languages than Rust: as `plugin new` makes them, and with what their libraries ask of a machine.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use evenkeel_tests::{Article, Evenkeel, Paths, isolated, skipped};

use crate::author::{blocks, new_ones_balance, path, says, shell};
use crate::support::{PATIENCE, servers, tcp_backends};

/// Where Debian's wasi-libc is.
const WASI_LIBC: &str = "/usr/include/wasm32-wasi";
const NO_C: &str = "there is no C compiler for WebAssembly: apt install clang lld wasi-libc libclang-rt-14-dev-wasm32";
const NOT_OPTIMISED: &str = "a compiler of plugins that is not optimised would take minutes: cargo xtask test --all \
                             takes the release build, EVENKEEL_BIN=target/release/evenkeel";

#[test]
fn in_c_a_scheduler_and_a_checker_balance() -> Result<()> {
    if !Path::new(WASI_LIBC).is_dir() {
        return skipped("languages::in_c_a_scheduler_and_a_checker_balance", NO_C);
    }
    isolated(|| new_ones_balance("c", "", |_| {}))
}

#[test]
fn in_go_a_scheduler_and_a_checker_balance() -> Result<()> {
    let test = "languages::in_go_a_scheduler_and_a_checker_balance";
    if let Some(why) = missing(["go", "version"])? {
        return skipped(test, &why);
    }
    isolated(|| new_ones_balance("go", "", |_| {}))
}

#[test]
fn in_javascript_a_scheduler_and_a_checker_balance() -> Result<()> {
    let test = "languages::in_javascript_a_scheduler_and_a_checker_balance";
    if let Some(why) = missing(["componentize-qjs", "--help"])? {
        return skipped(test, &why);
    }
    isolated(|| new_ones_balance("js", "", |_| {}))
}

#[test]
fn in_python_a_scheduler_and_a_checker_balance() -> Result<()> {
    let test = "languages::in_python_a_scheduler_and_a_checker_balance";
    if let Some(why) = missing(["componentize-py", "--version"])? {
        return skipped(test, &why);
    }
    isolated(|| new_ones_balance("python", "", |_| {}))
}

/// Why a language's plugins cannot be made here: its compiler has to be there, and ours optimised.
fn missing(tool: [&str; 2]) -> Result<Option<String>> {
    let there = Command::new("sh")
        .args(["-c", "exec \"$0\" \"$1\"", tool[0], tool[1]])
        .env("PATH", path()?)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    Ok(if !there.success() {
        Some(format!(
            "there is no {} (CONTRIBUTING.md says how to get it)",
            tool[0]
        ))
    } else if std::env::var_os("EVENKEEL_BIN").is_none() {
        Some(NOT_OPTIMISED.to_owned())
    } else {
        None
    })
}

#[test]
fn the_pages_commands_for_c_lead_from_nothing_to_a_tested_plugin_word_for_word() -> Result<()> {
    let test =
        "languages::the_pages_commands_for_c_lead_from_nothing_to_a_tested_plugin_word_for_word";
    let section = section("C")?;
    let (_, packages) = NO_C.split_once(": ").context("no packages")?;
    assert!(
        section.replace('\n', " ").contains(packages),
        "it does not say {packages}"
    );
    if !Path::new(WASI_LIBC).is_dir() {
        return skipped(test, NO_C);
    }
    follow_the_page("C", test)
}

#[test]
fn the_pages_commands_for_go_lead_from_nothing_to_a_tested_plugin_word_for_word() -> Result<()> {
    let test =
        "languages::the_pages_commands_for_go_lead_from_nothing_to_a_tested_plugin_word_for_word";
    follow_the_page_optimised("Go", test)
}

#[test]
fn the_pages_commands_for_javascript_lead_from_nothing_to_a_tested_plugin_word_for_word()
-> Result<()> {
    let test = "languages::the_pages_commands_for_javascript_lead_from_nothing_to_a_tested_plugin_word_for_word";
    follow_the_page_optimised("JavaScript", test)
}

#[test]
fn the_pages_commands_for_python_lead_from_nothing_to_a_tested_plugin_word_for_word() -> Result<()>
{
    let test = "languages::the_pages_commands_for_python_lead_from_nothing_to_a_tested_plugin_word_for_word";
    follow_the_page_optimised("Python", test)
}

/// docs/languages.md.
fn page() -> Result<String> {
    Ok(fs::read_to_string(
        Paths::workspace().join("docs/languages.md"),
    )?)
}

/// The section of the page that has this title.
fn section(title: &str) -> Result<String> {
    let page = page()?;
    let opening = format!("\n## {title}\n");
    let (_, rest) = page.split_once(&opening).context("no such section")?;
    Ok(rest.split("\n## ").next().unwrap_or_default().to_owned())
}

fn follow_the_page_optimised(language: &str, test: &str) -> Result<()> {
    if std::env::var_os("EVENKEEL_BIN").is_none() {
        return skipped(test, NOT_OPTIMISED);
    }
    follow_the_page(language, test)
}

/// Types what the section says, line by line. Where a line that gets a tool fails, the test is left out.
fn follow_the_page(language: &str, test: &str) -> Result<()> {
    let blocks = blocks(&section(language)?, "sh");
    assert_eq!(blocks.len(), 1, "{language}: a section has one block");
    let top = tempfile::tempdir()?;
    let mut dir = top.path().to_owned();
    let mut said = String::new();
    for line in blocks[0].lines() {
        if let Some(next) = line.strip_prefix("cd ") {
            dir.push(next);
            continue;
        }
        let output = shell(&dir, line)?;
        let all = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&all);
        let gets_a_tool = ["npm ", "python3 -m venv "].map(|it| line.starts_with(it));
        if !output.status.success() && gets_a_tool.contains(&true) {
            let reason = text.lines().last().unwrap_or_default();
            return skipped(test, &format!("`{line}` fails: {reason}"));
        }
        assert!(output.status.success(), "{line}\n{text}");
        said += &text;
    }
    assert!(said.contains("scheduler dice 0.1.0"), "{said}");
    assert!(said.contains("ok      1,000 servers"), "{said}");
    let size = fs::metadata(dir.join("dice.wasm"))?.len();
    assert_size(language, size)
}

/// A file's size is about what the page's table says.
fn assert_size(language: &str, bytes: u64) -> Result<()> {
    let page = page()?;
    let row = page.lines().find_map(|line| {
        let cells = line.strip_prefix(&format!("| {language} | "))?;
        cells.split_once(" MB |").map(|(size, _)| size.to_owned())
    });
    let told: f64 = row.context("no such row")?.parse()?;
    let found = f64::from(u32::try_from(bytes / 1024)?) / 1024.0;
    assert!(
        (told * 0.6..told * 1.5).contains(&found),
        "{language}: {found} MB, and the page says {told} MB"
    );
    Ok(())
}

/// What a scheduler in C does when it makes a plan, beside the plan.
const ASKS: &str = r#"
    static int plans = 0;
    struct timespec now = {0};
    clock_gettime(CLOCK_REALTIME, &now);
    unsigned char random[20] = {0};
    getentropy(random, sizeof random);
    int sum = 0;
    for (size_t i = 0; i < sizeof random; i++) sum += random[i];
    printf("plan %d ", ++plans);
    printf("for %zu servers\n", servers.len);
    fprintf(stderr, "%s, %s, %s, %s\n", getenv("PATH") ? "environment" : "no environment",
            fopen("/etc/passwd", "r") ? "files" : "no files", now.tv_sec > 1577836800 ? "a clock" : "no clock",
            sum > 0 ? "random numbers" : "no random numbers");
    if (servers.len == 3) exit(4);
    uint64_t total = 0;"#;

#[test]
fn what_a_plugin_for_wasi_prints_is_in_the_log_and_it_finds_no_files_and_no_environment()
-> Result<()> {
    let test = "languages::what_a_plugin_for_wasi_prints_is_in_the_log_and_it_finds_no_files_and_no_environment";
    if !Path::new(WASI_LIBC).is_dir() {
        return skipped(test, NO_C);
    }
    isolated(|| {
        let dir = tempfile::tempdir()?;
        says(dir.path(), "evenkeel plugin new asks --lang c")?;
        let own = dir.path().join("asks");
        let source = own.join("plugin.c");
        let text = fs::read_to_string(&source)?;
        let text = text
            .replace(
                "#include <stdlib.h>",
                "#include <stdio.h>\n#include <stdlib.h>\n#include <time.h>\n#include <unistd.h>",
            )
            .replacen("\n    uint64_t total = 0;", ASKS, 1);
        fs::write(&source, text)?;
        says(&own, "evenkeel plugin build")?;
        let inspected = says(&own, "evenkeel plugin inspect asks.wasm")?;
        assert!(
            inspected.contains("imports without rights: "),
            "{inspected}"
        );
        assert!(inspected.contains("wasi:cli/stdout@0.2.0"), "{inspected}");

        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let config = |servers: &str| {
            format!(
                "[[service]]\nname = \"web\"\nlisten = \"{}\"\nscheduler = \"asks\"\nserver = [{servers}]\n",
                net.vip(80)
            )
        };
        let both = addresses
            .iter()
            .map(|it| format!("{{ address = \"{it}\" }}, "));
        let both: String = both.collect();
        let mut evenkeel = Evenkeel::new(&net.director, &config(&both))?.plugin_dir(&own);
        evenkeel.start()?;
        evenkeel.wait_log("plan 1 for 2 servers", PATIENCE)?;
        evenkeel.wait_log(
            "no environment, no files, a clock, random numbers",
            PATIENCE,
        )?;
        // With a third server it ends the process, as it believes.
        let third = format!("{both}{{ address = \"172.16.50.250:80\" }}");
        evenkeel.reload(&config(&third))?;
        evenkeel.wait_log(
            "it called exit with an error: a plugin is no program",
            PATIENCE,
        )?;
        Ok(())
    })
}
