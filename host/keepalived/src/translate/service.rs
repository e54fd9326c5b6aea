//! `virtual_server` and its real servers.

use std::net::{IpAddr, SocketAddr};

use super::Translator;
use super::check::Inherited;
use super::endpoint::Endpoint;
use super::spread::{self, Spread};
use crate::document::{Source, Table, quote};
use crate::keywords;
use crate::note::Kind;
use crate::tree::Statement;

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
    "warmup",
    "virtualhost",
    "ha_suspend",
    "quorum",
    "hysteresis",
    "inhibit_on_failure",
    "sorry_server",
    "quorum_up",
    "quorum_down",
    "omega",
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
    "warmup",
    "virtualhost",
    "inhibit_on_failure",
    "notify_up",
    "notify_down",
    "TCP_CHECK",
    "MISC_CHECK",
    "FILE_CHECK",
    "HTTP_GET",
    "SSL_GET",
    "SMTP_CHECK",
    "DNS_CHECK",
    "UDP_CHECK",
    "PING_CHECK",
];

/// A virtual server while its statements are read.
struct Service<'s> {
    table: Table,
    inherited: Inherited,
    real: Vec<&'s Statement>,
    sorry: Option<&'s Statement>,
    quorum: Option<u32>,
    hysteresis: Option<u32>,
    /// It has firewall marks only, for which a protocol means nothing.
    marks: bool,
    spread: Spread<'s>,
}

impl Translator<'_> {
    /// A service for each address that the virtual server has.
    pub(super) fn virtual_server(&mut self, statement: &Statement) -> Vec<Table> {
        let endpoints = self
            .endpoints(statement)
            .and_then(|endpoints| self.not_taken(statement, endpoints));
        let endpoints = match endpoints {
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
        self.take(statement, &endpoints);
        let group = if statement.word(1) == Some("group") {
            format!("{}-", statement.word(2).unwrap_or_default())
        } else {
            String::new()
        };
        let mut tables = Vec::new();
        for endpoint in endpoints {
            let mut table = service.clone();
            let protocol = match table.get("protocol") {
                Some("\"udp\"") => "-udp",
                Some("\"sctp\"") => "-sctp",
                _ => "",
            };
            let like = format!("{group}{}", endpoint.name(protocol));
            let name = self.services.free(&like);
            table.change("name", quote(&name));
            endpoint.write(&mut table);
            tables.push(table);
        }
        tables
    }

    /// What is in the block; the outer `None` if that says nothing at all.
    fn one_service(
        &mut self,
        statement: &Statement,
        endpoints: &[Endpoint],
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
            sorry: None,
            quorum: None,
            hysteresis: None,
            marks: endpoints.iter().all(Endpoint::is_mark),
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
            && !matches!(protocol, "\"tcp\"" | "\"udp\"" | "\"sctp\"")
        {
            let mut table = Table::default();
            let why = format!("keepalived and Evenkeel balance TCP, UDP and SCTP, not {protocol}");
            self.leave(statement, &mut table, &why);
            return Some(Err(table));
        }
        let real = std::mem::take(&mut service.real);
        service.real = self.each_server_once(real, first.port(), &mut service.table);
        if service.real.is_empty() {
            let mut table = Table::default();
            self.leave(statement, &mut table, "it has no real_server");
            return Some(Err(table));
        }
        if let Some(sorry) = service.sorry {
            self.sorry_server(
                sorry,
                first.port().unwrap_or(0),
                &service.real,
                &mut service.table,
            );
        }
        self.defaults(statement, &mut service);
        let persistence = self.persistence(&service.spread, first.ip(), &mut service.table);
        let mut table = service.table;
        let servers: Vec<Table> = service
            .real
            .iter()
            .map(|real| self.real_server(real, endpoints, &service.inherited, &table))
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
            "protocol" if to.marks => {
                let why = "a firewall mark stands for packets of any protocol, as in IPVS";
                self.leave(inner, table, why);
            }
            "ip_family" if to.marks => self.family(inner, table),
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
            "inhibit_on_failure" => self.inhibits(inner, table),
            "sorry_server" => to.sorry = Some(inner),
            "quorum_up" => self.command(table, "quorum_up", inner),
            "quorum_down" => self.command(table, "quorum_down", inner),
            "omega" => {
                self.no_more(inner, 1, table);
                self.set(table, "omega", "true".to_owned(), inner);
            }
            "real_server" => to.real.push(inner),
            _ => return self.inherit(inner, &mut to.inherited, table),
        }
        true
    }

    fn defaults(&mut self, statement: &Statement, to: &mut Service<'_>) {
        self.flags(&to.spread, &mut to.table);
        if !to.marks && !to.table.has("protocol") {
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
        endpoints: &[Endpoint],
        inherited: &Inherited,
        service: &Table,
    ) -> Table {
        let mut table = Table::new("[[service.server]]", Source::statement(statement));
        let place = Source::place(statement.place());
        table.set("address", quote(""), place);
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
                "inhibit_on_failure" => self.inhibits(inner, &mut table),
                "notify_up" => self.command(&mut table, "notify_up", inner),
                "notify_down" => self.command(&mut table, "notify_down", inner),
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
            checks.extend(self.check(checker, &inherited, &mut table));
        }
        if checks.is_empty() && !checkers.is_empty() {
            self.without_checks(statement);
        }
        table.remarks(statement.tail());
        table.tables = checks;
        self.server_address(statement, endpoints, service, &mut table);
        table
    }

    /// The server that is used in the place of all others. Without a port it has the service's.
    fn sorry_server(
        &mut self,
        statement: &Statement,
        port: u16,
        real: &[&Statement],
        table: &mut Table,
    ) {
        let ip = statement.word(1).and_then(|it| it.parse::<IpAddr>().ok());
        let own = statement.word(2).map(str::parse::<u16>);
        let (Some(ip), None | Some(Ok(_))) = (ip, &own) else {
            self.leave(statement, table, "it needs an address, and may have a port");
            return;
        };
        let given = own.and_then(Result::ok).filter(|port| *port != 0);
        let address = SocketAddr::new(ip, given.unwrap_or(port));
        let same = real.iter().any(|it| {
            let at = it.word(1).and_then(|it| it.parse::<IpAddr>().ok());
            let its = it.word(2).and_then(|it| it.parse().ok());
            at == Some(ip) && its.unwrap_or(port) == address.port()
        });
        if same {
            let why = "it is one of the service's servers; when_all_down = \"use_all\" uses these although they fail";
            self.leave(statement, table, why);
            return;
        }
        self.no_more(statement, 3, table);
        let text = if address.port() == 0 {
            ip.to_string()
        } else {
            address.to_string()
        };
        self.set(table, "sorry_server", quote(&text), statement);
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
