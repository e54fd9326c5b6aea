//! What is written twice: keepalived takes the first and drops the second with a warning.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

use super::Translator;
use super::endpoint::Endpoint;
use crate::document::Table;
use crate::note::{Kind, Place};
use crate::tree::Statement;

/// Blocks at the top that others refer to by their name.
const NAMED: [&str; 6] = [
    "vrrp_instance",
    "vrrp_sync_group",
    "vrrp_script",
    "vrrp_track_process",
    "track_file",
    "virtual_server_group",
];

/// The blocks of a file whose name another one of their kind has before them, with the place of that one.
pub(super) fn named_twice(root: &Statement) -> BTreeMap<Place, Place> {
    let mut first = BTreeMap::new();
    let mut again = BTreeMap::new();
    for statement in root.statements() {
        let keyword = match statement.keyword() {
            "vrrp_track_file" => "track_file",
            keyword => keyword,
        };
        let Some(name) = statement.word(1).filter(|_| NAMED.contains(&keyword)) else {
            continue;
        };
        match first.entry((keyword, name)) {
            Entry::Vacant(entry) => {
                entry.insert(statement.place());
            }
            Entry::Occupied(entry) => {
                again.insert(statement.place(), *entry.get());
            }
        }
    }
    again
}

/// The protocol of a virtual server as a part of a name: keepalived takes UDP if it says nothing.
fn protocol(statement: &Statement) -> String {
    let mut inner = statement.statements().iter();
    let written = inner.rfind(|inner| inner.keyword() == "protocol");
    let written = written.and_then(|inner| inner.word(1));
    format!("-{}", written.unwrap_or("udp").to_lowercase())
}

impl Translator<'_> {
    /// Lists a block whose name another one has before it.
    pub(super) fn second_block(&mut self, statement: &Statement, first: Place) -> Table {
        let mut table = Table::default();
        let why = format!(
            "there is one of this name already, at {}: keepalived takes the first",
            self.notes.show(first)
        );
        self.leave(statement, &mut table, &why);
        table
    }

    /// The endpoints of a virtual server that no other one has before it; the others are listed.
    pub(super) fn not_taken(
        &mut self,
        statement: &Statement,
        endpoints: Vec<Endpoint>,
    ) -> Result<Vec<Endpoint>, String> {
        let protocol = protocol(statement);
        let mut free = Vec::with_capacity(endpoints.len());
        let mut taken = Vec::new();
        for endpoint in endpoints {
            match self.listens.get(&endpoint.name(&protocol)) {
                Some(first) => taken.push((endpoint, *first)),
                None => free.push(endpoint),
            }
        }
        let Some((endpoint, first)) = taken.first() else {
            return Ok(free);
        };
        let others = more(taken.len());
        let why = format!(
            "{endpoint}{others}: there is a virtual_server of the same at {} already, and keepalived takes the first",
            self.notes.show(*first)
        );
        if free.is_empty() {
            return Err(why);
        }
        self.notes.add(
            Kind::NotCarried,
            statement.place(),
            statement.keyword(),
            why,
        );
        Ok(free)
    }

    /// From now on these are a virtual server's.
    pub(super) fn take(&mut self, statement: &Statement, endpoints: &[Endpoint]) {
        let protocol = protocol(statement);
        for endpoint in endpoints {
            self.listens
                .insert(endpoint.name(&protocol), statement.place());
        }
    }

    /// What a line of a group names that no line before it does; the rest is listed.
    pub(super) fn new_in_group(
        &mut self,
        line: &Statement,
        found: Vec<Endpoint>,
        seen: &mut BTreeMap<Endpoint, Place>,
    ) -> Vec<Endpoint> {
        let mut new = Vec::with_capacity(found.len());
        let mut again = Vec::new();
        for endpoint in found {
            match seen.entry(endpoint) {
                Entry::Vacant(entry) => {
                    entry.insert(line.place());
                    new.push(endpoint);
                }
                Entry::Occupied(entry) => again.push((endpoint, *entry.get())),
            }
        }
        if let Some((endpoint, first)) = again.first() {
            let what = format!(
                "{endpoint}{}: in the group already, at {}",
                more(again.len()),
                self.notes.show(*first)
            );
            let keyword = "virtual_server_group";
            self.notes
                .add(Kind::NotCarried, line.place(), keyword, what);
        }
        new
    }

    /// The real servers of a virtual server, each once; `port` is what one without a port has. The others are listed.
    pub(super) fn each_server_once<'s>(
        &mut self,
        real: Vec<&'s Statement>,
        port: Option<u16>,
        service: &mut Table,
    ) -> Vec<&'s Statement> {
        let mut seen: BTreeMap<(IpAddr, u16), Place> = BTreeMap::new();
        let mut once = Vec::with_capacity(real.len());
        for statement in real {
            let written = statement.word(2).map_or(Some(0), |port| port.parse().ok());
            let address = statement.word(1).and_then(|ip| ip.parse().ok());
            // What cannot be understood is reported elsewhere.
            if let (Some(ip), Some(written)) = (address, written) {
                let port = if written == 0 {
                    port.unwrap_or(0)
                } else {
                    written
                };
                if let Some(first) = seen.get(&(ip, port)) {
                    let why = format!(
                        "{ip} {port} is there already, at {}: keepalived takes the first",
                        self.notes.show(*first)
                    );
                    self.leave(statement, service, &why);
                    continue;
                }
                seen.insert((ip, port), statement.place());
            }
            once.push(statement);
        }
        once
    }
}

/// Behind the first of several.
fn more(count: usize) -> String {
    match count {
        0 | 1 => String::new(),
        _ => format!(" and {} more", count - 1),
    }
}
