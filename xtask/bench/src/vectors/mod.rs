//! What the IPVS of a real kernel decides, recorded for the tests: see `tests/vectors/ipvs/README.md`.

mod scene;
mod script;

use std::env::current_exe;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use self::scene::Scene;
use self::script::Script;
use xtask::cmd::{command, root, run as run_command, step};

#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Writes nothing; says which recordings would become others
    #[arg(long)]
    check: bool,
    /// Records into this directory, in the kernel that this runs in
    #[arg(long, hide = true)]
    inside: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    if let Some(out) = &options.inside {
        return record(out);
    }
    let kept = root().join("tests/vectors/ipvs");
    let fresh = tempfile::tempdir()?;
    let out = if options.check { fresh.path() } else { &kept };
    step("Recording what IPVS decides, in User-Mode Linux");
    run_command(
        command(root().join("tests/kernels/uml-run"))
            .arg(current_exe()?)
            .args(["vectors", "--inside"])
            .arg(out),
    )?;
    if options.check {
        check(&kept, out)?;
    }
    Ok(())
}

fn record(out: &Path) -> Result<()> {
    let mut scene = Scene::build()?;
    for scheduler in script::SCHEDULERS {
        let mut scenarios = Vec::new();
        for script in Script::of(scheduler) {
            scenarios.push(scene.play(scheduler, &script)?);
        }
        fs::write(
            out.join(format!("{scheduler}.json")),
            text(scheduler, &scenarios)?,
        )?;
        println!("{scheduler}: {} scenarios", scenarios.len());
    }
    Ok(())
}

/// One line for each step, so that a difference between two recordings can be read.
fn text(scheduler: &str, scenarios: &[Value]) -> Result<String> {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut text = format!(
        "{{\"kernel\":{},\"scheduler\":{},\"scenarios\":[",
        json!(kernel.trim()),
        json!(scheduler)
    );
    for (n, scenario) in scenarios.iter().enumerate() {
        let comma = if n == 0 { "\n" } else { ",\n" };
        let steps: Vec<String> = scenario["steps"]
            .as_array()
            .into_iter()
            .flatten()
            .map(Value::to_string)
            .collect();
        text += &format!(
            "{comma}{{\"name\":{},\"settings\":{},\"servers\":{},\"steps\":[\n{}\n]}}",
            scenario["name"],
            scenario["settings"],
            scenario["servers"],
            steps.join(",\n")
        );
    }
    Ok(text + "\n]}\n")
}

fn check(kept: &Path, fresh: &Path) -> Result<()> {
    let mut others = Vec::new();
    for scheduler in script::SCHEDULERS {
        let file = format!("{scheduler}.json");
        if fs::read(kept.join(&file))? != fs::read(fresh.join(&file))? {
            others.push(*scheduler);
        }
    }
    ensure!(
        others.is_empty(),
        "this kernel's IPVS decides otherwise than recorded: {}",
        others.join(", ")
    );
    println!("Nothing differs.");
    Ok(())
}
