//! Who has which address, now and over time.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;
use serde_json::Value;

use crate::lab::Node;
use crate::wait::wait_until;

/// From one look at the machines to the next.
const EVERY: Duration = Duration::from_millis(2);

impl Node {
    /// All addresses of the machine.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn addresses(&self) -> Result<BTreeSet<IpAddr>> {
        self.enter(addresses_here)?
    }

    /// What `ip address` shows of one address: an object with `local`, `prefixlen`, `scope`, `label`, `protocol` and
    /// so on, and the name of its interface as `ifname`. `None` if the machine does not have it.
    ///
    /// # Errors
    /// With what `ip` said.
    pub fn address(&self, address: IpAddr) -> Result<Option<Value>> {
        for link in self.ip_json(&["address", "show"])? {
            let Some(list) = link["addr_info"].as_array() else {
                continue;
            };
            let wanted = address.to_string();
            if let Some(found) = list.iter().find(|it| it["local"] == wanted.as_str()) {
                let mut found = found.clone();
                found["ifname"] = link["ifname"].clone();
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// `ip -json -details ARGS`, a list of objects.
    ///
    /// # Errors
    /// With what `ip` said.
    pub fn ip_json(&self, args: &[&str]) -> Result<Vec<Value>> {
        let text = self.run("ip", &[&["-json", "-details"], args].concat())?;
        if text.trim().is_empty() {
            return Ok(Vec::new());
        }
        serde_json::from_str(&text).with_context(|| format!("ip {}: {text}", args.join(" ")))
    }
}

/// Which of the machines has all of these addresses while no other has any of them.
///
/// # Errors
/// When the system does not say.
pub fn sole_holder(machines: &[Node], addresses: &[IpAddr]) -> Result<Option<usize>> {
    let mut found = None;
    for (number, node) in machines.iter().enumerate() {
        let all = node.addresses()?;
        match addresses.iter().filter(|it| all.contains(*it)).count() {
            0 => {}
            count if count == addresses.len() && found.is_none() => found = Some(number),
            _ => return Ok(None),
        }
    }
    Ok(found)
}

/// Waits until this machine has all of the addresses and no other has any, and says how long that took.
///
/// # Errors
/// After `limit`, with who has what.
pub fn wait_holder(
    machines: &[Node],
    addresses: &[IpAddr],
    holder: usize,
    limit: Duration,
) -> Result<Duration> {
    let name = machines.get(holder).map_or("nobody", Node::name);
    wait_until(&format!("{name} alone has {addresses:?}"), limit, || {
        Ok(sole_holder(machines, addresses)? == Some(holder))
    })
    .with_context(|| {
        machines
            .iter()
            .map(|node| {
                let all = node.addresses().unwrap_or_default();
                let held: Vec<_> = addresses.iter().filter(|it| all.contains(*it)).collect();
                format!("{} has {held:?}", node.name())
            })
            .collect::<Vec<_>>()
            .join(", ")
    })
}

/// Looks all the time which of some machines has which of some addresses.
#[derive(Debug)]
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<Sighting>>>,
    wanted: usize,
}

/// One look.
#[derive(Debug, Clone)]
pub struct Sighting {
    /// When.
    pub at: Instant,
    /// The watched addresses that each machine had, in the order of the machines.
    pub held: Vec<BTreeSet<IpAddr>>,
}

impl Watch {
    /// Begins to look, every 2 ms or so. It has looked once when this returns: what happens from then on is seen.
    ///
    /// # Errors
    /// When no thread can be made, or looking failed.
    pub fn start(machines: &[Node], addresses: &[IpAddr]) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let machines = machines.to_vec();
        let wanted: BTreeSet<IpAddr> = addresses.iter().copied().collect();
        let number = wanted.len();
        let (looked, first) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("watch".to_owned())
            .spawn(move || {
                let mut sightings = Vec::new();
                loop {
                    // The last look is after the word to stop, so that it shows how things are then.
                    let last = told.load(Ordering::Relaxed);
                    let at = Instant::now();
                    let mut held = Vec::new();
                    for node in &machines {
                        node.go_there()?;
                        held.push(&addresses_here()? & &wanted);
                    }
                    sightings.push(Sighting { at, held });
                    // Nobody listens after the first one.
                    let _ = looked.send(());
                    if last {
                        return Ok(sightings);
                    }
                    thread::sleep(EVERY);
                }
            })?;
        if first.recv().is_err() {
            let failed = thread.join().map_err(|_| anyhow!("the watch panicked"))?;
            return Err(failed.err().unwrap_or_else(|| anyhow!("the watch ended")));
        }
        Ok(Self {
            stop,
            thread,
            wanted: number,
        })
    }

    /// Ends it and hands over all that was seen.
    ///
    /// # Errors
    /// When looking failed.
    pub fn stop(self) -> Result<Sightings> {
        self.stop.store(true, Ordering::Relaxed);
        let seen = self
            .thread
            .join()
            .map_err(|_| anyhow!("the watch panicked"))??;
        Ok(Sightings {
            seen,
            wanted: self.wanted,
        })
    }
}

/// All that a [`Watch`] saw, in order.
#[derive(Debug)]
pub struct Sightings {
    /// The looks.
    pub seen: Vec<Sighting>,
    wanted: usize,
}

impl Sightings {
    /// The longest time for which `condition` held of what the machines had. From the first look that shows it to the
    /// first that does not.
    #[must_use]
    pub fn longest(&self, condition: impl Fn(&[BTreeSet<IpAddr>]) -> bool) -> Duration {
        let mut longest = Duration::ZERO;
        let mut since = None;
        for sighting in &self.seen {
            if let Some(since) = since {
                longest = longest.max(sighting.at.duration_since(since));
            }
            since = condition(&sighting.held).then(|| since.unwrap_or(sighting.at));
        }
        longest
    }

    /// The longest time for which one and the same machine had some of the addresses and not all of them.
    #[must_use]
    pub fn divided(&self) -> Duration {
        let machines = self.seen.first().map_or(0, |first| first.held.len());
        let each = (0..machines).map(|machine| self.divided_on(machine));
        each.max().unwrap_or_default()
    }

    /// The same of one machine.
    #[must_use]
    pub fn divided_on(&self, machine: usize) -> Duration {
        self.longest(|held| {
            let count = held.get(machine).map_or(0, BTreeSet::len);
            count > 0 && count < self.wanted
        })
    }

    /// The longest time for which two machines had the same address.
    #[must_use]
    pub fn doubled(&self) -> Duration {
        self.longest(|held| {
            let all: BTreeSet<_> = held.iter().flatten().collect();
            held.iter().map(BTreeSet::len).sum::<usize>() > all.len()
        })
    }

    /// The longest time for which some address was nobody's.
    #[must_use]
    pub fn missing(&self) -> Duration {
        self.longest(|held| {
            let all: BTreeSet<_> = held.iter().flatten().collect();
            all.len() < self.wanted
        })
    }

    /// How often the machine that has all of the addresses was another one than before, the first one not counted.
    #[must_use]
    pub fn moves(&self) -> usize {
        let mut holders: Vec<usize> = self
            .seen
            .iter()
            .filter_map(|sighting| {
                let mut full = sighting
                    .held
                    .iter()
                    .enumerate()
                    .filter(|(_, held)| held.len() == self.wanted);
                let (machine, _) = full.next()?;
                full.next().is_none().then_some(machine)
            })
            .collect();
        holders.dedup();
        holders.len().saturating_sub(1)
    }
}

/// The addresses of the machine that the calling thread is on.
fn addresses_here() -> Result<BTreeSet<IpAddr>> {
    Ok(getifaddrs()?
        .filter_map(|interface| interface.address.as_ref().and_then(ip))
        .collect())
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|it| IpAddr::V6(it.ip())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks 10 ms apart; each is a list of what each machine has, by last numbers.
    fn sightings(looks: &[[&[u8]; 2]]) -> Sightings {
        let start = Instant::now();
        let seen = looks
            .iter()
            .zip(0..)
            .map(|(look, number)| Sighting {
                at: start + number * Duration::from_millis(10),
                held: look
                    .iter()
                    .map(|held| held.iter().map(|n| IpAddr::from([10, 0, 0, *n])).collect())
                    .collect(),
            })
            .collect();
        Sightings { seen, wanted: 2 }
    }

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_clean_move_divides_and_doubles_nothing() {
        let seen = sightings(&[[&[1, 2], &[]], [&[], &[]], [&[], &[]], [&[], &[1, 2]]]);
        assert_eq!(seen.divided(), Duration::ZERO);
        assert_eq!(seen.doubled(), Duration::ZERO);
        assert_eq!(seen.missing(), 20 * MS);
        assert_eq!(seen.moves(), 1);
    }

    #[test]
    fn a_machine_with_one_address_of_two_is_seen() {
        let seen = sightings(&[[&[1, 2], &[]], [&[1], &[2]], [&[1], &[2]], [&[], &[1, 2]]]);
        assert_eq!(seen.divided(), 20 * MS);
        assert_eq!(seen.doubled(), Duration::ZERO);
        assert_eq!(seen.missing(), Duration::ZERO);
    }

    #[test]
    fn an_address_on_two_machines_is_seen() {
        let seen = sightings(&[[&[1, 2], &[]], [&[1, 2], &[1, 2]], [&[1, 2], &[]]]);
        assert_eq!(seen.doubled(), 10 * MS);
        assert_eq!(seen.moves(), 0);
    }
}
