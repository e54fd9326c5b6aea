//! The data plane in the kernel's nf_tables and conntrack.
//!
//! ```text
//! packet -> dispatch --svc4/svc6--> s<N> (the service's one rule: chooses a slot, as the connection's mark)
//!                  <- slot --slots--> the backend's number, as the connection's mark --be4/be6--> address and port
//! ```
//!
//! - `frame` and `render`: the table as text. It is loaded by `nft` only as a whole: at first, and when it is damaged.
//! - `layout`, `slots`, `change`: what the kernel holds and where; what to do to change it. Pure.
//! - `rule`, `element`, `encode`, `wire`, `socket`: changes and reads over one netlink socket.
//! - `entry`, `trial`: persistence, and asking the daemon; which of the ways to ask this kernel has.
//! - `short`: the short way of established flows.
//! - `read`, `adopt`: what is in the kernel, taken over from an earlier process or refused as damaged.

mod adopt;
mod change;
mod element;
mod encode;
mod entry;
mod flows;
mod frame;
mod layout;
mod nft;
mod probe;
mod read;
mod render;
mod rule;
mod short;
mod slots;
mod socket;
mod trial;
mod watch;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use evenkeel_core::model::DataPlaneKind;
use evenkeel_core::state::{BackendId, Change, Counters, State};

pub(crate) use self::read::any as any_table;
pub(crate) use self::trial::trial;
pub use self::watch::{Noticed, Watch};

use self::change::{Op, Plan};
use self::element::Element;
use self::frame::Reference;
use self::layout::Layout;
use self::nft::Ourselves;
use self::socket::{Netfilter, io_error};
use crate::ask::{self, Form};
use crate::check::Wanted;
use crate::remembered::Remembered;
use crate::{DataPlane, Error, Probe};

/// The longest name of a table: one that every version of `nft` takes.
const NAME: usize = 64;

/// What is being done, for an error.
const KILL: &str = "end a backend's flows";

/// While the kernel enlarges a set's hash table, in the background, a dump can miss elements or repeat them. So what looks like
/// damage is looked at again, after these pauses.
const PAUSES: [Duration; 3] = [
    Duration::from_millis(2),
    Duration::from_millis(20),
    Duration::from_millis(100),
];

/// The data plane of one table.
#[derive(Debug)]
pub struct Nftables {
    table: String,
    socket: Netfilter,
    ourselves: Ourselves,
    kernel: Kernel,
    /// Connections of backends that are not in the kernel now.
    counts: Remembered,
}

/// What is known of our table in the kernel.
#[derive(Debug)]
enum Kernel {
    /// Nothing: it has to be read.
    Unknown,
    /// There is none.
    Absent,
    /// It is not as we would have made it.
    Damaged,
    /// This is in it.
    Holds(Box<Layout>),
}

impl Nftables {
    /// The data plane of the table of this name (family `inet`) in this thread's network namespace. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name that `nft` would not take; [`Error::Io`].
    pub fn new(table: &str) -> Result<Self, Error> {
        let sound = table.len() <= NAME
            && table.starts_with(|c: char| c.is_ascii_alphabetic())
            && table
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        if !sound {
            return Err(Error::Invalid(format!(
                "{table:?} cannot be a table's name: it takes up to {NAME} letters, digits, _ and -, a letter first"
            )));
        }
        let socket = Netfilter::open()?;
        let ourselves = Ourselves::new(socket.port());
        let table = table.to_owned();
        let counts = Remembered::default();
        Ok(Self {
            table,
            socket,
            ourselves,
            kernel: Kernel::Unknown,
            counts,
        })
    }

    /// The netlink port that the kernel names as the author of changes made here, except of those that `nft` makes.
    #[must_use]
    pub fn port_id(&self) -> u32 {
        self.socket.port()
    }

    /// A watch of the table, which tells our own changes from others'. It waits for up to `patience` at a time.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn watch(&self, patience: Duration) -> Result<Watch, Error> {
        Watch::open(&self.table, self.ourselves.clone(), patience)
    }

    /// Reads the table, and keeps what it holds.
    fn refresh(&mut self) -> Result<&Kernel, Error> {
        let reference = Reference::get()?;
        let mut pauses = PAUSES.iter();
        self.kernel = loop {
            let Some(found) = read::table(&mut self.socket, &self.table)? else {
                break Kernel::Absent;
            };
            let layout = match reference.difference(&found.frame) {
                Some(why) => Err(why),
                None => adopt::adopt(&found),
            };
            match (layout, pauses.next()) {
                (Ok(layout), _) => break Kernel::Holds(Box::new(layout)),
                (Err(why), Some(pause)) => {
                    tracing::debug!(table = self.table, why, "reading the table again");
                    std::thread::sleep(*pause);
                }
                (Err(why), None) => {
                    let table = &self.table;
                    tracing::warn!(table, why, "the table is damaged and will be rebuilt");
                    found
                        .elements
                        .iter()
                        .for_each(|element| self.remember(element));
                    break Kernel::Damaged;
                }
            }
        };
        Ok(&self.kernel)
    }

    /// Remembers what a backend that goes has counted.
    fn remember(&mut self, element: &Element) {
        if let Element::Backend { mark, count, .. } = element
            && let Some(id) = layout::backend(*mark)
        {
            self.counts.put(id, *count);
        }
    }

    /// Makes changes to a table that is known, by steps in proportion to them.
    fn change(&mut self, changes: &[Change]) -> Result<(), Error> {
        let Kernel::Holds(layout) = &mut self.kernel else {
            return Ok(());
        };
        let mut wanted = Wanted::new(DataPlaneKind::Nftables, changes, |id| {
            layout.owners.get(&id).copied()
        })?;
        let form = form(changes)?;
        let (socket, table) = (&mut self.socket, self.table.as_str());
        let interfaces = short_way(&wanted)?;
        if interfaces.is_some() {
            // Interfaces that disappear leave it by themselves.
            layout.short = read::short_way(socket, table)?;
            wanted.offload = interfaces.as_ref();
        }
        let plan = Plan::new(layout, &wanted, form, &mut |id, now| match now {
            Some(element) => read::count(socket, table, [*element])
                .remove(&id)
                .unwrap_or_default(),
            None => self.counts.get(id),
        })?;
        if !plan.first.is_empty()
            && let Err(error) = socket.commit(table, &plan.first)
        {
            plan.abandon(layout);
            return Err(error);
        }
        for id in plan.first.iter().filter_map(added) {
            self.counts.forget(id);
        }
        let mut left = BTreeMap::new();
        let mut cleared = Ok(());
        if !plan.then.is_empty() {
            // Now that no slot names them any more, their counts are final.
            let leaving = plan.then.iter().filter_map(change::Step::element).copied();
            let leaving = leaving.filter(|e| matches!(e, Element::Backend { .. }));
            left = read::count(socket, table, leaving);
            cleared = socket.commit(table, &plan.then);
        }
        plan.commit(layout);
        left.retain(|id, _| !layout.owners.contains_key(id));
        left.into_iter()
            .for_each(|(id, count)| self.counts.put(id, count));
        if let Err(error) = cleared {
            // The changes have been made. What is left behind is found by the next read, or by the next change that it is in
            // the way of.
            tracing::warn!(%error, "what is no longer used could not be removed");
        }
        Ok(())
    }

    /// Replaces the table by one that holds the state. Persistence, questions and the flowtable follow in a batch of their own, since not all `nft`s can
    /// say them: for an instant connections are spread by the slots alone.
    fn rebuild(&mut self, state: State) -> Result<(), Error> {
        let extras = state
            .services
            .iter()
            .filter(|(_, service)| service.persistence.is_some() || service.ask.is_some())
            .map(|(key, service)| Change::Put(*key, service.clone()));
        let offload = Some(&state.offload).filter(|interfaces| !interfaces.is_empty());
        let later: Vec<Change> = extras
            .chain(offload.cloned().map(Change::Offload))
            .collect();
        form(&later)?;
        let layout = Layout::of(state)
            .ok_or_else(|| Error::Invalid("there are more slots than slot numbers".to_owned()))?;
        let text = render::whole(&self.table, &layout, |id| self.counts.get(id));
        nft::run(&self.ourselves, &["-f", "-"], &text)?;
        layout.owners.keys().for_each(|id| self.counts.forget(*id));
        tracing::info!(
            table = self.table,
            services = layout.services.len(),
            "table loaded"
        );
        self.kernel = Kernel::Holds(Box::new(layout));
        if later.is_empty() {
            return Ok(());
        }
        self.change(&later)
    }

    /// Ends the flows of a backend on a kernel that deletes no conntrack entry whose flow takes the short way (before 6.4: `EBUSY`, and a
    /// request by mark leaves it out). All flows go the long way meanwhile: for some milliseconds, as a rule.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Refused`].
    #[doc(hidden)]
    pub fn kill_off_the_short_way(&mut self, backend: BackendId) -> Result<(), Error> {
        let Some(interfaces) = read::short_way(&mut self.socket, &self.table)? else {
            return Ok(());
        };
        // Whatever fails from here on, what there is has to be read.
        let known = std::mem::replace(&mut self.kernel, Kernel::Unknown);
        let (socket, table) = (&mut self.socket, self.table.as_str());
        socket.commit(
            table,
            &short::steps([Op::DeleteShortChain, Op::DeleteFlowtable]),
        )?;
        let ended = flows::kill_soon(socket, backend).map_err(io_error(KILL));
        let interfaces = short::present(&interfaces);
        let names = interfaces.iter().cloned().collect();
        let back = [
            Op::AddFlowtable,
            Op::AddShortChain,
            Op::AddInterfaces(names),
        ];
        socket.commit(table, &short::steps(back))?;
        self.kernel = known;
        if let Kernel::Holds(layout) = &mut self.kernel {
            layout.short = Some(interfaces);
        }
        ended
    }

    /// Makes changes to the table as it was last read.
    fn apply_once(&mut self, changes: &[Change]) -> Result<(), Error> {
        if matches!(self.kernel, Kernel::Unknown) {
            self.refresh()?;
        }
        match &self.kernel {
            Kernel::Holds(_) => self.change(changes),
            Kernel::Absent if changes.is_empty() => Ok(()),
            Kernel::Unknown | Kernel::Absent | Kernel::Damaged => {
                short_way(&Wanted::new(DataPlaneKind::Nftables, changes, |_| None)?)?;
                let mut state = State::default();
                evenkeel_core::diff::apply(&mut state, changes);
                self.rebuild(state)
            }
        }
    }

    /// After a refusal: if someone has changed the table behind our back, the changes are made to what there is now.
    fn apply_again(&mut self, changes: &[Change], refused: Error) -> Result<(), Error> {
        let believed = self.kernel.state();
        let actual = self.refresh()?.state();
        if actual == believed {
            return Err(refused);
        }
        tracing::warn!(error = %refused, "the table was changed by someone else meanwhile");
        let mut wanted = believed;
        evenkeel_core::diff::apply(&mut wanted, changes);
        self.apply_once(&evenkeel_core::diff::diff(&actual, &wanted))
    }
}

impl Kernel {
    /// What it comes to for who uses it: a damaged table counts as none, so that all of it is wanted anew.
    fn state(&self) -> State {
        match self {
            Self::Holds(layout) => layout.state(),
            Self::Unknown | Self::Absent | Self::Damaged => State::default(),
        }
    }
}

/// How the daemon is asked, if a change wants that.
fn form(changes: &[Change]) -> Result<Option<Form>, Error> {
    let asks = |change: &Change| matches!(change, Change::Put(_, service) if service.ask.is_some());
    if !changes.iter().any(asks) {
        return Ok(None);
    }
    ask::support().map(Some).map_err(Error::Invalid)
}

/// The interfaces of the short way, if a change is about them: those that there are.
fn short_way(wanted: &Wanted<'_>) -> Result<Option<BTreeSet<String>>, Error> {
    let Some(interfaces) = wanted.offload else {
        return Ok(None);
    };
    if !interfaces.is_empty() {
        short::support().map_err(Error::Invalid)?;
    }
    Ok(Some(short::present(interfaces)))
}

/// The backend that a step puts into the kernel.
fn added(step: &change::Step) -> Option<BackendId> {
    match step.op {
        Op::Add(Element::Backend { mark, .. }) => layout::backend(mark),
        _ => None,
    }
}

impl DataPlane for Nftables {
    fn name(&self) -> &'static str {
        "nftables"
    }

    fn kind(&self) -> DataPlaneKind {
        DataPlaneKind::Nftables
    }

    fn asks(&mut self) -> Result<(), String> {
        ask::support().map(|_| ())
    }

    fn offloads(&mut self) -> Result<(), String> {
        short::support()
    }

    fn probe(&mut self) -> Result<Probe, Error> {
        Ok(probe::probe())
    }

    fn read(&mut self) -> Result<State, Error> {
        Ok(self.refresh()?.state())
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), Error> {
        match self.apply_once(changes) {
            Err(refused @ Error::Refused { .. }) => self.apply_again(changes, refused),
            other => other,
        }
    }

    fn counters(&mut self) -> Result<BTreeMap<BackendId, Counters>, Error> {
        let expected = match &self.kernel {
            Kernel::Holds(layout) => layout.owners.len(),
            Kernel::Unknown | Kernel::Absent | Kernel::Damaged => 0,
        };
        let mut counters = read::counters(&mut self.socket, &self.table)?;
        for pause in PAUSES {
            if counters.len() >= expected {
                break;
            }
            std::thread::sleep(pause);
            counters = read::counters(&mut self.socket, &self.table)?;
        }
        for (id, connections) in self.counts.iter() {
            counters.entry(id).or_insert(Counters { connections });
        }
        Ok(counters)
    }

    fn kill_flows(&mut self, backend: BackendId) -> Result<(), Error> {
        flows::kill(&mut self.socket, backend).map_err(io_error(KILL))?;
        let short = matches!(&self.kernel, Kernel::Holds(layout) if layout.short.is_some());
        if short && flows::take_the_short_way(&mut self.socket, backend).map_err(io_error(KILL))? {
            self.kill_off_the_short_way(backend)?;
        }
        Ok(())
    }

    fn clear(&mut self) -> Result<(), Error> {
        nft::remove_table(&self.ourselves, &self.table)?;
        self.kernel = Kernel::Absent;
        self.counts = Remembered::default();
        Ok(())
    }
}
