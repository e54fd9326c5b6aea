//! Settings of IPVS as a whole (`net.ipv4.vs.*`), each of which is changed only when it is needed.

use std::fs;

use crate::Error;

/// Where they are: of this thread's network namespace.
const DIRECTORY: &str = "/proc/sys/net/ipv4/vs";

/// Packets of a removed server's connections end these, so that what follows is spread anew. Without it they are
/// dropped for as long as the connection is remembered.
pub(super) const EXPIRE_NODEST: &str = "expire_nodest_conn";

/// Connections are tracked by conntrack, too: so rules can see them, and rewrite their source.
pub(super) const CONNTRACK: &str = "conntrack";

/// Switches one on, and says so.
pub(super) fn switch_on(name: &str, why: &str) -> Result<(), Error> {
    let path = format!("{DIRECTORY}/{name}");
    let failed = |source| Error::Refused {
        what: format!("net.ipv4.vs.{name} = 1, so that {why}"),
        source,
    };
    let now = fs::read_to_string(&path).map_err(failed)?;
    if now.trim() != "0" {
        return Ok(());
    }
    fs::write(&path, "1").map_err(failed)?;
    tracing::info!(setting = %format_args!("net.ipv4.vs.{name} = 1"), why, "setting changed");
    Ok(())
}

/// Whether this kernel has it.
pub(super) fn is_there(name: &str) -> bool {
    fs::exists(format!("{DIRECTORY}/{name}")).unwrap_or(false)
}
