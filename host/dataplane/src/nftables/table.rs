//! Our table as it is known to be, and the ways to it.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use evenkeel_core::state::{BackendId, State};

use super::adopt;
use super::element::Element;
use super::layout::Layout;
use super::nft::Ourselves;
use super::placed_service::backend;
use super::read;
use super::reference::Reference;
use super::socket::Netfilter;
use super::stale;
use crate::Error;
use crate::remembered::Remembered;

/// While the kernel enlarges a set's hash table, in the background, a dump can miss elements or repeat them. So what
/// looks like damage is looked at again, after these pauses.
pub(super) const PAUSES: [Duration; 3] = [
    Duration::from_millis(2),
    Duration::from_millis(20),
    Duration::from_millis(100),
];

/// The servers that have left connections behind and are not in the kernel.
pub(super) fn servers_gone(socket: &mut Netfilter, layout: &Layout) -> BTreeSet<BackendId> {
    stale::servers_gone(socket, &layout.owners).unwrap_or_else(|error| {
        tracing::warn!(
            %error,
            "cannot tell whether servers that are gone have left connections behind"
        );
        BTreeSet::new()
    })
}

/// What a backend had counted that is put into a table which did not have it.
pub(super) fn earlier_count(
    counts: &Remembered,
    shown: &HashMap<BackendId, u64>,
    id: BackendId,
) -> u64 {
    let shown = shown.get(&id).copied().unwrap_or_default();
    counts.get(id).max(shown)
}

/// What is known of our table in the kernel.
#[derive(Debug)]
pub(super) enum TableState {
    /// Nothing: it has to be read.
    Unknown,
    /// There is none.
    Absent,
    /// It is not as we would have made it.
    Damaged,
    /// This is in it.
    Holds(Box<Layout>),
}

impl TableState {
    /// What it comes to for who uses it: a damaged table counts as none, so that all of it is wanted anew.
    pub(super) fn state(&self) -> State {
        match self {
            Self::Holds(layout) => layout.state(),
            Self::Unknown | Self::Absent | Self::Damaged => State::default(),
        }
    }
}

/// Our table.
#[derive(Debug)]
pub(super) struct OurTable {
    pub(super) name: String,
    pub(super) socket: Netfilter,
    pub(super) ourselves: Ourselves,
    pub(super) state: TableState,
    /// Connections of backends that are not in the kernel now.
    pub(super) counts: Remembered,
    /// Servers of TCP services that are not in the kernel and may have left connections behind; `None`: only conntrack
    /// knows.
    pub(super) gone: Option<BTreeSet<BackendId>>,
    /// All counts when they were last asked for: those of a table that somebody removes are not to be had any more.
    pub(super) shown: HashMap<BackendId, u64>,
}

impl OurTable {
    /// The table of this name in this thread's network namespace, of which nothing is known yet.
    pub(super) fn open(name: &str) -> Result<Self, Error> {
        let socket = Netfilter::open()?;
        Ok(Self {
            name: name.to_owned(),
            ourselves: Ourselves::new(socket.port()),
            socket,
            state: TableState::Unknown,
            counts: Remembered::default(),
            gone: None,
            shown: HashMap::new(),
        })
    }

    /// Reads the table, and keeps what it holds.
    pub(super) fn refresh(&mut self) -> Result<&TableState, Error> {
        let reference = Reference::get()?;
        let mut pauses = PAUSES.iter();
        self.state = loop {
            let Some(found) = read::table(&mut self.socket, &self.name)? else {
                break TableState::Absent;
            };
            let layout = match reference.difference(&found.base) {
                Some(why) => Err(why),
                None => adopt::adopt(&found),
            };
            match (layout, pauses.next()) {
                (Ok(layout), _) => {
                    if layout.gone && self.gone.is_none() {
                        self.gone = Some(servers_gone(&mut self.socket, &layout));
                    }
                    break TableState::Holds(Box::new(layout));
                }
                (Err(why), Some(pause)) => {
                    tracing::debug!(table = self.name, why, "reading the table again");
                    std::thread::sleep(*pause);
                }
                (Err(why), None) => {
                    let table = &self.name;
                    tracing::warn!(table, why, "the table is damaged and will be rebuilt");
                    found
                        .elements
                        .iter()
                        .for_each(|element| self.remember(element));
                    break TableState::Damaged;
                }
            }
        };
        Ok(&self.state)
    }

    /// What a backend had counted that is put into a table which did not have it.
    pub(super) fn earlier_count(&self, id: BackendId) -> u64 {
        earlier_count(&self.counts, &self.shown, id)
    }

    /// Remembers what a backend that goes has counted.
    fn remember(&mut self, element: &Element) {
        if let Element::Backend { mark, count, .. } = element
            && let Some(id) = backend(*mark)
        {
            self.counts.put(id, *count);
        }
    }
}
