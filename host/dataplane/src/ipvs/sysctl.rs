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

/// A client that is remembered (a template) goes to another server when the weight of its own is 0. Like the timeouts
/// it is everybody's, so it is left as it is until a service asks for it, and switched off only by the process that has
/// switched it on.
pub(super) const EXPIRE_QUIESCENT: &str = "expire_quiescent_template";

/// Switches one on, and says so.
pub(super) fn switch_on(name: &str, why: &str) -> Result<(), Error> {
    switch(name, true, why)
}

/// Whether one is on; `None`: this kernel does not have it.
pub(super) fn is_on(name: &str) -> Option<bool> {
    let now = fs::read_to_string(format!("{DIRECTORY}/{name}")).ok()?;
    Some(now.trim() != "0")
}

/// Switches one on or off, and says so.
pub(super) fn switch(name: &str, on: bool, why: &str) -> Result<(), Error> {
    let path = format!("{DIRECTORY}/{name}");
    let failed = |source| Error::Refused {
        what: format!("net.ipv4.vs.{name} = {}, so that {why}", u8::from(on)),
        source,
    };
    let now = fs::read_to_string(&path).map_err(failed)?;
    if (now.trim() != "0") == on {
        return Ok(());
    }
    let value = u8::from(on);
    fs::write(&path, value.to_string()).map_err(failed)?;
    tracing::info!(setting = %format_args!("net.ipv4.vs.{name} = {value}"), why, "setting changed");
    Ok(())
}

/// Whether this kernel has it.
pub(super) fn is_there(name: &str) -> bool {
    fs::exists(format!("{DIRECTORY}/{name}")).unwrap_or(false)
}
