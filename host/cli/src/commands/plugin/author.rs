//! `evenkeel plugin new | build | test | bench`; `simulate` is in [`super::simulate`], `run` in [`crate::live`].

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use evenkeel_author::bench::{self, Figures};
use evenkeel_author::compile::{self, Built};
use evenkeel_author::conformance::{self, Options, Outcome, Report};
use evenkeel_author::{Kind, Language, scaffold};
use evenkeel_runtime::text;

use crate::args::author::AuthorCommand;
use crate::commands::print;
use crate::exit::{self, Failed};

/// Does what the author asks for.
///
/// # Errors
/// [`exit::FAILURE`] when it cannot be done, or a plugin fails its test; [`exit::CONFIG`] when the file is no usable plugin.
pub(crate) fn run(command: AuthorCommand) -> anyhow::Result<()> {
    match command {
        AuthorCommand::New {
            name,
            kind,
            language,
        } => new(&name, kind.into(), language.into()),
        AuthorCommand::Build { dir } => {
            let built = compile::build(&dir)?;
            Ok(print(&told(&built))?)
        }
        AuthorCommand::Test {
            plugin,
            settings,
            seed,
            shipped,
            json,
        } => test(plugin, settings, seed, shipped, json),
        AuthorCommand::Bench {
            files,
            shipped,
            json,
        } => measure(files, &shipped, json),
        AuthorCommand::Simulate(args) => super::simulate::run(&args),
        AuthorCommand::Run(args) => crate::live::run(&args),
    }
}

fn new(name: &str, kind: Kind, language: Language) -> anyhow::Result<()> {
    scaffold::new(Path::new("."), name, kind, language)?;
    let first = match language {
        Language::Rust => "    cargo test              # its tests, in src/lib.rs\n",
        Language::C | Language::Go => "",
        Language::JavaScript => {
            "    npm install             # once: the compiler, componentize-qjs\n"
        }
        Language::Python => {
            "    python3 -m venv .venv && .venv/bin/pip install componentize-py   # once: the compiler\n"
        }
    };
    let text = format!(
        "{name} is a {kind} in {language}, in the directory {name}. What now:\n\n    \
         cd {name}\n\
         {first}    \
         evenkeel plugin build   # compiles it: {name}.wasm\n    \
         evenkeel plugin test .  # tries it as the daemon would run it\n\n\
         README.md says how to use it.\n"
    );
    Ok(print(&text)?)
}

fn told(built: &Built) -> String {
    let manifest = &built.info.manifest;
    format!(
        "{}: {} KB, {} {} {}, contract {}, in {:.1} s\n",
        text::path(&built.file),
        built.size.div_ceil(1024),
        built.info.kind,
        manifest.name,
        manifest.version,
        built.info.contract,
        built.time.as_secs_f64(),
    )
}

fn test(
    plugin: PathBuf,
    settings: String,
    seed: Option<u64>,
    shipped: PathBuf,
    json: bool,
) -> anyhow::Result<()> {
    let file = if plugin.is_dir() {
        let built = compile::build(&plugin)?;
        if !json {
            print(&told(&built))?;
        }
        built.file
    } else {
        plugin
    };
    let options = Options {
        // One that a person can type.
        seed: seed.unwrap_or_else(|| u64::from(std::process::id())),
        settings,
        plugin_dirs: vec![shipped],
        ..Options::default()
    };
    let report = conformance::test(&file, &options)
        .map_err(|error| Failed::new(exit::CONFIG, error.to_string()))?;
    if json {
        print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        print(&table(&report))?;
    }
    if report.passed() {
        return Ok(());
    }
    Err(Failed::new(exit::FAILURE, failures(&report)).into())
}

/// How many cases failed.
pub(super) fn failures(report: &Report) -> String {
    let failed = report.failed();
    let cases = if failed == 1 { "case" } else { "cases" };
    format!(
        "{failed} {cases} failed; --seed {} repeats the changes",
        report.seed
    )
}

pub(super) fn table(report: &Report) -> String {
    let mut text = format!(
        "{} {} ({}, contract {}), seed {}\n",
        report.plugin, report.version, report.kind, report.contract, report.seed
    );
    for case in &report.cases {
        let mark = match case.outcome {
            Outcome::Passed => "ok",
            Outcome::Failed => "FAILED",
            Outcome::Note => "note",
        };
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "{}",
            format!("{mark:<6}  {:<30} {}", case.name, case.detail).trim_end()
        );
    }
    text
}

/// Shipped schedulers that others are measured beside: a cheap one, one that goes by connections, one with a large table.
const BESIDE: [&str; 3] = ["rr", "wlc", "maglev"];

fn measure(mut files: Vec<PathBuf>, shipped: &Path, json: bool) -> anyhow::Result<()> {
    let beside = BESIDE.map(|name| shipped.join(name).with_extension("wasm"));
    files.extend(beside.into_iter().filter(|file| file.exists()));
    let measured: Vec<Figures> = files
        .iter()
        .map(|file| bench::measure(file, &[shipped.to_owned()]))
        .collect::<Result<_, _>>()
        .map_err(|error| Failed::new(exit::CONFIG, error.to_string()))?;
    if json {
        return Ok(print(&format!(
            "{}\n",
            serde_json::to_string_pretty(&measured)?
        ))?);
    }
    Ok(print(&figures(&measured))?)
}

/// A line for each plugin and number of servers.
fn figures(measured: &[Figures]) -> String {
    let mut text = format!(
        "{:<20} {:>7} {:>10} {:>9}\n",
        "PLUGIN", "SERVERS", "PLAN us", "PICK us"
    );
    for figures in measured {
        for (n, calls) in figures.calls.iter().enumerate() {
            let name = if n == 0 { &*figures.plugin } else { "" };
            let pick = calls
                .pick_us
                .map_or_else(|| "-".to_owned(), |us| format!("{us:.2}"));
            // Writing to a String does not fail.
            let _ = writeln!(
                text,
                "{name:<20} {:>7} {:>10.2} {pick:>9}",
                calls.servers, calls.plan_us
            );
        }
        let _ = writeln!(
            text,
            "{:<20} file {} KB, compiled in {:.0} ms, an instance: {:.2} ms, {:.0} KiB",
            "",
            figures.file_bytes.div_ceil(1024),
            figures.compile_ms,
            figures.instance_ms,
            figures.instance_kib
        );
    }
    text
}
