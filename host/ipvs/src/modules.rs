//! The kernel's modules: which there are, and loading them.
//!
//! The kernel loads most by itself (`request_module`): the family by its alias when it is asked for, a scheduler when a
//! service wants it. What is here is for kernels and machines where that does not work, and for telling what is
//! missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The module that is IPVS.
pub const IPVS: &str = "ip_vs";

/// Whether a module can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// It is in the kernel.
    Loaded,
    /// It can be loaded, as far as can be seen.
    Loadable,
    /// It is neither in the kernel nor among this kernel's modules.
    Missing,
}

/// The module of a scheduler.
#[must_use]
pub fn of_scheduler(name: &str) -> String {
    format!("ip_vs_{name}")
}

/// The module of a persistence engine.
#[must_use]
pub fn of_engine(name: &str) -> String {
    format!("ip_vs_pe_{name}")
}

/// Whether a module can be used. `name` with underscores.
#[must_use]
pub fn presence(name: &str) -> Presence {
    if Path::new("/sys/module").join(name).exists() {
        return Presence::Loaded;
    }
    let listed = |list: &str| {
        let list = fs::read_to_string(directory().join(list)).unwrap_or_default();
        list.lines().any(|line| names(line, name))
    };
    if listed("modules.builtin") {
        Presence::Loaded
    } else if listed("modules.dep") {
        Presence::Loadable
    } else {
        Presence::Missing
    }
}

/// Where this kernel's modules are.
fn directory() -> PathBuf {
    Path::new("/lib/modules").join(release())
}

/// This kernel's version.
#[must_use]
pub fn release() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().to_owned()
}

/// Whether a line of `modules.dep` or `modules.builtin` is about this module.
fn names(line: &str, name: &str) -> bool {
    let path = line.split(':').next().unwrap_or(line);
    let file = path.rsplit('/').next().unwrap_or(path);
    let stem = file.split('.').next().unwrap_or(file);
    stem.replace('-', "_") == name
}

/// Loads a module.
///
/// # Errors
/// Why not and what to do, for an operator.
pub fn load(name: &str) -> Result<(), String> {
    let modprobe = fs::read_to_string("/proc/sys/kernel/modprobe").unwrap_or_default();
    let modprobe = match modprobe.trim() {
        "" => "modprobe",
        path => path,
    };
    let outcome = Command::new(modprobe)
        .args(["--quiet", "--", name])
        .stdin(Stdio::null())
        .output();
    let why = match outcome {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => match String::from_utf8_lossy(&output.stderr).trim() {
            "" => format!("{modprobe} {name}: {}", output.status),
            text => text.to_owned(),
        },
        Err(error) => format!("{modprobe}: {error}"),
    };
    Err(missing(name, &why))
}

/// What an operator is told about a module that cannot be loaded.
#[must_use]
pub fn missing(name: &str, why: &str) -> String {
    let release = release();
    match presence(name) {
        Presence::Missing => format!(
            "the kernel module {name} is not there ({why}): install the modules of kernel {release} that have it, \
             or use a kernel with it"
        ),
        Presence::Loaded | Presence::Loadable => format!(
            "the kernel module {name} could not be loaded ({why}): load it at boot, by a line `{name}` in a file in \
             /etc/modules-load.d, or run `modprobe {name}` as root outside of containers"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_modules_dep_names_its_first_module_only() {
        let line =
            "kernel/net/netfilter/ipvs/ip_vs_rr.ko.xz: kernel/net/netfilter/ipvs/ip_vs.ko.xz";
        assert!(names(line, "ip_vs_rr"));
        assert!(!names(line, "ip_vs"));
        assert!(names("kernel/net/ipv4/udp-tunnel.ko", "udp_tunnel"));
    }

    #[test]
    fn what_is_not_there_is_missing_and_says_what_to_do() {
        assert_eq!(presence("ip_vs_no_such_thing"), Presence::Missing);
        let error = load("ip_vs_no_such_thing").unwrap_err();
        assert!(error.contains("ip_vs_no_such_thing"), "{error}");
        assert!(error.contains("install"), "{error}");
    }
}
