//! Running `nft`, and knowing afterwards which changes were its.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use nftables::batch::Batch;
use nftables::schema::{NfListObject, Table};
use nftables::types::NfFamily;
use parking_lot::Mutex;

use super::socket::io_error;
use crate::Error;

/// Who we are to the kernel: our socket's port, and the processes of `nft` that we have started.
#[derive(Debug, Clone, Default)]
pub(super) struct Ourselves {
    port: u32,
    children: Arc<Mutex<BTreeSet<u32>>>,
}

/// Children that are remembered: a watch is never far behind.
const CHILDREN: usize = 64;

impl Ourselves {
    pub(super) fn new(port: u32) -> Self {
        Self {
            port,
            children: Arc::default(),
        }
    }

    /// Whether a change with this netlink port and process is ours. The kernel names the process by its number in the
    /// first process namespace; in another one (a container) only the port tells, which is at first the number that the
    /// process has there (`netlink_autobind` in `net/netlink/af_netlink.c`).
    pub(super) fn made(&self, port: u32, process: u32) -> bool {
        let children = self.children.lock();
        port == self.port || children.contains(&port) || children.contains(&process)
    }

    fn remember(&self, process: u32) {
        let mut children = self.children.lock();
        if children.len() >= CHILDREN {
            children.clear();
        }
        children.insert(process);
    }
}

/// Removes a table, whether or not there is one.
pub(super) fn remove_table(ourselves: &Ourselves, name: &str) -> Result<(), Error> {
    let table = || {
        NfListObject::Table(Table {
            family: NfFamily::INet,
            name: name.into(),
            handle: None,
        })
    };
    let mut batch = Batch::new();
    batch.add(table());
    batch.delete(table());
    let json = serde_json::to_string(&batch.to_nftables()).map_err(|error| Error::Nft {
        stderr: error.to_string(),
    })?;
    // Not by standard input: `nft -j` opens /dev/stdin, which not every container has.
    run(ourselves, &["-j", &json], "").map(|_| ())
}

/// Runs `nft` with these arguments and input, in the network namespace of this thread; returns what it prints.
pub(super) fn run(ourselves: &Ourselves, args: &[&str], input: &str) -> Result<String, Error> {
    let mut child = Command::new("nft")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(io_error("start nft"))?;
    // It changes nothing before it has read its input.
    ourselves.remember(child.id());
    if let Some(mut stdin) = child.stdin.take() {
        // A child that gives up early says why on its standard error.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().map_err(io_error("wait for nft"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let stderr = if stderr.is_empty() {
        output.status.to_string()
    } else {
        stderr
    };
    Err(Error::Nft { stderr })
}
