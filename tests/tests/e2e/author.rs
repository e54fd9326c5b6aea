//! The way of a plugin's author, with nothing but the binary: no checkout, no registry, no network.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::{PATIENCE, assert_repeats, servers, tcp_backends};
use anyhow::{Context as _, Result};
use evenkeel_tests::{Article, Client, Evenkeel, Paths, isolated};

/// What a shell says to a script in this directory. Cargo's own directory is empty, so that nothing is found there.
pub(crate) fn shell(dir: &Path, script: &str) -> Result<Output> {
    let binary = Paths::default().binary.canonicalize()?;
    let own = binary.parent().context("no directory")?;
    let path = path()?;
    let home = dir.join("cargo-home");
    fs::create_dir_all(&home)?;
    Ok(Command::new("sh")
        .args(["-e", "-c", script])
        .current_dir(dir)
        .env("PATH", format!("{}:{path}", own.display()))
        .env("CARGO_HOME", home)
        .env("CARGO_NET_OFFLINE", "true")
        .env_remove("CARGO_TARGET_DIR")
        .output()?)
}

/// Where programs are, and the compilers of other languages (CONTRIBUTING.md says how to get them).
pub(crate) fn path() -> Result<String> {
    let tools = Paths::workspace().join("target/author-tools");
    let [npm, pip] = ["node_modules/.bin", ".venv/bin"].map(|it| tools.join(it));
    let path = std::env::var("PATH")?;
    Ok(format!("{path}:{}:{}", npm.display(), pip.display()))
}

/// What it prints, having gone well.
pub(crate) fn says(dir: &Path, script: &str) -> Result<String> {
    let output = shell(dir, script)?;
    let all = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&all).into_owned();
    assert!(output.status.success(), "{script}\n{text}");
    Ok(text)
}

/// The blocks of a page in this language, in order.
pub(crate) fn blocks(page: &str, language: &str) -> Vec<String> {
    let opening = format!("\n```{language}\n");
    let parts = page.split(&opening).skip(1);
    parts
        .filter_map(|part| part.split("\n```").next())
        .map(|block| format!("{block}\n"))
        .collect()
}

#[test]
fn a_workload_is_played_to_two_schedulers_side_by_side() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let plugins = Paths::default().plugins.canonicalize()?;
    let simulate = format!(
        "evenkeel plugin simulate --plugin-dir {}",
        plugins.display()
    );
    says(dir.path(), "evenkeel plugin simulate --example > w.toml")?;
    let quick = "sed -i 's/^duration.*/duration = \"46s\"/; s/^rate.*/rate = 20/' w.toml";
    says(dir.path(), quick)?;
    let table = says(
        dir.path(),
        &format!("{simulate} rr wlc --workload w.toml --svg two.svg"),
    )?;
    for words in [
        "rr 0.",
        "wlc 0.",
        "SERVER",
        "46 s, ",
        "22.0 s: b is taken out",
    ] {
        assert!(table.contains(words), "{words}: {table}");
    }
    let chart = fs::read_to_string(dir.path().join("two.svg"))?;
    assert!(
        chart.starts_with("<svg ") && chart.contains("wlc 0."),
        "{chart}"
    );
    let again = format!("{simulate} rr wlc --workload w.toml --json");
    let [one, other] = [says(dir.path(), &again)?, says(dir.path(), &again)?];
    assert_eq!(one, other, "the same seed");
    let outcomes: serde_json::Value = serde_json::from_str(&one)?;
    assert_eq!(outcomes[0]["connections"], outcomes[1]["connections"]);
    for (words, code, wanted) in [
        ("rr --workload none.toml", 3, "none.toml"),
        ("nosuch --workload w.toml", 3, "nosuch"),
        ("rr --workload w.toml --settings 'x = 1'", 3, "\"x\""),
        (
            "rr --workload w.toml --svg /nosuch/a.svg",
            1,
            "/nosuch/a.svg",
        ),
        ("rr wlc lc", 2, "lc"),
        ("", 2, "FILE|NAME"),
    ] {
        let output = shell(dir.path(), &format!("{simulate} {words}"))?;
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words}: {error}");
        assert!(error.contains(wanted), "{words}: {error}");
    }
    Ok(())
}

#[test]
fn the_guides_commands_lead_from_nothing_to_traffic_word_for_word() -> Result<()> {
    isolated(|| {
        let page = fs::read_to_string(Paths::workspace().join("docs/plugins.md"))?;
        let (commands, code, config) = (
            blocks(&page, "sh"),
            blocks(&page, "rust"),
            blocks(&page, "toml"),
        );
        let dir = tempfile::tempdir()?;
        // `new` and `cd`; the code and its tests; `cargo test`, `build` and `test`; the configuration; `check`.
        says(dir.path(), &commands[0])?;
        let own = dir.path().join("calm");
        fs::write(own.join("src/lib.rs"), format!("{}\n{}", code[0], code[1]))?;
        let built = says(&own, &commands[1])?;
        assert!(built.contains("calm.wasm: "), "{built}");
        assert!(built.contains("ok      1,000 servers"), "{built}");
        let plugins = Paths::default().plugins;
        let text = config[0].replace("/usr/lib/evenkeel/plugins", &plugins.display().to_string());
        fs::write(own.join("shop.toml"), &text)?;
        says(&own, &commands[2])?;

        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let service = text.lines().filter(|line| !line.starts_with("plugin_dirs"));
        let service: String = service.flat_map(|line| [line, "\n"]).collect();
        let mut evenkeel = Evenkeel::new(&net.director, &service)?.plugin_dir(own.clone());
        evenkeel.start()?;
        let answers = Client::new(&net.client).ask_times(net.vip(80), 10)?;
        assert!(
            answers.iter().any(|it| it == "0") && answers.iter().any(|it| it == "1"),
            "{answers:?}"
        );
        evenkeel.sigterm()?;
        let (from, to) = (
            "closing ones counted in part\");",
            "changed while it runs\");",
        );
        super::live::swaps_when_the_source_changes(&dir.path().join("calm"), from, to)
    })
}

#[test]
fn a_new_scheduler_and_a_new_checker_build_pass_their_tests_and_balance_as_they_are() -> Result<()>
{
    isolated(|| {
        new_ones_balance("rust", "cargo test --lib && ", |text| {
            assert!(text.contains("test result: ok. 2 passed"), "{text}");
        })
    })
}

/// Makes a scheduler and a checker, builds and tests them, and has them serve.
pub(crate) fn new_ones_balance(language: &str, tests: &str, passed: impl Fn(&str)) -> Result<()> {
    // Made first: its loopback interface is up, which the tests of a checker need.
    let net = Article::new(2)?;
    let dir = tempfile::tempdir()?;
    for (name, kind) in [("dice", "scheduler"), ("greets", "checker")] {
        says(
            dir.path(),
            &format!("evenkeel plugin new {name} --kind {kind} --lang {language}"),
        )?;
        let text = says(
            &dir.path().join(name),
            &format!("{tests}evenkeel plugin build && evenkeel plugin test ."),
        )?;
        passed(&text);
        assert!(text.contains(&format!("{kind} {name} 0.1.0")), "{text}");
        assert!(!text.contains("warning"), "{text}");
        fs::copy(
            dir.path().join(name).join(format!("{name}.wasm")),
            dir.path().join(format!("{name}.wasm")),
        )?;
    }
    let addresses = servers(&net, 80);
    let _backends = tcp_backends(&net, &addresses)?;
    let config = format!(
        "[[service]]\nname = \"web\"\nlisten = \"{}\"\nscheduler = \"dice\"\n\
         check = {{ plugin = \"greets\", settings = {{ greeting = \"0\" }}, interval = \"200ms\", retries = 0 }}\n\
         server = [{{ address = \"{}\" }}, {{ address = \"{}\" }}]\n",
        net.vip(80),
        addresses[0],
        addresses[1]
    );
    let mut evenkeel = Evenkeel::new(&net.director, &config)?.plugin_dir(dir.path());
    evenkeel.start()?;
    evenkeel.wait_health("web", &addresses[1].to_string(), "down", PATIENCE)?;
    assert_repeats(
        &Client::new(&net.client).ask_times(net.vip(80), 10)?,
        &["0"],
    );
    Ok(())
}

#[test]
fn what_cannot_be_done_says_so_and_changes_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    fs::create_dir(dir.path().join("there"))?;
    for (script, wanted) in [
        ("evenkeel plugin new there", "there is there already"),
        ("evenkeel plugin new Bad_Name", "a-z, 0-9 and -"),
        ("evenkeel plugin build there", "evenkeel plugin new NAME"),
        ("evenkeel plugin test nothing.wasm", "nothing.wasm"),
    ] {
        let output = shell(dir.path(), script)?;
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && text.contains(wanted),
            "{script}: {text}"
        );
    }
    assert_eq!(fs::read_dir(dir.path().join("there"))?.count(), 0);
    for command in ["new", "build", "test"] {
        let help = says(dir.path(), &format!("evenkeel plugin {command} --help"))?;
        assert!(help.lines().count() > 12, "{help}");
    }
    Ok(())
}

#[test]
fn a_failed_case_is_told_and_is_the_exit_code() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = Paths::default().test_plugins.join("misbehave.wasm");
    let test = format!(
        "evenkeel plugin test {} --seed 5 --settings 'how = \"zero-width\", after = 0, then = \"behave\"'",
        file.display()
    );
    let output = shell(dir.path(), &test)?;
    assert_eq!(output.status.code(), Some(1));
    let (table, error) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(table.contains("FAILED  one server"), "{table}");
    assert!(error.contains("--seed 5 repeats the changes"), "{error}");
    let output = shell(dir.path(), &format!("{test} --json"))?;
    let report: serde_json::Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(report["seed"], 5);
    assert_eq!(report["cases"][2]["outcome"], "failed");
    Ok(())
}
