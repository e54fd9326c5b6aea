//! Which data plane the configuration gets, and what is written that needs another one.

use super::machine::MachineSupport;
use super::reader::{Reader, Wrong};
use super::schema::{File, ServiceTable};
use super::tree::Span;
use super::uses::services;
use evenkeel_core::dataplane::{NoDataPlane, choose};
use evenkeel_core::model::{Chosen, DataPlaneChoice, DataPlaneKind, Forward, Protocol};

/// Something written that only IPVS can do.
struct Need<'a> {
    /// The key; a table has none.
    key: Option<&'static str>,
    at: &'a Span,
}

impl Need<'_> {
    fn show(&self, reader: &Reader) -> String {
        match self.key {
            Some(key) => format!("{key} = {}", reader.written(self.at)),
            None => "[connection_sync]".to_owned(),
        }
    }
}

/// The data plane; what is written that it cannot do is reported. Where none is to be had, that which would fit best.
pub(super) fn chosen(file: &File, machine: &dyn MachineSupport, reader: &mut Reader) -> Chosen {
    let needs = needs(file);
    let shown: Vec<String> = needs
        .iter()
        .map(|need| {
            let place = reader.source.place(need.at.start);
            format!("{} at {place}", need.show(reader))
        })
        .collect();
    let choice = file.dataplane.or(DataPlaneChoice::default);
    let works = &mut |kind| machine.works(kind);
    let (kind, why) = match choose(choice, &shown, machine.running(), works) {
        Ok(chosen) => return chosen,
        Err(NoDataPlane::Needs { why, help }) => {
            for need in needs {
                let message = format!("{}: {why}", need.show(reader));
                reader.error(need.at, message, help.clone());
            }
            (DataPlaneKind::Ipvs, why)
        }
        Err(NoDataPlane::Choice { why, help }) => {
            let at = &file.dataplane.at;
            reader.wrong_at("dataplane", at, Wrong::new(why.as_str(), help));
            let kind = match choice {
                DataPlaneChoice::Only(kind) => kind,
                DataPlaneChoice::Auto => DataPlaneKind::default(),
            };
            (kind, why)
        }
        // Not the file's fault: whoever opens the data plane says so.
        Err(NoDataPlane::Machine(why)) => (DataPlaneKind::default(), why),
    };
    Chosen { kind, why }
}

fn needs(file: &File) -> Vec<Need<'_>> {
    let mut needs: Vec<Need<'_>> = services(file).iter().flat_map(of_service).collect();
    if file.connection_sync.get().is_some() {
        needs.push(Need {
            key: None,
            at: &file.connection_sync.at,
        });
    }
    needs
}

fn of_service(table: &ServiceTable) -> Vec<Need<'_>> {
    let mut needs = Vec::new();
    let mut need = |key, at| needs.push(Need { key: Some(key), at });
    let other = |forward: Option<Forward>| forward.is_some_and(|it| it != Forward::Nat);
    if table.fwmark.get().is_some() {
        need("fwmark", &table.fwmark.at);
    }
    if table.protocol.copied() == Some(Protocol::Sctp) {
        need("protocol", &table.protocol.at);
    }
    if other(table.forward.copied()) {
        need("forward", &table.forward.at);
    }
    for server in table.server.tables() {
        if other(server.forward.copied()) {
            need("forward", &server.forward.at);
        }
    }
    needs
}
