//! Files in a plugin directory that are broken, that have one name, or that are not the ones that were meant; and the
//! process that compiles them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::support::{PATIENCE, Service, assert_repeats, servers, tcp_backends};
use anyhow::Result;
use evenkeel_tests::{Article, Client, Evenkeel, Paths, isolated};

/// A directory below `parent` with copies of shipped plugins.
fn directory(parent: &Path, name: &str, plugins: &[&str]) -> Result<PathBuf> {
    let directory = parent.join(name);
    fs::create_dir(&directory)?;
    for plugin in plugins {
        let file = format!("{plugin}.wasm");
        fs::copy(Paths::default().plugins.join(&file), directory.join(&file))?;
    }
    Ok(directory)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_file_that_is_broken_at_the_start_costs_the_services_that_name_it_their_scheduler_and_no_other()
-> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let plugins = directory(net.director.dir(), "plugins", &["rr", "tcp"])?;
        fs::write(plugins.join("mine.wasm"), "no wasm")?;
        let service = |name: &str, port: u16, scheduler: &str| {
            Service::new(name, net.vip(port))
                .with(&format!("scheduler = {scheduler:?}"))
                .servers(addresses.iter().copied())
                .text()
        };
        let config = service("fine", 80, "rr") + &service("hurt", 81, "mine");
        let mut evenkeel = Evenkeel::new(&net.director, &config)?
            .no_plugin_dirs()
            .plugin_dir(&plugins);
        // To `check` it is an error.
        let checked = evenkeel.check()?;
        assert_eq!(checked.status.code(), Some(3), "{checked:?}");
        assert!(text(&checked.stderr).contains("is no WebAssembly"));

        evenkeel.start()?;
        evenkeel.wait_log("the plugin is broken, and there is no good copy", PATIENCE)?;
        let client = Client::new(&net.client);
        for port in [80, 81] {
            assert_repeats(&client.ask_times(net.vip(port), 10)?, &["0", "1"]);
        }
        evenkeel.wait_status("the broken plugin is named", PATIENCE, |status| {
            let problem = status["services"][1]["scheduler_problem"].as_str();
            problem.is_some_and(|it| it.contains("is no WebAssembly"))
        })?;
        assert!(evenkeel.status()?["services"][0]["scheduler_problem"].is_null());

        // Mended, it is used from the next reading on.
        fs::copy(
            Paths::default().plugins.join("wrr.wasm"),
            plugins.join("mine.wasm"),
        )?;
        evenkeel.reload(&config.replace("\"mine\"", "\"wrr\""))?;
        evenkeel.wait_status("the scheduler works", PATIENCE, |status| {
            status["services"][1]["scheduler"] == "wrr"
                && status["services"][1]["scheduler_problem"].is_null()
        })?;
        Ok(())
    })
}

#[test]
fn a_file_that_has_been_broken_since_the_last_start_is_replaced_by_its_last_good_copy() -> Result<()>
{
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let plugins = directory(net.director.dir(), "plugins", &["rr", "tcp"])?;
        let cache = net.director.dir().join("good");
        let config = format!("cache_dir = {cache:?}\n")
            + &Service::new("web", net.vip(80))
                .with("scheduler = \"rr\"")
                .checked()
                .servers(addresses)
                .text();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?
            .no_plugin_dirs()
            .plugin_dir(&plugins);
        evenkeel.start()?;
        let before = evenkeel.status()?["services"][0]["plugin"].clone();
        assert_eq!(before["runtime"], "wasm");
        let sum = Command::new("sha256sum")
            .arg(plugins.join("rr.wasm"))
            .output()?;
        let sha256 = before["sha256"].as_str().unwrap_or_default();
        assert!(
            text(&sum.stdout).starts_with(&format!("{sha256} ")),
            "{before}"
        );
        evenkeel.sigterm()?;

        File::options()
            .write(true)
            .open(plugins.join("rr.wasm"))?
            .set_len(1000)?;
        evenkeel.start()?;
        evenkeel.wait_log(
            "its last good copy, which the cache has kept, is used instead",
            PATIENCE,
        )?;
        assert_repeats(
            &Client::new(&net.client).ask_times(net.vip(80), 10)?,
            &["0", "1"],
        );
        let service = evenkeel.status()?["services"][0].clone();
        assert_eq!(service["plugin"]["sha256"], before["sha256"]);
        assert!(service["scheduler_problem"].is_null(), "{service}");
        Ok(())
    })
}

#[test]
fn a_plugin_that_is_pinned_to_another_file_is_refused_with_both_sums() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let wanted = "0".repeat(64);
        let config = Service::new("web", net.vip(80))
            .with(&format!(
                "scheduler = {{ plugin = \"rr\", sha256 = \"{wanted}\" }}"
            ))
            .servers(servers(&net, 80))
            .text();
        let evenkeel = Evenkeel::new(&net.director, &config)?;
        let checked = evenkeel.check()?;
        let told = text(&checked.stderr);
        assert_eq!(checked.status.code(), Some(3), "{told}");
        let sum = Command::new("sha256sum")
            .arg(Paths::default().plugins.join("rr.wasm"))
            .output()?;
        let sum = text(&sum.stdout);
        let found = sum.split(' ').next().unwrap_or_default();
        for sum in [&*wanted, found] {
            assert!(told.contains(&format!("sha256 {sum}")), "{told}");
        }
        Ok(())
    })
}

#[test]
fn plugin_list_says_which_of_two_files_with_one_name_is_used_as_text_and_as_json() -> Result<()> {
    let parent = tempfile::tempdir()?;
    let first = directory(parent.path(), "first", &["rr"])?;
    let second = directory(parent.path(), "second", &["rr", "tcp"])?;
    let list = |more: &[&str]| -> Result<Output> {
        Ok(Command::new(Paths::default().binary)
            .args(["plugin", "list", "--plugin-dir"])
            .arg(&first)
            .arg("--plugin-dir")
            .arg(&second)
            .args(more)
            .output()?)
    };
    let listed = list(&[])?;
    assert!(listed.status.success(), "{listed:?}");
    let not_used = format!("not used: {}: ", second.join("rr.wasm").display());
    assert!(text(&listed.stdout).contains(&not_used), "{listed:?}");
    let json: serde_json::Value = serde_json::from_slice(&list(&["--json"])?.stdout)?;
    let plugins = json["plugins"].as_array().map(Vec::as_slice);
    let Some([one, other, tcp]) = plugins else {
        panic!("{json}")
    };
    assert!(one["used_instead"].is_null());
    assert_eq!(
        other["used_instead"],
        first.join("rr.wasm").to_string_lossy().as_ref()
    );
    assert_eq!(
        (&one["sha256"], &one["decisions"][0]),
        (&other["sha256"], &"plan".into())
    );
    assert_eq!(
        (&tcp["kind"], &tcp["name"]),
        (&"checker".into(), &"tcp".into())
    );
    Ok(())
}

/// The compiler's process, given a shipped plugin.
fn compile(limits: &[&str]) -> Result<Output> {
    let wasm = File::open(Paths::default().plugins.join("tcp.wasm"))?;
    Ok(Command::new(Paths::default().binary)
        .arg("compile-plugin")
        .args(limits)
        .stdin(wasm)
        .output()?)
}

#[test]
fn the_compilers_process_ends_at_each_of_its_limits() -> Result<()> {
    use std::os::unix::process::ExitStatusExt as _;

    let memory = "--memory=2000000000";
    let code = "--code=100000000";
    let good = compile(&["--processor=600", memory, code])?;
    assert!(good.status.success(), "{}", text(&good.stderr));
    assert!(good.stdout.starts_with(b"\x7fELF"));

    let little = compile(&["--processor=600", "--memory=60000000", code])?;
    assert!(
        !little.status.success() && little.stdout.is_empty(),
        "{:?}",
        little.status
    );

    // What goes into a pipe has no size; into a file it has.
    let file = tempfile::tempfile()?;
    let status = Command::new(Paths::default().binary)
        .args(["compile-plugin", "--processor=600", memory, "--code=1000"])
        .stdin(File::open(Paths::default().plugins.join("tcp.wasm"))?)
        .stdout(file)
        .status()?;
    assert_eq!(status.signal(), Some(25), "SIGXFSZ");
    Ok(())
}

#[test]
fn what_cannot_be_packed_leaves_no_file() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let module = directory.path().join("module.wasm");
    fs::write(&module, b"\0asm\x01\0\0\0")?;
    let output = directory.path().join("out.wasm");
    let packed = Command::new(Paths::default().binary)
        .args(["plugin", "pack"])
        .arg(&module)
        .arg("--output")
        .arg(&output)
        .output()?;
    assert_eq!(packed.status.code(), Some(3));
    assert!(text(&packed.stderr).contains("register_scheduler!"));
    assert_eq!(fs::read_dir(directory.path())?.count(), 1);
    Ok(())
}
