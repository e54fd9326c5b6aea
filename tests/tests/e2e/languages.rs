//! Plugins in other languages than Rust: as `plugin new` makes them, and with what their libraries ask of a machine.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;
use evenkeel_tests::{Article, Evenkeel, isolated, skipped};

use crate::author::{new_ones_balance, path, says};
use crate::support::{PATIENCE, servers, tcp_backends};

/// Where Debian's wasi-libc is.
const WASI_LIBC: &str = "/usr/include/wasm32-wasi";
const NO_C: &str = "there is no C compiler for WebAssembly: apt install clang lld wasi-libc libclang-rt-14-dev-wasm32";

#[test]
fn in_c_a_scheduler_and_a_checker_balance() -> Result<()> {
    if !Path::new(WASI_LIBC).is_dir() {
        return skipped("languages::in_c_a_scheduler_and_a_checker_balance", NO_C);
    }
    isolated(|| new_ones_balance("c", "", |_| {}))
}

#[test]
fn in_go_a_scheduler_and_a_checker_balance() -> Result<()> {
    let tool = ["go", "version"];
    balance(
        "go",
        "languages::in_go_a_scheduler_and_a_checker_balance",
        tool,
    )
}

#[test]
fn in_javascript_a_scheduler_and_a_checker_balance() -> Result<()> {
    let tool = ["componentize-qjs", "--help"];
    balance(
        "js",
        "languages::in_javascript_a_scheduler_and_a_checker_balance",
        tool,
    )
}

#[test]
fn in_python_a_scheduler_and_a_checker_balance() -> Result<()> {
    let tool = ["componentize-py", "--version"];
    balance(
        "python",
        "languages::in_python_a_scheduler_and_a_checker_balance",
        tool,
    )
}

/// As [`new_ones_balance`], where the language's compiler is there, and ours is optimised: they have megabytes.
fn balance(language: &str, test: &str, tool: [&str; 2]) -> Result<()> {
    let there = Command::new("sh")
        .args(["-c", "exec \"$0\" \"$1\"", tool[0], tool[1]])
        .env("PATH", path()?)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if !there.success() {
        let why = format!(
            "there is no {} (CONTRIBUTING.md says how to get it)",
            tool[0]
        );
        return skipped(test, &why);
    }
    if std::env::var_os("EVENKEEL_BIN").is_none() {
        let why = "a compiler of plugins that is not optimised would take minutes: cargo build --release, and set \
                   EVENKEEL_BIN=target/release/evenkeel";
        return skipped(test, why);
    }
    isolated(|| new_ones_balance(language, "", |_| {}))
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
