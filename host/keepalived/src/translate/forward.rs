//! How connections get to real servers: `lb_kind`, their addresses, and what becomes of those that fail.

use std::net::{IpAddr, SocketAddr};

use super::Translator;
use super::endpoint::Endpoint;
use super::ports::is_nat;
use crate::document::{Table, quote};
use crate::tree::Statement;

impl Translator<'_> {
    /// `lb_kind` and `lvs_method`, of a virtual server or a real one.
    pub(super) fn method(&mut self, from: &Statement, table: &mut Table) {
        let forward = match from.word(1) {
            Some("NAT") => "nat",
            Some("DR") => "dr",
            Some("TUN") => "tun",
            None => return self.wrong(from, "it needs a value"),
            Some(other) => {
                return self.wrong(from, &format!("{other} is none of NAT, DR and TUN"));
            }
        };
        match (forward, from.word(2)) {
            ("tun", Some("type")) => {
                if let Some(other) = from.word(3).filter(|kind| *kind != "ipip") {
                    let what = format!(
                        "the tunnel is IP in IP (ipip), not {other}: the servers need such a device, `evenkeel explain` says how"
                    );
                    self.changed(from, &what);
                } else {
                    self.no_more(from, 4, table);
                }
            }
            _ => self.no_more(from, 2, table),
        }
        self.set(table, "forward", quote(forward), from);
    }

    /// `inhibit_on_failure`, of a virtual server or a real one.
    pub(super) fn inhibits(&mut self, from: &Statement, table: &mut Table) {
        let on = self.switch(from, table);
        self.set(table, "inhibit_on_failure", on.to_string(), from);
    }

    /// `ip_family` of a virtual server with firewall marks: [`Translator::endpoints`] has read it.
    pub(super) fn family(&mut self, from: &Statement, table: &mut Table) {
        match self.argument(from, table) {
            None | Some("inet" | "inet6") => {}
            Some(other) => self.wrong(from, &format!("{other} is neither inet nor inet6")),
        }
        table.remarks(&from.lead);
        table.remarks(&from.trail);
    }

    /// The address of a real server. A port that is not written is that of the virtual server, which
    /// [`complete_ports`](super::ports::complete_ports) adds.
    pub(super) fn server_address(
        &mut self,
        statement: &Statement,
        endpoints: &[Endpoint],
        service: &Table,
        table: &mut Table,
    ) {
        let ip = statement.word(1).unwrap_or_default();
        let port = statement.word(2).map_or(Ok(0), str::parse::<u16>);
        let (Ok(address), Ok(port)) = (ip.parse::<IpAddr>(), port) else {
            self.wrong(statement, "it needs an IP address and a port");
            table.change("address", quote(ip));
            return;
        };
        if port == 0 {
            table.change("address", quote(&address.to_string()));
            return;
        }
        let written = SocketAddr::new(address, port);
        table.change("address", quote(&written.to_string()));
        let other = endpoints
            .iter()
            .filter_map(Endpoint::port)
            .find(|of_service| *of_service != port);
        if let Some(other) = other
            && !is_nat(service, table)
        {
            let what = format!(
                "without NAT the port is not changed on the way: connections arrive at port {other}, not {port}, which is only checked"
            );
            self.changed(statement, &what);
            for check in &mut table.tables {
                check.otherwise("port", port.to_string());
            }
        }
    }
}
