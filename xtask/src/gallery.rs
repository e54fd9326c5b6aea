//! The pictures of docs/gallery.md, and its table: each shipped scheduler, with a workload played to it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use xtask::cmd::{command, root, step, target};

/// Between these lines of the page is the table.
const BEGIN: &str = "<!-- figures: cargo xtask gallery -->\n";
const END: &str = "<!-- end of figures -->\n";

/// What is played otherwise than by default: the scheduler, its settings, its workload.
const SPECIAL: [(&str, &str, Option<&str>); 3] = [
    ("lblc", "key = \"source\"", None),
    ("lblcr", "key = \"source\"", None),
    ("ovf", "", Some("overflow.toml")),
];

/// `cargo xtask gallery`: plays, and writes what has changed. The binary and the plugins are built already.
pub(crate) fn run() -> Result<()> {
    let (page, pictures) = (root().join("docs/gallery.md"), root().join("docs/gallery"));
    step("gallery");
    let evenkeel = ["release", "debug"]
        .map(|profile| target().join(profile).join("evenkeel"))
        .into_iter()
        .find(|program| program.exists());
    let Some(evenkeel) = evenkeel else {
        bail!("there is no evenkeel: cargo xtask build");
    };
    let mut rows = Vec::new();
    for name in schedulers()? {
        println!("{name}");
        rows.push(row(&play(&evenkeel, &name, &pictures)?)?);
    }
    let text = fs::read_to_string(&page)?;
    let (before, rest) = text
        .split_once(BEGIN)
        .context("docs/gallery.md has no figures")?;
    let (_, after) = rest
        .split_once(END)
        .context("the figures of docs/gallery.md have no end")?;
    let head = "| | load: greatest for mean | worst | waiting p99 | came again to their server | moved as `b` fails |\n\
                |---|---|---|---|---|---|\n";
    fs::write(
        &page,
        format!("{before}{BEGIN}{head}{}{END}{after}", rows.concat()),
    )?;
    println!("docs/gallery.md and the pictures in docs/gallery are those of now.");
    Ok(())
}

/// The shipped ones, by name.
fn schedulers() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("plugins"))? {
        let entry = entry?;
        // There is nothing to play to a checker.
        let source = fs::read_to_string(entry.path().join("src/lib.rs"))?;
        if source.contains("register_scheduler!") {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Plays to one, and writes its picture. What came of it.
fn play(evenkeel: &Path, name: &str, pictures: &Path) -> Result<Value> {
    let mut words: Vec<PathBuf> = ["plugin", "simulate", name, "--json", "--svg"]
        .map(PathBuf::from)
        .into();
    words.push(pictures.join(name).with_extension("svg"));
    words.extend(["--plugin-dir".into(), target().join("plugins")]);
    let special = SPECIAL.iter().find(|special| special.0 == name);
    if let Some((_, settings, workload)) = special {
        words.extend(["--settings".into(), settings.into()]);
        if let Some(workload) = workload {
            words.extend(["--workload".into(), pictures.join(workload)]);
        }
    }
    let done = command(evenkeel).args(words).output()?;
    if !done.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&done.stderr));
    }
    let mut outcomes: Vec<Value> = serde_json::from_slice(&done.stdout)?;
    outcomes.pop().context("no outcome")
}

/// A line of the table.
fn row(outcome: &Value) -> Result<String> {
    let number = |pointer: &str| outcome.pointer(pointer).and_then(Value::as_f64);
    let name = outcome["plugin"].as_str().context("no name")?;
    let shown = |pointer: &str, digits: usize, unit: &str| {
        number(pointer).map_or_else(|| "-".to_owned(), |it| format!("{it:.digits$}{unit}"))
    };
    let moved = |n: usize| {
        let of = |which: &str| number(&format!("/changes/{n}/moved/{which}_percent"));
        let parts = of("with_reason").zip(of("others"));
        parts.map_or_else(
            || "-".to_owned(),
            |(own, others)| format!("{own:.1} % + {others:.1} %"),
        )
    };
    let again = number("/returned_to_same").zip(number("/returning"));
    let again = again.map_or(0.0, |(same, all)| 100.0 * same / all.max(1.0));
    Ok(format!(
        "| [`{name}`](#{name}) | {} | {} | {} | {again:.0} % | {} |\n",
        shown("/imbalance/mean/max_over_mean", 2, ""),
        shown("/imbalance/max/max_over_mean", 2, ""),
        shown("/waiting/p99_ms", 0, " ms"),
        moved(0)
    ))
}
