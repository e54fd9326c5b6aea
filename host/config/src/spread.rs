//! How a service's connections are spread: by plan or by a verdict about each, and how long a client stays with its
//! server.

use super::reader::{Field, Reader, Wrong};
use super::schema::ServiceTable;
use super::uses::Uses;
use evenkeel_core::manifest::Decision;
use evenkeel_core::model::{
    Chosen, DataPlaneKind, OnDrain, Persistence, PluginRef, PluginUse, Protocol, ServiceKey,
};

/// What the configuration chooses of what the scheduler offers, or what that offers first; `None` if it does not offer
/// what is chosen, or if there is no scheduler.
pub(super) fn decision(
    table: &ServiceTable,
    service: Option<ServiceKey>,
    scheduler: Option<&PluginUse>,
    uses: &Uses<'_>,
    reader: &mut Reader,
) -> Option<Decision> {
    let scheduler = &scheduler?.plugin;
    let offered = uses.decisions(scheduler);
    let first = offered.first().copied().unwrap_or(Decision::Plan);
    let possible = |chosen, reader: &mut Reader| match chosen {
        Decision::Plan => Some(chosen),
        Decision::PerConnection => {
            let why = match service.map(|it| it.protocol) {
                Some(protocol @ (Protocol::Sctp | Protocol::Fwmark(_))) => {
                    format!("is possible for TCP and UDP only, not for {protocol}")
                }
                _ => match uses.per_connection() {
                    Ok(()) => {
                        remembered(table, uses.dataplane(), reader)?;
                        return Some(chosen);
                    }
                    Err(why) => format!("is impossible on this machine: {why}"),
                },
            };
            let (key, at) = if table.decision.written {
                ("decision", &table.decision.at)
            } else {
                ("scheduler", &table.scheduler.at)
            };
            reader.wrong_at(key, at, impossible(&why, offered));
            None
        }
    };
    match table.decision.copied() {
        None if table.decision.is_wrong() => None,
        None => possible(first, reader),
        Some(chosen) if chosen == first || offered.contains(&chosen) => possible(chosen, reader),
        Some(_) => {
            reader.wrong_at(
                "decision",
                &table.decision.at,
                not_offered(scheduler, first),
            );
            None
        }
    }
}

/// IPVS remembers clients by itself, so that there are no verdicts.
fn remembered(table: &ServiceTable, dataplane: &Chosen, reader: &mut Reader) -> Option<()> {
    if dataplane.kind != DataPlaneKind::Ipvs || !table.persistence.written {
        return Some(());
    }
    let at = &table.persistence.at;
    let message = "persistence beside a decision about each connection is impossible on IPVS, which remembers clients without asking";
    let help = format!(
        "remove persistence, or write decision = \"plan\"\nIPVS is used, since {}",
        dataplane.why
    );
    reader.error(at, message.to_owned(), Some(help));
    None
}

/// The kernel cannot queue each connection for a verdict.
fn impossible(why: &str, offered: &[Decision]) -> Wrong {
    let help = if offered.contains(&Decision::Plan) {
        "write \"plan\": the scheduler offers that, too"
    } else {
        "choose another scheduler: this one decides per connection only"
    };
    let what = format!("a decision about each connection {why}");
    Wrong::new(what, help)
}

/// `only` is what the scheduler offers instead: there are no more than two.
fn not_offered(scheduler: &PluginRef, only: Decision) -> Wrong {
    let how = match only {
        Decision::Plan => "by plan",
        Decision::PerConnection => "per connection",
    };
    let what = format!("scheduler {scheduler} decides {how} only");
    Wrong::new(
        what,
        format!("remove decision or write \"{only}\", or choose another scheduler"),
    )
}

/// How clients are remembered, if they are; the outer `None` if that is wrong.
#[expect(clippy::option_option, reason = "wrong, or none, or one")]
pub(super) fn persistence(
    table: &ServiceTable,
    service: Option<ServiceKey>,
    reader: &mut Reader,
) -> Option<Option<Persistence>> {
    let Some(written) = table.persistence.get().map(|brief| &brief.0) else {
        return (!table.persistence.is_wrong()).then_some(None);
    };
    let timeout = written.timeout.get().map(|timeout| timeout.0);
    let longest: u8 = match service?.addr.is_ipv4() {
        true => 32,
        false => 128,
    };
    let prefix = match written.prefix.get() {
        None if written.prefix.is_wrong() => return None,
        None => longest,
        Some(prefix) => match u8::try_from(prefix.0) {
            Ok(prefix) if prefix <= longest => prefix,
            _ => {
                let wrong = Wrong::new(
                    "too long for an IPv4 address",
                    format!("from 1 to {longest}"),
                );
                reader.wrong_at("prefix", &written.prefix.at, wrong);
                return None;
            }
        },
    };
    Some(Some(Persistence {
        timeout: timeout?,
        prefix,
    }))
}

/// What becomes of remembered clients of a server whose weight is 0; `None` if that is wrong.
pub(super) fn on_drain(table: &ServiceTable) -> Option<OnDrain> {
    match table.persistence.get() {
        None => Some(OnDrain::default()),
        Some(written) => written.0.on_drain.copied(),
    }
}

/// IPVS has one setting for all services, which one that moves its clients switches on.
pub(super) fn check_on_drain(services: &[ServiceTable], dataplane: &Chosen, reader: &mut Reader) {
    if dataplane.kind != DataPlaneKind::Ipvs {
        return;
    }
    let written = || {
        let tables = services.iter().filter_map(|table| table.persistence.get());
        tables.map(|table| &table.0.on_drain)
    };
    let is = |wanted| move |it: &&Field<OnDrain>| it.written && it.copied() == Some(wanted);
    let Some(moves) = written().find(is(OnDrain::Move)) else {
        return;
    };
    let place = reader.source.place(moves.at.start);
    for keeps in written().filter(is(OnDrain::Keep)) {
        let what = format!(
            "IPVS has one setting for all services, and on_drain = \"move\" at {place} switches it on"
        );
        let help = format!(
            "write the same in both\nIPVS is used, since {}",
            dataplane.why
        );
        reader.wrong_at("on_drain", &keeps.at, Wrong::new(what, help));
    }
}
