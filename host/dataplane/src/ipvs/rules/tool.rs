//! Running iptables: the variant that works here.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::{fmt, io};

use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::state::Queue;
use evenkeel_ipvs::Family;

use super::Contents;
use super::chain::{self, Content};
use super::rule::{Place, Rule, Table};
use crate::Error;
use crate::namespace::in_namespace;

/// The lock of iptables: one program at a time changes rules.
const LOCK: &str = "/run/xtables.lock";
/// How long another program may hold it, in seconds. Firewalls hold it for
/// longer than a moment when they load many rules; meanwhile no other change is made in IPVS.
const LOCK_WAIT: &str = "--wait=5";

/// A variant of iptables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    /// What is called `iptables`, and is neither of the others as far as can be seen.
    Plain,
    /// By the kernel's own tables (`ip_tables`).
    Legacy,
    /// By nf_tables.
    Nft,
}

impl Tool {
    /// Those that there may be: the operator's choice first.
    fn all() -> Vec<Self> {
        let chosen = std::env::var_os("PATH").and_then(|path| {
            let mut found = std::env::split_paths(&path).map(|it| it.join("iptables"));
            found.find_map(|it| std::fs::canonicalize(it).ok())
        });
        let name = chosen.as_ref().and_then(|it| it.file_name()?.to_str());
        match name {
            Some(name) if name.contains("legacy") => vec![Self::Legacy, Self::Nft],
            Some(name) if name.contains("nft") => vec![Self::Nft, Self::Legacy],
            _ => vec![Self::Plain, Self::Legacy, Self::Nft],
        }
    }

    fn program(self, family: Family, action: &str) -> String {
        let base = match family {
            Family::V4 => "iptables",
            Family::V6 => "ip6tables",
        };
        match self {
            Self::Plain => format!("{base}-{action}"),
            Self::Legacy => format!("{base}-legacy-{action}"),
            Self::Nft => format!("{base}-nft-{action}"),
        }
    }

    /// All rules of an IP version.
    fn save(self, family: Family) -> io::Result<String> {
        if self.is_empty(family) {
            return Ok(String::new());
        }
        run(&self.program(family, "save"), &[], "")
    }

    /// Whether there are no rules, as far as that can be told without a process.
    fn is_empty(self, family: Family) -> bool {
        let names = match family {
            Family::V4 => "/proc/self/net/ip_tables_names",
            Family::V6 => "/proc/self/net/ip6_tables_names",
        };
        match self {
            Self::Plain => false,
            // A thread may be in another network namespace than its process.
            Self::Legacy => std::fs::read(names.replace("self", "thread-self")).map_or_else(
                |error| error.kind() == io::ErrorKind::NotFound,
                |it| it.is_empty(),
            ),
            Self::Nft => matches!(crate::nftables::any_table(), Ok(false)),
        }
    }

    /// Makes changes: each table's all or none. Waits a while for another program that is changing rules.
    fn restore(self, family: Family, text: &str) -> io::Result<()> {
        let program = self.program(family, "restore");
        run(&program, &["--noflush", LOCK_WAIT], text).map(|_| ())
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "iptables",
            Self::Legacy => "iptables-legacy",
            Self::Nft => "iptables-nft",
        })
    }
}

fn run(program: &str, arguments: &[&str], input: &str) -> io::Result<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("{program}: {error}")))?;
    if let Some(mut stdin) = child.stdin.take() {
        // It reads to the end before it prints anything. One that has failed says why itself.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let words: Vec<&str> = errors.split_whitespace().collect();
    if errors.contains("xtables lock") {
        return Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            format!("{program}: another program holds the lock of iptables, {LOCK}"),
        ));
    }
    Err(io::Error::other(match words.as_slice() {
        [] => format!("{program}: {}", output.status),
        words => words.join(" "),
    }))
}

/// iptables' rules in this thread's network namespace.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    /// The variant in which our rules are.
    tool: Option<Tool>,
    /// There is nothing of ours: neither of an earlier process, nor has anything been written since.
    empty: bool,
}

impl Tables {
    /// Our chains. When there are none, that is found out only once, since it takes processes.
    pub(crate) fn read(&mut self) -> Result<Contents, Error> {
        if self.empty {
            return Ok(Contents::new());
        }
        let tools = match self.tool {
            Some(tool) => vec![tool],
            None => Tool::all(),
        };
        for tool in tools {
            let mut contents = Contents::new();
            for family in [Family::V4, Family::V6] {
                match tool.save(family) {
                    Ok(saved) => contents.extend(chain::read(family, &saved)),
                    Err(source) if self.tool.is_some() => {
                        let what = format!("read the rules of {tool}");
                        return Err(Error::Io { what, source });
                    }
                    Err(error) => tracing::debug!(%tool, %error, "no rules can be read"),
                }
            }
            if !contents.is_empty() {
                self.tool = Some(tool);
                return Ok(contents);
            }
        }
        self.empty = true;
        Ok(Contents::new())
    }

    /// Makes a chain what it is to be. All or nothing.
    pub(crate) fn write(
        &mut self,
        place: Place,
        now: &Content,
        then: &Content,
    ) -> Result<(), Error> {
        let tool = match self.tool {
            Some(tool) => tool,
            None => working(place.table).map_err(Error::Invalid)?,
        };
        self.tool = Some(tool);
        self.empty = false;
        let text = now.change(place, then);
        tool.restore(place.family, &text).map_err(|source| {
            let what = format!("change the chain {} of {tool}", place.chain());
            // Who holds the lock says nothing about the change.
            match source.kind() {
                io::ErrorKind::ResourceBusy => Error::Io { what, source },
                _ => Error::Refused { what, source },
            }
        })
    }
}

/// Whether this machine can do what the rules of a table do. Probed at the first call, in a network namespace of its
/// own.
///
/// # Errors
/// Why not and what to do, for an operator.
pub(crate) fn supported(table: Table) -> Result<(), String> {
    working(table).map(|_| ())
}

/// The kernel does not change while the process lives.
static NAT: OnceLock<Result<Tool, String>> = OnceLock::new();
static MANGLE: OnceLock<Result<Tool, String>> = OnceLock::new();

fn working(table: Table) -> Result<Tool, String> {
    let cell = match table {
        Table::Nat => &NAT,
        Table::Mangle => &MANGLE,
    };
    if let Some(probed) = cell.get() {
        return probed.clone();
    }
    let probed = probe(table);
    match &probed {
        // Another program's lock passes.
        Err(why) if why.contains(LOCK) => probed,
        _ => cell.get_or_init(|| probed).clone(),
    }
}

/// Tries all variants with rules like those that will be wanted.
fn probe(table: Table) -> Result<Tool, String> {
    let probe = move || Ok(probe_here(table));
    let probed = in_namespace(probe).map_err(|error| error.to_string())?;
    // Without a namespace of our own nothing can be tried; then the operator's choice has to do.
    let (purpose, modules) = match table {
        Table::Nat => (
            "give connections the director's address (snat, hairpin)",
            "iptable_nat, ip6table_nat, xt_ipvs, xt_MASQUERADE, xt_mark",
        ),
        Table::Mangle => (
            "queue connections",
            "iptable_mangle, ip6table_mangle, xt_mark, xt_recent, xt_conntrack, xt_tcpudp, xt_NFQUEUE, nfnetlink_queue",
        ),
    };
    probed.unwrap_or_else(chosen).map_err(|why| {
        format!(
            "the ipvs data plane cannot {purpose} here: it takes iptables (Debian's package iptables) and the kernel modules {modules} \
             ({why})"
        )
    })
}

/// Without a probe: what the operator has chosen.
fn chosen() -> Result<Tool, String> {
    let first = Tool::all().into_iter().next();
    first.ok_or_else(|| "there is no iptables".to_owned())
}

fn probe_here(table: Table) -> Result<Tool, String> {
    let mut why = Vec::new();
    for tool in Tool::all() {
        let tried: io::Result<()> = [Family::V4, Family::V6]
            .into_iter()
            .try_for_each(|family| takes(tool, Place::new(family, table)));
        match tried {
            Ok(()) => return Ok(tool),
            Err(error) => why.push(format!("{tool}: {error}")),
        }
    }
    Err(why.join("; "))
}

/// Puts rules into the kernel of this thread's network namespace, and reads them back.
fn takes(tool: Tool, place: Place) -> io::Result<()> {
    let content = Content::with(place, sample(place));
    tool.restore(place.family, &Content::default().change(place, &content))?;
    let found = Content::read(place, &tool.save(place.family)?);
    if found.rules == content.rules && found.is_sound(place) {
        Ok(())
    } else {
        Err(io::Error::other(
            "the kernel does not hold the rules that were put there",
        ))
    }
}

/// Rules of every kind that is wanted there.
fn sample(place: Place) -> BTreeSet<Rule> {
    let address: std::net::IpAddr = match place.family {
        Family::V4 => [127, 0, 0, 1].into(),
        Family::V6 => [0, 0, 0, 0, 0, 0, 0, 1].into(),
    };
    let key = |protocol| ServiceKey {
        addr: address,
        port: 1,
        protocol,
    };
    let rules = match place.table {
        Table::Nat => vec![
            Rule::Snat(key(Protocol::Tcp)),
            Rule::Hairpin(address.into()),
        ],
        Table::Mangle => vec![
            Rule::Alive,
            Rule::Queue(key(Protocol::Tcp), Queue(0)),
            Rule::Queue(key(Protocol::Udp), Queue(0)),
        ],
    };
    rules.into_iter().collect()
}
