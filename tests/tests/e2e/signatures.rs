//! Plugins that have to be signed, and their way into a plugin directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{PATIENCE, Service, assert_repeats, servers, tcp_backends};
use anyhow::{Context as _, Result};
use evenkeel_tests::{Article, Client, Evenkeel, Paths, isolated};

fn command(dir: &Path, arguments: &[&str]) -> Result<Output> {
    let binary = Paths::default().binary.canonicalize()?;
    let mut command = Command::new(binary);
    Ok(command.args(arguments).current_dir(dir).output()?)
}

/// What a command prints, having gone well.
fn says(dir: &Path, arguments: &[&str]) -> Result<String> {
    let output = command(dir, arguments)?;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    Ok(String::from_utf8(output.stdout)?)
}

/// What a command complains of, with its exit code.
fn complains(dir: &Path, arguments: &[&str]) -> Result<(Option<i32>, String)> {
    let output = command(dir, arguments)?;
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.code(), error))
}

/// A copy of a shipped plugin, signed with `own.key`.
fn signed(dir: &Path, name: &str) -> Result<PathBuf> {
    let file = dir.join(format!("{name}.wasm"));
    fs::copy(Paths::default().plugins.join(format!("{name}.wasm")), &file)?;
    let shown = file.display().to_string();
    says(dir, &["plugin", "sign", &shown, "--key", "own.key"])?;
    Ok(file)
}

fn beside(file: &Path) -> PathBuf {
    PathBuf::from(format!("{}.minisig", file.display()))
}

/// As careful programs do it.
fn put(from: &Path, to: &Path) -> Result<()> {
    let new = to.with_extension("new");
    fs::copy(from, &new)?;
    Ok(fs::rename(new, to)?)
}

#[test]
fn where_signatures_are_required_a_plugin_is_replaced_by_a_signed_one_only_whichever_file_comes_first()
-> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let built = tempfile::tempdir()?;
        let dir = built.path();
        says(dir, &["plugin", "keygen", "own", "--no-password"])?;
        let (rr, wrr) = (signed(dir, "rr")?, signed(dir, "wrr")?);
        let unsigned = Paths::default().plugins.join("wrr.wasm");
        let file = net.director.dir().join("mine.wasm");
        fs::copy(beside(&rr), beside(&file))?;
        fs::copy(&rr, &file)?;
        let key = dir.join("own.pub");
        let config = |require: &str| {
            Service::new("web", net.vip(80))
                .with(&format!("scheduler = {{ plugin = {file:?} }}"))
                .servers(addresses.iter().copied())
                .text()
                + &format!("[plugins]\ntrust = [{key:?}]\nrequire = \"{require}\"\n")
        };
        let mut evenkeel = Evenkeel::new(&net.director, &config("signed"))?;
        evenkeel.start()?;
        let status = evenkeel.status()?;
        let plugin = &status["services"][0]["plugin"];
        let id = plugin["signed_by"].as_str().context("not signed")?;
        let comment = plugin["signature_comment"].as_str();
        assert!(
            comment
                .context("no comment")?
                .starts_with("rr 0.1.0 sha256:")
        );
        let table = evenkeel.status_table()?;
        assert!(
            table.contains(&format!("signed by {id}: rr 0.1.0")),
            "{table}"
        );

        let runs = |evenkeel: &Evenkeel, name: &str| {
            evenkeel.wait_status(name, PATIENCE, |status| {
                status["services"][0]["scheduler"] == name && status["plugin_problem"].is_null()
            })
        };
        let refused = |evenkeel: &Evenkeel, why: &str, goes_on: &str| {
            evenkeel.wait_status(why, PATIENCE, |status| {
                status["plugin_problem"]
                    .as_str()
                    .is_some_and(|it| it.contains(why))
            })?;
            assert_eq!(evenkeel.status()?["services"][0]["scheduler"], goes_on);
            assert_repeats(
                &Client::new(&net.client).ask_times(net.vip(80), 10)?,
                &["0", "1"],
            );
            anyhow::Ok(())
        };
        // The file first: until its signature comes, it has that of another content.
        put(&wrr, &file)?;
        refused(&evenkeel, "does not fit", "rr")?;
        put(&beside(&wrr), &beside(&file))?;
        runs(&evenkeel, "wrr")?;
        // The signature first.
        put(&beside(&rr), &beside(&file))?;
        refused(&evenkeel, "does not fit", "wrr")?;
        put(&rr, &file)?;
        runs(&evenkeel, "rr")?;
        // Without one.
        fs::remove_file(beside(&file))?;
        refused(&evenkeel, "is not signed", "rr")?;
        put(&unsigned, &file)?;
        refused(&evenkeel, "is not signed", "rr")?;
        let (code, error) = complains(
            dir,
            &[
                "check",
                "--no-preflight",
                "--config",
                &evenkeel.config_file().display().to_string(),
            ],
        )?;
        assert_eq!(code, Some(3));
        assert!(error.contains("is not signed"), "{error}");
        evenkeel.reload(&config("signed"))?;
        evenkeel.wait_status("a refused reload", PATIENCE, |status| {
            status["reload_problem"].is_string()
        })?;
        assert_eq!(evenkeel.status()?["services"][0]["scheduler"], "rr");
        // Where none is required it is used, and is told to be unsigned.
        evenkeel.reload(&config("any"))?;
        runs(&evenkeel, "wrr")?;
        assert!(evenkeel.status()?["services"][0]["plugin"]["signed_by"].is_null());
        // It is signed later: the same plugin goes on, and the next reload tells who has signed it.
        put(&beside(&wrr), &beside(&file))?;
        evenkeel.reload(&config("any"))?;
        evenkeel.wait_status("signed later", PATIENCE, |status| {
            status["services"][0]["plugin"]["signed_by"] == id
        })?;
        let log = evenkeel.log();
        let swaps = log.matches("another scheduler has taken over").count();
        assert_eq!(
            swaps, 3,
            "two files, and one that is no longer refused: {log}"
        );
        Ok(())
    })
}

#[test]
fn a_start_does_not_run_the_last_good_copy_of_a_plugin_that_nobody_had_signed() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let built = tempfile::tempdir()?;
        says(built.path(), &["plugin", "keygen", "own", "--no-password"])?;
        let rr = signed(built.path(), "rr")?;
        // Of a name of its own: tests share the cache, and a good copy goes by the file's path.
        let file = net.director.dir().join("last-good.wasm");
        fs::copy(&rr, &file)?;
        let key = built.path().join("own.pub");
        let config = |require: &str| {
            Service::new("web", net.vip(80))
                .with(&format!("scheduler = {{ plugin = {file:?} }}"))
                .servers(addresses.iter().copied())
                .text()
                + &format!("[plugins]\ntrust = [{key:?}]\nrequire = \"{require}\"\n")
        };
        let mut evenkeel = Evenkeel::new(&net.director, &config("any"))?;
        for (require, signature, broken, decides) in [
            ("any", false, false, true),
            // Unsigned now, and when it worked.
            ("signed", false, false, false),
            ("signed", true, false, true),
            // Signed when it worked.
            ("signed", false, true, true),
        ] {
            if signature {
                fs::copy(beside(&rr), beside(&file))?;
            } else {
                let _ = fs::remove_file(beside(&file));
            }
            if broken {
                fs::write(&file, "broken")?;
            }
            evenkeel.configure(&config(require))?;
            evenkeel.start()?;
            evenkeel.wait_status("whether the plugin decides", PATIENCE, |status| {
                status["services"][0]["plugin"].is_object() == decides
            })?;
            assert_repeats(
                &Client::new(&net.client).ask_times(net.vip(80), 10)?,
                &["0", "1"],
            );
            evenkeel.sigterm()?;
        }
        Ok(())
    })
}

#[test]
fn a_plugin_is_signed_verified_inspected_listed_and_installed_by_commands() -> Result<()> {
    let built = tempfile::tempdir()?;
    let dir = built.path();
    let keys = says(dir, &["plugin", "keygen", "own", "--no-password"])?;
    assert!(keys.contains("trust = [\"RW"), "{keys}");
    says(dir, &["plugin", "keygen", "other", "--no-password"])?;
    signed(dir, "rr")?;
    let verified = says(dir, &["plugin", "verify", "rr.wasm", "--key", "own.pub"])?;
    assert!(
        verified.contains("signed by") && verified.contains("(rr 0.1.0"),
        "{verified}"
    );
    let (code, error) = complains(dir, &["plugin", "verify", "rr.wasm", "--key", "other.pub"])?;
    assert!(
        code == Some(3) && error.contains("is signed by key"),
        "{error}"
    );
    let cache = Paths::default().cache;
    let config = format!(
        "plugin_dirs = [\"plugins\"]\ncache_dir = {cache:?}\n[plugins]\ntrust = [\"own.pub\"]\nrequire = \"signed\"\n"
    );
    fs::write(dir.join("evenkeel.toml"), config)?;
    let verified = says(
        dir,
        &["plugin", "verify", "rr.wasm", "--config", "evenkeel.toml"],
    )?;
    assert!(verified.contains("signed by"), "{verified}");
    let inspect = ["plugin", "inspect", "rr.wasm", "--config", "evenkeel.toml"];
    let shown = says(dir, &inspect)?;
    assert!(shown.contains("signature: signed by"), "{shown}");
    let shown = says(dir, &["plugin", "inspect", "rr.wasm", "--json"])?;
    let shown: serde_json::Value = serde_json::from_str(&shown)?;
    assert_eq!(shown["signature"]["trusted"], false);

    let install = ["plugin", "install", "rr.wasm", "--config", "evenkeel.toml"];
    let told = says(dir, &install)?;
    assert!(
        told.contains("plugins/rr.wasm: rr 0.1.0 (") && told.contains("is new"),
        "{told}"
    );
    assert!(says(dir, &install)?.contains("was there already"));
    let listed = says(
        dir,
        &["plugin", "list", "--config", "evenkeel.toml", "--json"],
    )?;
    let listed: serde_json::Value = serde_json::from_str(&listed)?;
    assert_eq!(listed["plugins"][0]["signature"]["trusted"], true);
    fs::remove_file(dir.join("rr.wasm.minisig"))?;
    let (code, error) = complains(dir, &install)?;
    assert!(
        code == Some(3) && error.contains("is not signed"),
        "{error}"
    );
    let failing = Paths::default().test_plugins.join("misbehave.wasm");
    let failing = failing.display().to_string();
    let (code, error) = complains(dir, &["plugin", "install", &failing, "--into", "other"])?;
    assert!(
        code == Some(1) && error.contains("not installed"),
        "{error}"
    );
    assert_eq!(fs::read_dir(dir.join("other"))?.count(), 0);
    let (code, error) = complains(dir, &["plugin", "install", "oci://calm", "--into", "other"])?;
    assert!(code == Some(1) && error.contains("oci"), "{error}");
    for command in ["keygen", "sign", "verify", "install"] {
        let help = says(dir, &["plugin", command, "--help"])?;
        assert!(help.lines().count() > 10, "{help}");
    }
    Ok(())
}
