//! `virtual_server` and its real servers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Translator;
use super::check::Inherited;
use super::spread::{self, Spread};
use crate::keepalived::document::{Source, Table, quote};
use crate::keepalived::keywords;
use crate::keepalived::note::Kind;
use crate::keepalived::tree::{Statement, Word};

/// The most addresses that a range in a group may have.
const MOST: u32 = 4096;

const TRANSLATED: &[&str] = &[
    "lb_algo",
    "lvs_sched",
    "flag-1",
    "flag-2",
    "sh-port",
    "sh-fallback",
    "mh-port",
    "mh-fallback",
    "persistence_timeout",
    "persistence_granularity",
    "granularity",
    "lb_kind",
    "lvs_method",
    "protocol",
    "delay_loop",
    "connect_timeout",
    "retry",
    "nb_get_retry",
    "delay_before_retry",
    "alpha",
    "virtualhost",
    "ha_suspend",
    "quorum",
    "hysteresis",
    "inhibit_on_failure",
    "real_server",
];

const TRANSLATED_SERVER: &[&str] = &[
    "weight",
    "uthreshold",
    "lthreshold",
    "lb_kind",
    "lvs_method",
    "delay_loop",
    "connect_timeout",
    "retry",
    "nb_get_retry",
    "delay_before_retry",
    "alpha",
    "virtualhost",
    "inhibit_on_failure",
    "TCP_CHECK",
    "HTTP_GET",
    "SSL_GET",
    "SMTP_CHECK",
];

/// A virtual server while its statements are read.
struct Service<'s> {
    table: Table,
    inherited: Inherited,
    real: Vec<&'s Statement>,
    quorum: Option<u32>,
    hysteresis: Option<u32>,
    /// Where IPVS itself would keep the connections of failed servers.
    inhibit: Option<Statement>,
    spread: Spread<'s>,
}

impl Translator<'_> {
    /// A service for each address that the virtual server has.
    pub(super) fn virtual_server(&mut self, statement: &Statement) -> Vec<Table> {
        let endpoints = match self.endpoints(statement) {
            Ok(endpoints) => endpoints,
            Err(why) => {
                let mut table = Table::default();
                self.leave(statement, &mut table, &why);
                return vec![table];
            }
        };
        let Some(service) = self.one_service(statement, &endpoints) else {
            return Vec::new();
        };
        let service = match service {
            Ok(service) => service,
            Err(left) => return vec![left],
        };
        let protocol = service.get("protocol").unwrap_or_default().to_owned();
        let like = if statement.word(1) == Some("group") {
            format!("{}-", statement.word(2).unwrap_or_default())
        } else {
            String::new()
        };
        let mut tables = Vec::new();
        for endpoint in endpoints {
            let mut table = service.clone();
            let udp = if protocol == "\"udp\"" { "-udp" } else { "" };
            let like = format!("{like}{}-{}{udp}", endpoint.ip(), endpoint.port());
            let name = self.services.free(&like);
            table.change("name", quote(&name));
            table.change("listen", quote(&endpoint.to_string()));
            tables.push(table);
        }
        tables
    }

    /// What is in the block; the outer `None` if that says nothing at all.
    fn one_service(
        &mut self,
        statement: &Statement,
        endpoints: &[SocketAddr],
    ) -> Option<Result<Table, Table>> {
        let first = endpoints.first().copied()?;
        let place = Source::place(statement.place());
        let mut table = Table::new("[[service]]", Source::statement(statement));
        table.set("name", quote(""), place.clone());
        table.set("listen", quote(""), place);
        let mut service = Service {
            table,
            inherited: Inherited::default(),
            real: Vec::new(),
            quorum: None,
            hysteresis: None,
            inhibit: None,
            spread: Spread::default(),
        };
        if statement.block.is_none() {
            self.wrong(statement, "it needs a block: { ... }");
        }
        for inner in statement.statements() {
            if !self.of_service(inner, &mut service) {
                self.unknown(inner, &mut service.table, keywords::SERVER, TRANSLATED);
            }
        }
        if let Some(protocol) = service.table.get("protocol")
            && !matches!(protocol, "\"tcp\"" | "\"udp\"")
        {
            let mut table = Table::default();
            let why = format!("Evenkeel balances TCP and UDP, not {protocol}");
            self.leave(statement, &mut table, &why);
            return Some(Err(table));
        }
        if service.real.is_empty() {
            let mut table = Table::default();
            self.leave(statement, &mut table, "it has no real_server");
            return Some(Err(table));
        }
        self.defaults(statement, &mut service);
        let persistence = self.persistence(&service.spread, first, &mut service.table);
        let mut table = service.table;
        let servers: Vec<Table> = service
            .real
            .iter()
            .map(|real| {
                self.real_server(
                    real,
                    first.port(),
                    &service.inherited,
                    service.inhibit.as_ref(),
                )
            })
            .collect();
        self.quorum(
            service.quorum,
            service.hysteresis,
            &servers,
            statement,
            &mut table,
        );
        table.remarks(statement.tail());
        table.tables.extend(persistence);
        table.tables.extend(hoisted(servers));
        Some(Ok(table))
    }

    /// Whether a statement could be used.
    fn of_service<'s>(&mut self, inner: &'s Statement, to: &mut Service<'s>) -> bool {
        let table = &mut to.table;
        match inner.keyword() {
            "lb_algo" | "lvs_sched" => to.spread.scheduler = self.scheduler(inner, table),
            keyword if spread::KEYWORDS.contains(&keyword) => to.spread.later.push(inner),
            "lb_kind" | "lvs_method" => self.method(inner, table),
            "protocol" => {
                if let Some(protocol) = self.argument(inner, table) {
                    self.set(table, "protocol", quote(&protocol.to_lowercase()), inner);
                }
            }
            "ha_suspend" => {
                self.no_more(inner, 1, table);
                self.set(table, "ha_suspend", "true".to_owned(), inner);
            }
            "quorum" => to.quorum = self.number(table, "quorum", inner),
            "hysteresis" => to.hysteresis = self.number(table, "hysteresis", inner),
            "inhibit_on_failure" => {
                if self.switch(inner, table) {
                    to.inhibit = Some(inner.clone());
                    self.set(table, "on_down", quote("keep"), inner);
                }
            }
            "real_server" => to.real.push(inner),
            _ => return self.inherit(inner, &mut to.inherited, table),
        }
        true
    }

    fn method(&mut self, from: &Statement, table: &mut Table) {
        let first = from.word(1).unwrap_or_default();
        if first == "NAT" {
            self.no_more(from, 2, table);
        } else {
            let what = "Evenkeel does NAT: the servers' answers must come back through the director (make it their default route, or set snat = true), and the virtual address must go from their loopback interface";
            self.changed(from, what);
        }
        table.remarks(&from.lead);
        table.remarks(&from.trail);
    }

    fn defaults(&mut self, statement: &Statement, to: &mut Service<'_>) {
        self.flags(&to.spread, &mut to.table);
        if !to.table.has("protocol") {
            to.table.otherwise("protocol", quote("udp"));
            let what = "it names no protocol, which keepalived takes as UDP: write protocol TCP if that is meant";
            self.notes
                .add(Kind::Warning, statement.place(), statement.keyword(), what);
        }
        to.table.otherwise("quorum", "1".to_owned());
        to.table.otherwise("hysteresis", "0".to_owned());
        to.table.otherwise("ha_suspend", "false".to_owned());
    }

    fn real_server(
        &mut self,
        statement: &Statement,
        port: u16,
        inherited: &Inherited,
        inhibit: Option<&Statement>,
    ) -> Table {
        let mut table = Table::new("[[service.server]]", Source::statement(statement));
        let address = self.server_address(statement, port);
        table.set("address", quote(&address), Source::place(statement.place()));
        let mut inherited = inherited.clone();
        let mut checkers = Vec::new();
        if statement.block.is_none() {
            self.wrong(statement, "it needs a block: { ... }");
        }
        for inner in statement.statements() {
            match inner.keyword() {
                "weight" => self.whole(&mut table, "weight", inner),
                "uthreshold" => self.whole(&mut table, "upper_threshold", inner),
                "lthreshold" => self.whole(&mut table, "lower_threshold", inner),
                "lb_kind" | "lvs_method" => self.method(inner, &mut table),
                "inhibit_on_failure" => {
                    let on = self.switch(inner, &mut table);
                    if on != inhibit.is_some() {
                        let what = "on_down is for the whole service: for TCP it is \"keep\" by default, which keeps established connections";
                        self.changed(inner, what);
                    }
                    table.remarks(&inner.lead);
                    table.remarks(&inner.trail);
                }
                checker
                    if checker == "HTTP_GET"
                        || checker == "SSL_GET"
                        || checker.ends_with("_CHECK") =>
                {
                    checkers.push(inner);
                }
                _ if self.inherit(inner, &mut inherited, &mut table) => {}
                _ => self.unknown(inner, &mut table, keywords::REAL, TRANSLATED_SERVER),
            }
        }
        table.otherwise("weight", "1".to_owned());
        self.thresholds(statement, &mut table);
        let mut checks = Vec::new();
        for checker in &checkers {
            checks.extend(self.checks(checker, &inherited, &mut table));
        }
        if checks.is_empty() && !checkers.is_empty() {
            self.without_checks(statement);
        }
        table.remarks(statement.tail());
        table.tables = checks;
        table
    }

    fn server_address(&mut self, statement: &Statement, port: u16) -> String {
        let ip = statement.word(1).unwrap_or_default();
        let own = match statement.word(2) {
            None => Some(port),
            Some(text) => text.parse().ok(),
        };
        match (ip.parse::<IpAddr>(), own) {
            (Ok(ip), Some(own)) => {
                let own = if own == 0 { port } else { own };
                SocketAddr::new(ip, own).to_string()
            }
            _ => {
                self.wrong(statement, "it needs an IP address and a port");
                format!("{ip}:{port}")
            }
        }
    }

    /// What keepalived lowers where it could never be reached.
    fn quorum(
        &mut self,
        quorum: Option<u32>,
        hysteresis: Option<u32>,
        servers: &[Table],
        statement: &Statement,
        table: &mut Table,
    ) {
        let weight = |server: &Table| server.get("weight").and_then(|w| w.parse::<u32>().ok());
        let total = servers
            .iter()
            .filter_map(weight)
            .fold(0_u32, u32::saturating_add);
        let mut held = quorum.unwrap_or(1);
        if held > total.max(1) {
            held = total.max(1);
            table.change("quorum", held.to_string());
            let what = format!(
                "quorum {}: all servers together weigh {total}, so that it is lowered to that, as keepalived does",
                quorum.unwrap_or(1)
            );
            self.changed(statement, &what);
        }
        if hysteresis.is_some_and(|hysteresis| hysteresis >= held) {
            table.change("hysteresis", "0".to_owned());
            let what = format!(
                "hysteresis must be less than the quorum ({held}): it is 0, as keepalived takes it"
            );
            self.changed(statement, &what);
        }
    }

    /// The addresses and ports of a virtual server.
    fn endpoints(&mut self, statement: &Statement) -> Result<Vec<SocketAddr>, String> {
        let (first, second) = (statement.word(1), statement.word(2));
        match first {
            None => Err("it has no address".to_owned()),
            Some("fwmark") => Err("a service is an address and a port, not a firewall mark: write a [[service]] for each address that was marked".to_owned()),
            Some("group") => {
                let name = second.unwrap_or_default();
                let group = self.server_groups.get(name).cloned();
                let Some(group) = group else {
                    return Err(format!("there is no virtual_server_group {name}"));
                };
                let mut all = Vec::new();
                for line in group.statements() {
                    all.extend(self.member(line));
                }
                if all.is_empty() {
                    return Err(format!("nothing in virtual_server_group {name} is an address and a port"));
                }
                Ok(all)
            }
            Some(ip) => {
                let ip = ip.parse::<IpAddr>().map_err(|_| format!("{ip} is not an IP address"))?;
                let port = second.map_or(Ok(0), str::parse::<u16>);
                match port {
                    Ok(0) => Err("it is for all ports, which needs persistence: no scheduler that keeps clients on their server is shipped yet".to_owned()),
                    Ok(port) => Ok(vec![SocketAddr::new(ip, port)]),
                    Err(_) => Err(format!("{} is not a port", second.unwrap_or_default())),
                }
            }
        }
    }

    /// The addresses of one line of a group: one, or a range in the last part.
    fn member(&mut self, line: &Statement) -> Vec<SocketAddr> {
        let found = range(&line.words);
        match found {
            Ok(found) => found,
            Err(why) => {
                let keyword = "virtual_server_group";
                let what = format!("{}: {why}", line.text());
                self.notes
                    .add(Kind::NotCarried, line.place(), keyword, what);
                Vec::new()
            }
        }
    }
}

fn range(words: &[Word]) -> Result<Vec<SocketAddr>, &'static str> {
    let mut words = words.iter().map(|word| word.text.as_str());
    let addresses = words.next().unwrap_or_default();
    if addresses == "fwmark" {
        return Err("a service is an address and a port, not a firewall mark");
    }
    let port = words.next().and_then(|port| port.parse::<u16>().ok());
    let Some(port) = port.filter(|port| *port != 0) else {
        return Err("it needs a port");
    };
    let (first, last) = addresses
        .split_once('-')
        .map_or((addresses, None), |(first, last)| (first, Some(last)));
    let Ok(first) = first.parse::<IpAddr>() else {
        return Err("expected an IP address and a port");
    };
    let Some(last) = last else {
        return Ok(vec![SocketAddr::new(first, port)]);
    };
    let wrong = "the range ends before it begins, or is too long";
    let one = |ip: IpAddr| SocketAddr::new(ip, port);
    match first {
        IpAddr::V4(v4) => {
            let start = u32::from(v4);
            let last: u32 = last.parse().map_err(|_| wrong)?;
            let count = last.checked_sub(start & 0xff).filter(|_| last <= 0xff);
            let count = count.ok_or(wrong)?;
            Ok((0..=count)
                .filter_map(|n| start.checked_add(n))
                .map(|n| one(Ipv4Addr::from(n).into()))
                .collect())
        }
        IpAddr::V6(v6) => {
            let start = u128::from(v6);
            let last = u32::from_str_radix(last, 16).map_err(|_| wrong)?;
            let own = u32::from(v6.segments()[7]);
            let count = last
                .checked_sub(own)
                .filter(|n| *n < MOST && last <= 0xffff);
            let count = count.ok_or(wrong)?;
            Ok((0..=count)
                .filter_map(|n| start.checked_add(u128::from(n)))
                .map(|n| one(Ipv6Addr::from(n).into()))
                .collect())
        }
    }
}

/// The tables below a service: its servers with their checks. Checks that all servers have are the service's own.
fn hoisted(mut servers: Vec<Table>) -> Vec<Table> {
    let first = servers.first().map(|server| server.tables.clone());
    let first = first.unwrap_or_default();
    let plain = |server: &Table| server.tables.iter().all(Table::is_plain);
    let same = |server: &Table| texts(&server.tables) == texts(&first);
    let mut tables = Vec::new();
    if servers.len() > 1 && !first.is_empty() && servers.iter().all(|s| plain(s) && same(s)) {
        for server in &mut servers {
            server.tables.clear();
        }
        tables = first;
        headed(&mut tables, "service.check");
    }
    for server in &mut servers {
        headed(&mut server.tables, "service.server.check");
    }
    tables.extend(servers);
    tables
}

/// The checks as they would be written.
fn texts(tables: &[Table]) -> Vec<String> {
    tables.iter().map(|table| table.render(&[]).0).collect()
}

/// One table, or a list of them.
fn headed(tables: &mut [Table], name: &str) {
    let several = tables.len() > 1;
    for table in tables {
        table.header = if several {
            format!("[[{name}]]")
        } else {
            format!("[{name}]")
        };
    }
}
