//! Changes made to our table: by steps in proportion to them, or by loading the whole table where there is none that is
//! sound.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::diff;
use evenkeel_core::model::{DataPlaneKind, Protocol, ServiceKey};
use evenkeel_core::state::{BackendId, Change, State};

use super::change::NftPlan;
use super::counters;
use super::element::Element;
use super::feature_probe::{offload_support, queue_support};
use super::gone;
use super::grace;
use super::layout::Layout;
use super::nft;
use super::offload;
use super::placed_service::{PlacedService, backend};
use super::queue::QueueForm;
use super::read;
use super::render;
use super::socket::Netfilter;
use super::stale;
use super::step::{NftOp, NftStep};
use super::table::{OurTable, TableState, earlier_count, servers_gone};
use crate::Error;
use crate::check::CheckedChanges;

/// Makes changes. If someone has changed the table behind our back, to what there is now.
pub(super) fn apply(table: &mut OurTable, changes: &[Change]) -> Result<(), Error> {
    match apply_once(table, changes) {
        Err(refused @ Error::Refused { .. }) => apply_again(table, changes, refused),
        other => other,
    }
}

/// Makes changes to the table as it was last read.
fn apply_once(table: &mut OurTable, changes: &[Change]) -> Result<(), Error> {
    if matches!(table.state, TableState::Unknown) {
        table.refresh()?;
    }
    match &table.state {
        TableState::Holds(_) => change(table, changes),
        TableState::Absent if changes.is_empty() => Ok(()),
        TableState::Absent => build(table, changes),
        TableState::Unknown | TableState::Damaged => {
            let checked = CheckedChanges::new(DataPlaneKind::Nftables, changes, |_| None)?;
            offload_interfaces(&checked)?;
            let mut state = State::default();
            diff::apply(&mut state, changes);
            rebuild(table, state)
        }
    }
}

/// After a refusal: if someone has changed the table behind our back, the changes are made to what there is now.
fn apply_again(table: &mut OurTable, changes: &[Change], refused: Error) -> Result<(), Error> {
    let believed = table.state.state();
    let actual = table.refresh()?.state();
    if actual == believed {
        return Err(refused);
    }
    tracing::warn!(error = %refused, "the table was changed by someone else meanwhile");
    let mut wanted = believed;
    diff::apply(&mut wanted, changes);
    apply_once(table, &diff::diff(&actual, &wanted))
}

/// Elements and rules of one batch where there is no table yet, but for a service that has more by itself. They bound
/// the memory and what the socket takes ([`BUFFER`](super::socket::BUFFER)); for each batch the kernel looks through
/// all that came before (`nft_table_validate` in `net/netfilter/nf_tables_api.c`), so there are few.
const PART: usize = 150_000;

/// How many of the changes are the next batch: at least one.
fn part(changes: &[Change]) -> usize {
    let mut left = PART;
    let fits = |change: &&Change| {
        let size = match change {
            Change::Put(_, service) => {
                let slots = PlacedService::needed(&service.spread).unwrap_or_default();
                4 + service.backends.len() + usize::try_from(slots).unwrap_or(PART)
            }
            _ => 1,
        };
        let fits = size <= left;
        left = left.saturating_sub(size);
        fits
    };
    changes.iter().take_while(fits).count().max(1)
}

/// Makes the table where there is none: the base ruleset by `nft`, and the services by steps, which take a third of the
/// time that `nft` takes to read their text. Nothing is in use yet, so one batch need not have them all; what goes wrong
/// leaves a table with those that came before.
fn build(table: &mut OurTable, changes: &[Change]) -> Result<(), Error> {
    let checked = CheckedChanges::new(DataPlaneKind::Nftables, changes, |_| None)?;
    offload_interfaces(&checked)?;
    queue_form(changes)?;
    let wanted = || checked.services.values().flatten();
    if !Layout::has_room(wanted().map(|it| &it.spread)) {
        return Err(no_slots());
    }
    let empty = Layout::default();
    let text = render::whole(&table.name, &empty, |_| 0);
    nft::run(&table.ourselves, &["-f", "-"], &text)?;
    table.state = TableState::Holds(Box::new(empty));
    // Until all servers are there, nobody can tell which are gone.
    table.gone = Some(BTreeSet::new());
    let mut new = BTreeSet::new();
    let mut rest = changes;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(part(rest));
        new.append(&mut make(table, now, Before::Shown)?);
        rest = later;
    }
    tracing::info!(table = table.name, services = new.len(), "table loaded");
    forget_untranslated(&mut table.socket, new);
    let TableState::Holds(layout) = &table.state else {
        return Ok(());
    };
    let gone = servers_gone(&mut table.socket, layout);
    let complete = gone.is_empty();
    table.gone = Some(gone);
    if complete {
        return Ok(());
    }
    change(table, &[])
}

fn no_slots() -> Error {
    Error::Invalid("there are more slots than slot numbers".to_owned())
}

/// Makes changes to a table that is known, by steps in proportion to them.
fn change(table: &mut OurTable, changes: &[Change]) -> Result<(), Error> {
    let new = make(table, changes, Before::Left)?;
    forget_untranslated(&mut table.socket, new);
    Ok(())
}

/// Where the counts of servers are from that the kernel has not.
#[derive(Debug, Clone, Copy)]
enum Before {
    /// They had left the table.
    Left,
    /// The table was lost, maybe with them: what was last shown of them counts, too.
    Shown,
}

/// The same; returns the services that were not there. Datagrams of older flows do not find those yet.
fn make(
    table: &mut OurTable,
    changes: &[Change],
    before: Before,
) -> Result<BTreeSet<ServiceKey>, Error> {
    let TableState::Holds(layout) = &mut table.state else {
        return Ok(BTreeSet::new());
    };
    let mut wanted = CheckedChanges::new(DataPlaneKind::Nftables, changes, |id| {
        layout.owners.get(&id).copied()
    })?;
    let form = queue_form(changes)?;
    let (socket, name) = (&mut table.socket, table.name.as_str());
    let interfaces = offload_interfaces(&wanted)?;
    if interfaces.is_some() {
        // Interfaces that disappear leave it by themselves.
        layout.offload = read::offload_interfaces(socket, name)?;
        wanted.offload = interfaces.as_ref();
    }
    let gone = gone::after(table.gone.as_ref(), layout, &wanted);
    let new: BTreeSet<ServiceKey> = wanted
        .services
        .iter()
        .filter(|(key, service)| service.is_some() && !layout.services.contains_key(key))
        .map(|(key, _)| *key)
        .collect();
    let mut plan = NftPlan::new(layout, &wanted, form, &mut |id, now| match now {
        Some(element) => counters::of(socket, name, [*element])
            .remove(&id)
            .unwrap_or_default(),
        None => match before {
            Before::Left => table.counts.get(id),
            Before::Shown => earlier_count(&table.counts, &table.shown, id),
        },
    })?;
    plan.gone(!gone.is_empty());
    if !plan.before.is_empty()
        && let Err(error) = socket.commit(name, &plan.before)
    {
        plan.abandon(layout);
        return Err(error);
    }
    if !plan.first.is_empty()
        && let Err(error) = socket.commit(name, &plan.first)
    {
        let undone = plan.undone();
        if !undone.is_empty()
            && let Err(error) = socket.commit(name, &undone)
        {
            // The next read finds it, and the next change removes it.
            tracing::warn!(%error, "what a refused change has added could not be removed");
        }
        plan.abandon(layout);
        return Err(error);
    }
    for id in plan.first.iter().filter_map(added) {
        table.counts.forget(id);
    }
    let mut left = BTreeMap::new();
    let mut cleared = Ok(());
    if !plan.then.is_empty() {
        grace::packets_have_passed();
        // Now that no slot names them any more, their counts are final.
        let leaving = plan.then.iter().filter_map(NftStep::element).copied();
        let leaving = leaving.filter(|e| matches!(e, Element::Backend { .. }));
        left = counters::of(socket, name, leaving);
        cleared = socket.commit(name, &plan.then);
    }
    plan.commit(layout);
    table.gone = Some(gone);
    left.retain(|id, _| !layout.owners.contains_key(id));
    left.into_iter()
        .for_each(|(id, count)| table.counts.put(id, count));
    if let Err(error) = cleared {
        // The changes have been made. What is left behind is found by the next read, or by the next change that it is
        // in the way of.
        tracing::warn!(%error, "what is no longer used could not be removed");
    }
    Ok(new)
}

/// Datagrams of senders whose flows are older than the service are spread like all others from now on.
fn forget_untranslated(socket: &mut Netfilter, mut new: BTreeSet<ServiceKey>) {
    new.retain(|key| key.protocol == Protocol::Udp);
    match stale::forget_untranslated(socket, &new) {
        Ok(0) => {}
        Ok(flows) => tracing::info!(
            flows,
            "UDP flows older than their service were forgotten: their next datagrams are spread"
        ),
        Err(error) => tracing::warn!(
            %error,
            "UDP flows older than their service cannot be forgotten: their datagrams are lost until they have paused"
        ),
    }
}

/// Replaces the table by one that holds the state. Persistence, queues and the flowtable follow in a batch of their
/// own, since not all `nft`s can say them: for an instant connections are spread by the slots alone.
fn rebuild(table: &mut OurTable, state: State) -> Result<(), Error> {
    let optional = state
        .services
        .iter()
        .filter(|(_, service)| service.persistence.is_some() || service.queue.is_some())
        .map(|(key, service)| Change::Put(*key, service.clone()));
    let offload = Some(&state.offload).filter(|interfaces| !interfaces.is_empty());
    let later: Vec<Change> = optional
        .chain(offload.cloned().map(Change::Offload))
        .collect();
    queue_form(&later)?;
    let layout = Layout::of(state).ok_or_else(no_slots)?;
    let text = render::whole(&table.name, &layout, |id| table.earlier_count(id));
    nft::run(&table.ourselves, &["-f", "-"], &text)?;
    layout.owners.keys().for_each(|id| table.counts.forget(*id));
    tracing::info!(
        table = table.name,
        services = layout.services.len(),
        "table loaded"
    );
    forget_untranslated(&mut table.socket, layout.services.keys().copied().collect());
    let gone = servers_gone(&mut table.socket, &layout);
    let complete = later.is_empty() && gone.is_empty();
    table.gone = Some(gone);
    table.state = TableState::Holds(Box::new(layout));
    if complete {
        return Ok(());
    }
    change(table, &later)
}

/// How new connections are queued, if a change wants that.
fn queue_form(changes: &[Change]) -> Result<Option<QueueForm>, Error> {
    let queued =
        |change: &Change| matches!(change, Change::Put(_, service) if service.queue.is_some());
    if !changes.iter().any(queued) {
        return Ok(None);
    }
    queue_support().map(Some).map_err(Error::Invalid)
}

/// The interfaces between which flows are to be offloaded, if a change is about them: those that there are.
fn offload_interfaces(wanted: &CheckedChanges<'_>) -> Result<Option<BTreeSet<String>>, Error> {
    let Some(interfaces) = wanted.offload else {
        return Ok(None);
    };
    if !interfaces.is_empty() {
        offload_support().map_err(Error::Invalid)?;
    }
    Ok(Some(offload::present(interfaces)))
}

/// The backend that a step puts into the kernel.
fn added(step: &NftStep) -> Option<BackendId> {
    match step.op {
        NftOp::Add(Element::Backend { mark, .. }) => backend(mark),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_core::state::{Selector, ServiceState, Spread};

    use super::*;

    fn put(slots: usize) -> Change {
        let id = BackendId::new(1).unwrap();
        let service = ServiceState {
            snat: false,
            backends: [(id, std::net::SocketAddr::from(([10, 0, 0, 1], 80)).into())].into(),
            spread: Spread::Slots {
                selector: Selector::Sequence,
                slots: vec![id; slots],
            },
            persistence: None,
            queue: None,
        };
        let key = ServiceKey {
            addr: [192, 0, 2, 1].into(),
            port: 80,
            protocol: Protocol::Tcp,
        };
        Change::Put(key, service)
    }

    #[test]
    fn a_first_loads_batches_are_bounded_and_the_largest_service_is_one_by_itself() {
        let parts = |changes: &[Change]| {
            let mut parts = Vec::new();
            let mut rest = changes;
            while !rest.is_empty() {
                let (now, later) = rest.split_at(part(rest));
                parts.push(now.len());
                rest = later;
            }
            parts
        };
        assert_eq!(parts(&[put(4), Change::Remove(key_of(&put(1)))]), [2]);
        assert_eq!(parts(&vec![put(65_536); 5]), [2, 2, 1]);
        assert_eq!(parts(&vec![put(PART + 1); 2]), [1, 1]);
        let small = vec![put(95); 3000];
        assert_eq!(parts(&small), [1500, 1500]);
    }

    fn key_of(change: &Change) -> ServiceKey {
        match change {
            Change::Put(key, _) => *key,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_empty_table_has_room_for_as_many_slots_as_there_are_numbers() {
        let Change::Put(_, service) = put(65_536) else {
            panic!("it is a service");
        };
        let all = 1 << (evenkeel_core::mark::SLOT_BITS - 16);
        let times = |count| std::iter::repeat_n(&service.spread, count);
        assert!(Layout::has_room(times(all)));
        assert!(!Layout::has_room(times(all + 1)));
    }
}
