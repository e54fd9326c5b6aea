//! What the backends of all services in a change take: one can move from a service to another. Pure.

use std::collections::{BTreeMap, HashMap};

use evenkeel_core::model::ServiceKey;
use evenkeel_core::state::BackendId;

use crate::nftables::element::Element;
use crate::nftables::placed_service::{PlacedService, backend};
use crate::nftables::step::{NftOp, NftStep, Subject};

/// How many connections a backend has had, given its element in the kernel.
pub(in crate::nftables) type Count<'a> = dyn FnMut(BackendId, Option<&Element>) -> u64 + 'a;

/// What a backend's element was and is to be, by its mark.
#[derive(Debug, Default)]
pub(super) struct Backends(BTreeMap<u32, Moved>);

#[derive(Debug, Default)]
struct Moved {
    old: Option<(ServiceKey, Element)>,
    new: Option<(ServiceKey, Element)>,
    /// Whether the service that had it is still there afterwards, so that a packet may be on its way to it.
    service_stays: bool,
}

impl Backends {
    /// Takes in those of a service.
    pub(super) fn add(
        &mut self,
        key: ServiceKey,
        old: Option<&PlacedService>,
        new: Option<&PlacedService>,
    ) {
        for element in old.into_iter().flat_map(|it| it.backends(|_| 0)) {
            let moved = self.0.entry(mark_of(&element)).or_default();
            moved.old = Some((key, element));
            moved.service_stays = new.is_some();
        }
        for element in new.into_iter().flat_map(|it| it.backends(|_| 0)) {
            self.0.entry(mark_of(&element)).or_default().new = Some((key, element));
        }
    }

    /// The steps of the first batch, and of the one after it.
    pub(super) fn steps(self, count: &mut Count<'_>) -> (Vec<NftStep>, Vec<NftStep>) {
        let before: HashMap<BackendId, Element> = self
            .0
            .iter()
            .filter_map(|(mark, moved)| Some((backend(*mark)?, moved.old.as_ref()?.1)))
            .collect();
        let (mut first, mut then) = (Vec::new(), Vec::new());
        let step = |key, op| NftStep {
            subject: Subject::Service(key),
            op,
        };
        for moved in self.0.into_values() {
            match (moved.old, moved.new) {
                (Some((_, old)), Some((_, new))) if old == new => {}
                (old, Some((key, new))) => {
                    first.extend(old.map(|(_, old)| step(key, NftOp::Delete(old))));
                    let new = counted(new, |id| count(id, before.get(&id)));
                    first.push(step(key, NftOp::Add(new)));
                }
                (Some((key, old)), None) if moved.service_stays => {
                    then.push(step(key, NftOp::Delete(old)));
                }
                (Some((key, old)), None) => first.push(step(key, NftOp::Delete(old))),
                (None, None) => {}
            }
        }
        (first, then)
    }
}

/// A backend's element that begins with what the backend has counted.
fn counted(mut element: Element, count: impl FnOnce(BackendId) -> u64) -> Element {
    if let Element::Backend {
        mark,
        count: initial,
        ..
    } = &mut element
        && let Some(id) = backend(*mark)
    {
        *initial = count(id);
    }
    element
}

/// The mark that is a backend element's key.
fn mark_of(element: &Element) -> u32 {
    match element {
        Element::Backend { mark, .. } => *mark,
        _ => 0,
    }
}
