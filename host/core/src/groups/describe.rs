//! Groups in words, for `explain`, `status` and `why`.

use std::collections::BTreeMap;

use super::{Clients, Group, Groups};
use crate::mark::BackendId;
use crate::selector::Selector;

/// The longest sequence that is shown slot by slot.
const SHOWN: usize = 16;

impl Selector {
    /// How a connection gets its slot, in words.
    #[must_use]
    pub fn in_words(self) -> String {
        match self {
            Self::Sequence => "in turn".to_owned(),
            Self::Random => "at random".to_owned(),
            Self::HashSource => "by a hash of the client's address".to_owned(),
            Self::HashFlow => "by a hash of the client's address and port".to_owned(),
            Self::HashNetwork(prefixes) => format!(
                "by a hash of the client's network (/{}, /{})",
                prefixes.v4, prefixes.v6
            ),
        }
    }
}

/// How slots are laid out, and who has how many. `name`: what a slot leads to.
pub fn layout<T: Copy + Ord>(
    selector: Selector,
    slots: &[T],
    name: impl Fn(T) -> String,
) -> String {
    let how = selector.in_words();
    if selector == Selector::Sequence && slots.len() <= SHOWN {
        let order: Vec<String> = slots.iter().map(|it| name(*it)).collect();
        return format!("{how}, {}", order.join(", "));
    }
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    for it in slots {
        *counts.entry(*it).or_default() += 1;
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(it, count)| format!("{} {count}", name(*it)))
        .collect();
    format!("{how}, of {} slots {}", slots.len(), counts.join(", "))
}

impl Groups {
    /// A line for each group, and one for each range of clients that begins in another group than the first. `name`: of
    /// a server.
    #[must_use]
    pub fn lines(&self, name: impl Fn(BackendId) -> String) -> Vec<String> {
        let groups = self.groups.iter().enumerate().map(|(number, group)| {
            let what = match group {
                Group::Refuse => "refuses".to_owned(),
                Group::Servers { selector, slots } => layout(*selector, slots, &name),
                Group::Split { selector, slots } => {
                    layout(*selector, slots, |to| format!("group {to}"))
                }
            };
            format!("group {number}: {what}")
        });
        let clients = self.clients.iter().map(
            |Clients {
                 first, last, group, ..
             }| format!("clients {first} to {last} begin in group {group}"),
        );
        groups.chain(clients).collect()
    }
}
