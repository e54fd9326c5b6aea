//! What a pure crate's sources may not name: on WebAssembly the standard library has stand-ins for it that fail only
//! when they are called.

use super::tree::Tree;

/// The directories of the pure crates.
const PURE: [&str; 3] = ["host/core/src", "host/config/src", "host/keepalived/src"];

/// Modules of the standard library that reach outside.
const MODULES: [&str; 6] = ["env", "fs", "io", "os", "process", "thread"];

/// Types that do so in other modules, and functions.
const NAMES: [&str; 6] = [
    "SystemTime",
    "TcpListener",
    "TcpStream",
    "ToSocketAddrs",
    "UdpSocket",
    "now",
];

/// Whether a directory with sources is that of a pure crate; `dir` starts from the top of the repository.
pub(super) fn is_pure(dir: &std::path::Path) -> bool {
    PURE.iter().any(|pure| dir == std::path::Path::new(pure))
}

/// What a pure crate's code names of the outside.
pub(super) fn faults(tree: &Tree) -> Vec<String> {
    let mut faults = Vec::new();
    for (file, path) in tree.paths() {
        let module = path.first().is_some_and(|first| first == "std")
            && path.get(1).is_some_and(|name| MODULES.contains(&&**name));
        let name = path.last().is_some_and(|last| NAMES.contains(&&**last));
        if module || name {
            faults.push(format!(
                "{}: {} in a pure crate",
                file.display(),
                path.join("::")
            ));
        }
    }
    faults
}
