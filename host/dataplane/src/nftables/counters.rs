//! Reading what backends have counted.

use std::collections::BTreeMap;

use evenkeel_core::state::{BackendId, Counters};

use super::dump::{each_element, elements, is_absent};
use super::element::Element;
use super::message::push_elements;
use super::placed_service::backend;
use super::set::Set;
use super::socket::{Netfilter, io_error, undisturbed};
use super::wire::{Head, flags, kind};
use crate::Error;

/// Reads what every backend has counted.
pub(super) fn all(
    socket: &mut Netfilter,
    table: &str,
) -> Result<BTreeMap<BackendId, Counters>, Error> {
    undisturbed(|| {
        // By mark: a backend whose service has just become full NAT, or ceased to be, may be there under both.
        let mut counts = BTreeMap::new();
        for set in [Set::Be4, Set::Be6] {
            let result = elements(socket, table, set, |element| {
                if let Some(Element::Backend { mark, count, .. }) = element {
                    counts.insert(mark, count);
                }
            });
            match result {
                Err(error) if is_absent(&error) => return Ok(BTreeMap::new()),
                other => other?,
            }
        }
        let mut counters: BTreeMap<BackendId, Counters> = BTreeMap::new();
        for (mark, count) in counts {
            if let Some(id) = backend(mark) {
                counters.entry(id).or_default().connections += count;
            }
        }
        Ok(counters)
    })
    .map_err(io_error("read the counters"))
}

/// Reads what these backends have counted. One that is not there has counted nothing.
pub(super) fn of(
    socket: &mut Netfilter,
    table: &str,
    backends: impl IntoIterator<Item = Element>,
) -> BTreeMap<BackendId, u64> {
    let mut counts = BTreeMap::new();
    for element in backends {
        let set = element.set();
        let request = Head::new(kind::GET_ELEMENT, flags::ACK);
        let asked = socket.ask(
            request,
            |buf| push_elements(table, buf, [&element], false),
            |answer| {
                each_element(answer, set, |element| {
                    if let Some(Element::Backend { mark, count, .. }) = element
                        && let Some(id) = backend(mark)
                    {
                        counts.insert(id, count);
                    }
                });
            },
        );
        if let Err(error) = asked {
            tracing::debug!(%error, "a backend's counter could not be read");
        }
    }
    counts
}
