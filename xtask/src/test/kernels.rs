//! Tests on other kernels, many in one start of such a kernel: User-Mode Linux for the programs called `ipvs`, and
//! Debian's kernel in qemu for the program `debian` and those of the nftables data plane's tests for which many build
//! machines' kernels lack something.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use xtask::cmd::{answer, command, root, target};

use super::binaries::{Binary, Kernel};

/// Modules of the nftables data plane's tests: `queue` and flowtables. All of them would take ten minutes there
/// (`tests/kernels/dataplane`).
const MODULES: [&str; 2] = ["queues::", "offload::"];
/// How long one program of tests, and each start of User-Mode Linux, may take, in seconds.
const LIMIT: u32 = 2_400;
/// How long all programs may take on Debian's kernel, in seconds.
const DEBIAN_LIMIT: u32 = 3_000;
/// Kernels at once. Each has one processor, and one test at a time: a test that shares it is late with what it waits
/// for.
const UML_KERNELS: usize = 2;

/// A start of a kernel, with the tests that it is for.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) name: String,
    pub(super) command: Command,
}

/// Starts of User-Mode Linux with one list of tests between them: each takes the next one that none has taken, so that
/// they end together.
pub(super) fn uml(binaries: &[Binary], filter: Option<&str>, skips: &Path) -> Result<Vec<Start>> {
    let which: Vec<&str> = filter.into_iter().collect();
    let taken = target().join("uml-taken");
    fs::remove_dir_all(&taken).ok();
    fs::create_dir_all(&taken)?;
    let taken = fs::canonicalize(taken)?;
    let mut script = Script::new("uml", skips)?;
    let mut tests = 0;
    for binary in binaries.iter().filter(|it| it.kernel == Kernel::Uml) {
        for test in binary.tests(&which, false) {
            script.run_once(binary, &test, &taken.join(tests.to_string()));
            tests += 1;
        }
    }
    let file = target().join("uml-tests");
    let script = script.write(&file)?;
    let mut starts = Vec::new();
    for number in 1..=UML_KERNELS.min(tests) {
        let mut command = starter("uml-run");
        command
            .arg(script)
            .env("UML_TIMEOUT", (LIMIT + 60).to_string());
        let name = format!("User-Mode Linux, {number} of {UML_KERNELS}");
        starts.push(Start { name, command });
    }
    Ok(starts)
}

/// The start of Debian's kernel, or `None` if the filter leaves it no test.
pub(super) fn debian(
    binaries: &[Binary],
    filter: Option<&str>,
    skips: &Path,
) -> Result<Option<Start>> {
    let mut script = Script::new("debian", skips)?;
    let mut any = false;
    for binary in binaries {
        let end_to_end = binary.kernel == Kernel::Debian;
        let dataplane = binary.package == "dataplane" && binary.name == "nftables";
        if !end_to_end && !dataplane {
            continue;
        }
        let mut which: Vec<&str> = filter.into_iter().collect();
        if which.is_empty() && dataplane {
            which = MODULES.to_vec();
        }
        if binary.count(&which, end_to_end) == 0 {
            continue;
        }
        any = true;
        if end_to_end {
            which.push("--ignored");
        }
        script.run(binary, 1, &which);
    }
    if !any {
        return Ok(None);
    }
    let mut command = starter("qemu-run");
    command
        .arg(script.write(&target().join("debian-tests"))?)
        .env("QEMU_TIMEOUT", DEBIAN_LIMIT.to_string());
    let name = "Debian's kernel in qemu".to_owned();
    Ok(Some(Start { name, command }))
}

/// `tests/kernels/RUNNER`, to be followed by a program. Where there are namespaces it has its own processes, so that
/// they end with this process, however that ends.
fn starter(runner: &str) -> Command {
    let runner = root().join("tests/kernels").join(runner);
    let own = [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ];
    if answer(command(own[0]).args(&own[1..]).arg("true")).is_none() {
        return command(runner);
    }
    let mut command = command("setpriv");
    command.args(["--pdeathsig", "KILL"]).args(own).arg(runner);
    command
}

/// A script that runs programs of tests, one after the other.
#[derive(Debug)]
struct Script(String);

impl Script {
    /// `skips`: see `evenkeel_tests`' `EVENKEEL_SKIPS`.
    fn new(kernel: &str, skips: &Path) -> Result<Self> {
        Ok(Self(format!(
            "#!/bin/bash\nexport EVENKEEL_KERNEL={kernel} RUST_LIB_BACKTRACE=0 EVENKEEL_SKIPS={skips:?} CARGO_TARGET_DIR={:?}\nstatus=0\n",
            fs::canonicalize(target())?
        )))
    }

    /// Runs one test, unless another start has made this directory before.
    fn run_once(&mut self, binary: &Binary, test: &str, taken: &Path) {
        let _ = writeln!(self.0, "mkdir {taken:?} 2>/dev/null && {{");
        // As a filter: a test takes `--exact` for a start of its own.
        self.run(binary, 1, &[test]);
        let _ = writeln!(
            self.0,
            "}}\n[ -d {taken:?} ] || {{ echo {:?}; status=1; }}",
            format!(
                "test {test} ... not run: {} cannot be made",
                taken.display()
            )
        );
    }

    fn run(&mut self, binary: &Binary, threads: u32, which: &[&str]) {
        let which: String = which.iter().map(|it| format!(" {it:?}")).collect();
        let _ = writeln!(
            self.0,
            "echo; echo '== {}'\ncd {:?}\ntimeout {LIMIT} {:?} --color=never --test-threads={threads}{which} || status=1",
            binary.name, binary.directory, binary.program
        );
    }

    /// Returns the file.
    fn write<'a>(&self, to: &'a Path) -> Result<&'a Path> {
        fs::write(to, format!("{}exit $status\n", self.0))?;
        fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
        Ok(to)
    }
}
