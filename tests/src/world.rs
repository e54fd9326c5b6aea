//! Namespaces of one's own: going on in a copy of the process that shares no network, mounts or processes with the
//! machine.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::mount::{MsFlags, mount};
use nix::unistd::{Pid, geteuid, getpid};

use crate::process::wait_child;

/// Set in the copy of a process that lives in its own namespaces.
const INSIDE: &str = "EVENKEEL_LAB";
/// Names a file to which a line is added for each test that was skipped.
const SKIPS: &str = "EVENKEEL_SKIPS";
/// Exit code of a copy whose test has run and passed. Not 0: a filter that matches no test ends with that.
pub(crate) const PASSED: i32 = 86;
/// How long one test may take in all.
pub(crate) const TEST_LIMIT: Duration = Duration::from_secs(240);
/// Where everything of a lab is kept: inside a `tmpfs` that goes with the namespaces.
pub(crate) const DIR: &str = "/run/evenkeel-lab";

/// Why this machine gives no private namespaces.
#[derive(Debug, Clone)]
pub struct Impossible(pub String);

impl std::fmt::Display for Impossible {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Impossible {}

/// Whether this process lives in namespaces of its own. Everything that changes networks asks this first.
#[must_use]
pub fn inside() -> bool {
    env::var_os(INSIDE).is_some() && getpid() == Pid::from_raw(1)
}

/// Runs a test's body in a private world on the kernel that this process runs on; see
/// [`isolated_with`](crate::isolated_with).
pub(crate) fn privately<F: FnOnce() -> Result<()>>(programs: &[&str], body: F) -> Result<()> {
    if inside() {
        prepare()?;
        body()?;
        // The runner of the copy need not go on to its report: the first process makes it.
        std::process::exit(PASSED);
    }
    let name = test_name(std::any::type_name::<F>());
    let missing = programs.iter().find(|program| !is_installed(program));
    let can = missing.map_or_else(possible, |program| {
        Err(Impossible(format!("{program} is not installed")))
    });
    if let Err(impossible) = can {
        return skip(name, &impossible);
    }
    run_copy(
        name,
        private_command([name, "--exact", "--nocapture", "--include-ignored"])?,
        TEST_LIMIT,
    )
}

/// Runs a copy of this process that has been told to run one test, shows what it says, and returns what became of the
/// test.
pub(crate) fn run_copy(name: &str, mut copy: Command, limit: Duration) -> Result<()> {
    // nextest captures by process. libtest captures what this thread prints, so there the copy's output is passed on.
    let capture = env::var_os("NEXTEST").is_none();
    let mut output = tempfile()?;
    if capture {
        copy.stdout(output.try_clone()?).stderr(output.try_clone()?);
    }
    let mut child = copy
        .stdin(Stdio::null())
        .spawn()
        .context("cannot start unshare")?;
    let status = wait_child(&mut child, limit)?;
    if status.is_none() {
        child.kill()?;
        child.wait()?;
    }
    if capture {
        show(&mut output)?;
    }
    let Some(status) = status else {
        bail!("{name} has not ended within {limit:?}");
    };
    match status.code() {
        Some(PASSED) => Ok(()),
        Some(0) => bail!(
            "no test is called {name:?}: isolated() must be called in the test's own function"
        ),
        _ => bail!("{name} failed in its private world: {status}"),
    }
}

/// Runs this program again with the same arguments in a private world and waits for its end; inside, runs `body`.
///
/// # Errors
/// [`Impossible`] where there are no namespaces; what `body` returns.
pub fn with_private_world(body: impl FnOnce() -> Result<()>) -> Result<ExitStatus> {
    if inside() {
        prepare()?;
        body()?;
        return Ok(ExitStatus::default());
    }
    reexec(env::args_os().skip(1))
}

/// Runs this program again with these arguments in a private world and waits for its end. All that lives there ends
/// with this process.
///
/// # Errors
/// [`Impossible`] where there are no namespaces.
pub fn reexec<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Result<ExitStatus> {
    possible()?;
    private_command(args)?
        .status()
        .context("cannot start unshare")
}

/// Whether this machine lets us have private namespaces.
///
/// # Errors
/// [`Impossible`] with what `unshare` said.
pub fn possible() -> Result<(), Impossible> {
    let tried = Command::new("unshare")
        .args(flags())
        .args(["mount", "-t", "tmpfs", "tmpfs", "/run"])
        .stdin(Stdio::null())
        .output();
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(Impossible(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        )),
        Err(error) => Err(Impossible(format!("unshare (of util-linux): {error}"))),
    }
}

fn flags() -> Vec<&'static str> {
    let mut flags = vec![
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ];
    if !geteuid().is_root() {
        flags.extend(["--user", "--map-root-user"]);
    }
    flags
}

fn private_command<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Result<Command> {
    let mut command = in_namespaces(&env::current_exe()?);
    command
        .args(args)
        .env(INSIDE, "1")
        .env("TMPDIR", DIR)
        // A failed step is told by its message; the trace of where it was noticed would bury it.
        .env("RUST_LIB_BACKTRACE", "0");
    Ok(command)
}

/// A program in namespaces of its own. `setpriv` makes the end of the calling thread (by Ctrl-C, say) the end of
/// `unshare`, whose end is that of the namespaces.
pub(crate) fn in_namespaces(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "unshare"])
        .args(flags())
        .arg(program)
        .env("PATH", search_path());
    command
}

/// Also where Debian has administrators' programs, and ordinary users do not look.
fn search_path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/sbin");
    path
}

pub(crate) fn is_installed(program: &str) -> bool {
    env::split_paths(&search_path()).any(|dir| dir.join(program).is_file())
}

/// Gives the private world its own `/run`, where `ip netns` and programs keep theirs. Does so once.
fn prepare() -> Result<()> {
    if Path::new(DIR).exists() {
        return Ok(());
    }
    mount(
        Some("tmpfs"),
        "/run",
        Some("tmpfs"),
        MsFlags::empty(),
        Some("mode=755"),
    )
    .context("cannot mount a tmpfs on /run")?;
    fs::create_dir_all(DIR)?;
    Ok(())
}

/// Gives the private world a directory of its own in place of the machine's. Does so once; says whether it did.
pub(crate) fn private_directory(path: &Path) -> Result<bool> {
    anyhow::ensure!(inside(), "{} is the machine's", path.display());
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    // The fifth word is where, and this world's `/proc` shows this world's mounts.
    let mut places = mounts.lines().filter_map(|line| line.split(' ').nth(4));
    if places.any(|place| Path::new(place) == path) {
        return Ok(false);
    }
    mount(
        Some("tmpfs"),
        path,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("mode=755"),
    )
    .with_context(|| format!("cannot mount a tmpfs on {}", path.display()))?;
    Ok(true)
}

/// Shows a directory in another place of the private world, too. Both are made if need be.
pub(crate) fn show_at(directory: &Path, place: &Path) -> Result<()> {
    let mut own = fs::DirBuilder::new();
    own.recursive(true).mode(0o700);
    own.create(directory)?;
    own.create(place)?;
    let (none, flags) = (None::<&str>, MsFlags::MS_BIND);
    mount(Some(directory), place, none, flags, none)
        .with_context(|| format!("cannot show {} at {}", directory.display(), place.display()))
}

/// `lab::a_test::{{closure}}` -> `a_test`.
pub(crate) fn test_name(closure: &str) -> &str {
    let name = closure
        .split_once("::")
        .map_or(closure, |(_crate, rest)| rest);
    name.split_once("::{{closure}}")
        .map_or(name, |(name, _)| name)
}

/// Says that a test is left out, and why: what it needs cannot be had here.
///
/// # Errors
/// When that cannot be said.
pub fn skipped(name: &str, why: &str) -> Result<()> {
    skip(name, &Impossible(why.to_owned()))
}

pub(crate) fn skip(name: &str, why: &Impossible) -> Result<()> {
    let line = format!("SKIPPED: {name}: {}", why.0.replace('\n', "; "));
    // Not eprintln!, which a test runner captures and forgets.
    writeln!(std::io::stderr().lock(), "{line}")?;
    if let Some(file) = env::var_os(SKIPS) {
        writeln!(
            OpenOptions::new().append(true).create(true).open(file)?,
            "{line}"
        )?;
    }
    Ok(())
}

/// A file without a name.
fn tempfile() -> Result<File> {
    let path = env::temp_dir().join(format!(
        "evenkeel-lab-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create_new(true)
        .open(&path)?;
    fs::remove_file(path)?;
    Ok(file)
}

fn show(output: &mut File) -> Result<()> {
    let mut bytes = Vec::new();
    output.rewind()?;
    output.read_to_end(&mut bytes)?;
    #[expect(clippy::print_stderr, reason = "so that the test runner captures it")]
    {
        eprint!("{}", String::from_utf8_lossy(&bytes));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{is_installed, test_name};

    #[test]
    fn a_program_that_is_missing_is_noticed() {
        assert!(is_installed("sh"));
        assert!(!is_installed("a-program-that-nobody-has"));
    }

    #[test]
    fn a_tests_name_is_found_in_the_type_of_its_closure() {
        assert_eq!(test_name("lab::a_test::{{closure}}"), "a_test");
        assert_eq!(
            test_name("lab::group::a_test::{{closure}}::{{closure}}"),
            "group::a_test"
        );
    }
}
