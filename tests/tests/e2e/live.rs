//! `evenkeel plugin run`: a plugin live in a private network of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::PATIENCE;
use anyhow::{Context as _, Result, bail, ensure};
use evenkeel_tests::{Paths, isolated, wait_until};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

fn run(plugin: &Path, words: &[&str]) -> Command {
    let paths = Paths::default();
    let mut command = Command::new(&paths.binary);
    command
        .args(["plugin", "run", "--json", "--plugin-dir"])
        .arg(&paths.plugins)
        .arg("--cache-dir")
        .arg(&paths.cache)
        .args(words)
        .arg(plugin);
    command
}

/// Runs it to its end; the line of each second, and the sum.
fn lines(plugin: &str, words: &[&str]) -> Result<(Vec<Value>, Value)> {
    let file = Paths::default().plugins.join(plugin).with_extension("wasm");
    let output = run(&file, words).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{said}");
    let text = String::from_utf8(output.stdout)?;
    let json = |line: &str| serde_json::from_str(line).with_context(|| line.to_owned());
    let mut lines: Vec<Value> = text.lines().map(json).collect::<Result<_>>()?;
    let sum = lines.pop().context("it has said nothing")?;
    Ok((lines, sum))
}

#[test]
fn a_scheduler_runs_live_and_its_weights_show_in_real_connections() -> Result<()> {
    isolated(|| {
        let words = [
            "--servers=2",
            "--weights=3,1",
            "--rate=300",
            "--lifetime=20ms",
            "--seconds=4",
        ];
        let (lines, sum) = lines("wrr", &words)?;
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[3]["plugin"]["contract"], "0.2.0");
        let total = |server: &str| sum["total"][server].as_f64().unwrap_or_default();
        let share = total("server1") / (total("server1") + total("server2"));
        ensure!((0.7..0.8).contains(&share), "{sum}");
        ensure!(total("server1") > 300.0, "{sum}");
        assert_eq!(sum["failed"], serde_json::json!({}));
        Ok(())
    })
}

#[test]
fn a_checker_runs_live_and_takes_servers_out_that_fail() -> Result<()> {
    isolated(|| {
        let words = [
            "--servers=2",
            "--failures",
            "--rate=200",
            "--lifetime=20ms",
            "--seconds=8",
        ];
        let (lines, sum) = lines("tcp", &words)?;
        // Of each eight seconds the first one is away for three in the first round, and all go to the other then.
        let alone = |line: &Value| {
            let answered = &line["answered"];
            answered["server1"] == 0 && answered["server2"].as_u64() > Some(100)
        };
        ensure!(lines.iter().any(alone), "{lines:#?}");
        ensure!(sum["total"]["server1"].as_u64() > Some(200), "{sum}");
        Ok(())
    })
}

#[test]
fn what_cannot_be_run_live_is_said_with_its_exit_code() -> Result<()> {
    isolated(|| {
        let plugins = Paths::default().plugins;
        for (plugin, words, code, wanted) in [
            (
                "rr.wasm",
                &["--watch"][..],
                2,
                "--watch needs the directory",
            ),
            ("none.wasm", &[][..], 3, "none.wasm"),
            ("maglev.wasm", &["--settings=size = \"x\""][..], 3, "size"),
        ] {
            let output = run(&plugins.join(plugin), words).output()?;
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(code), "{plugin}: {said}");
            ensure!(said.contains(wanted), "{plugin}: {said}");
        }
        Ok(())
    })
}

/// Changes a line of a crate's source while it is watched, and waits until the new one decides; what does not compile
/// leaves it.
pub(crate) fn swaps_when_the_source_changes(own: &Path, from: &str, to: &str) -> Result<()> {
    let mut command = run(own, &["--watch", "--rate=100"]);
    command.env_remove("CARGO_TARGET_DIR");
    let mut live = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let source = own.join("src/lib.rs");
    let before = fs::read_to_string(&source)?;
    let stdout = live.stdout.take().context("no output")?;
    let mut news = BufReader::new(stdout).lines();
    let mut until = |what: &str, is: &dyn Fn(&str) -> bool| -> Result<()> {
        // The command says something each second; nextest bounds the whole.
        for line in news.by_ref() {
            if is(&line?) {
                return Ok(());
            }
        }
        bail!("it has ended before {what}")
    };
    until("the first second", &|line| line.contains("\"swaps\":0"))?;
    ensure!(before.contains(from), "{before}");
    fs::write(&source, before.replace(from, "this does not compile"))?;
    until("the failed build", &|line| {
        line.contains("not swapped, the one before goes on")
    })?;
    fs::write(&source, before.replace(from, to))?;
    until("the swap", &|line| line.contains("\"swaps\":1"))?;
    kill(Pid::from_raw(i32::try_from(live.id())?), Signal::SIGINT)?;
    until("the sum", &|line| line.contains("\"total\""))?;
    wait_until("it ends", PATIENCE.max(Duration::from_secs(10)), || {
        Ok(live.try_wait()?.is_some_and(|status| status.success()))
    })
    .map(drop)
}
