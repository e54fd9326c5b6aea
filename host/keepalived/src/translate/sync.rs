//! `lvs_sync_daemon`, in both its forms.

use super::Translator;
use crate::document::{Source, Table, quote};
use crate::tree::Statement;

/// The options behind the interface, and what they are called here.
const OPTIONS: [(&str, &str); 5] = [
    ("id", "id"),
    ("maxlen", "max_len"),
    ("port", "port"),
    ("ttl", "ttl"),
    ("group", "group"),
];

impl Translator<'_> {
    /// `lvs_sync_daemon INTERFACE [inst] INSTANCE ..` of `global_defs`. The table, or `None` if it is listed.
    pub(super) fn sync_daemon(&mut self, from: &Statement, around: &mut Table) -> Option<Table> {
        let mut words = from.arguments().iter().map(|word| word.text.as_str());
        let Some(interface) = words.next() else {
            self.wrong(from, "it needs an interface");
            return None;
        };
        let mut instance = None;
        let mut options: Vec<(&'static str, String)> = Vec::new();
        while let Some(word) = words.next() {
            let Some((name, key)) = OPTIONS.iter().find(|(name, _)| *name == word) else {
                instance = if word == "inst" {
                    words.next()
                } else {
                    Some(word)
                };
                continue;
            };
            match words.next() {
                // IPVS takes 0 for any number, which is not to be chosen here.
                Some("0") if *name == "id" => {
                    let what = "id 0, any pair's, is the instance's virtual_router_id here";
                    self.changed(from, what);
                }
                Some(value) if *name == "group" => options.push((key, quote(value))),
                Some(value) if value.parse::<u32>().is_ok() => {
                    options.push((key, value.to_owned()))
                }
                _ => self.wrong(from, &format!("{name} needs a number")),
            }
        }
        let vrrp = match instance {
            Some(name) => {
                let Some(known) = self.instances.get(name) else {
                    self.wrong(from, &format!("there is no vrrp_instance {name}"));
                    return None;
                };
                known
            }
            None => match self.instances.only() {
                Some(only) => {
                    let what = format!(
                        "it names no vrrp_instance, so that keepalived sends and receives at all times; here it follows the only one, {only}"
                    );
                    self.changed(from, &what);
                    only
                }
                None => {
                    let why = "it names no vrrp_instance, whose role would be followed: write [connection_sync]";
                    self.leave(from, around, why);
                    return None;
                }
            },
        };
        self.sync_table(from, around, &vrrp, interface, options)
    }

    /// `lvs_sync_daemon_interface INTERFACE` of an instance, as keepalived before 2.0 had it.
    pub(super) fn sync_interface(
        &mut self,
        from: &Statement,
        around: &mut Table,
        vrrp: &str,
    ) -> Option<Table> {
        let interface = self.argument(from, around)?;
        self.sync_table(from, around, vrrp, interface, Vec::new())
    }

    fn sync_table(
        &mut self,
        from: &Statement,
        around: &mut Table,
        vrrp: &str,
        interface: &str,
        options: Vec<(&'static str, String)>,
    ) -> Option<Table> {
        if let Some(first) = self.synchronised {
            let why = format!(
                "there is one already, at {}, as keepalived takes it",
                self.notes.show(first)
            );
            self.leave(from, around, &why);
            return None;
        }
        self.synchronised = Some(from.place());
        let mut table = Table::new("[connection_sync]", Source::statement(from));
        let place = Source::place(from.place());
        table.set("vrrp", quote(vrrp), place.clone());
        table.set("interface", quote(interface), place.clone());
        for (key, value) in options {
            table.set(key, value, place.clone());
        }
        Some(table)
    }
}
