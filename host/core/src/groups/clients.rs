//! From rules for networks, of which the longest prefix counts, to ranges of addresses that do not overlap.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Clients that begin in a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Clients {
    /// The least address.
    pub first: IpAddr,
    /// The greatest one.
    pub last: IpAddr,
    /// The group's number.
    pub group: usize,
}

/// The ranges of one IP version's addresses that rules lead to another group than the first. Of two networks the one
/// with the longer prefix counts; no network is there twice.
#[must_use]
pub fn clients(rules: &[(IpNet, usize)], v4: bool) -> Vec<Clients> {
    let mut nets: Vec<(u128, u128, usize)> = rules
        .iter()
        .filter(|(net, _)| net.addr().is_ipv4() == v4)
        .map(|(net, group)| (bits(net.network()), bits(net.broadcast()), *group))
        .collect();
    // Of those that begin at one address the larger first.
    nets.sort_by_key(|(first, last, _)| (*first, std::cmp::Reverse(*last)));
    let mut ranges = Ranges {
        v4,
        all: Vec::new(),
    };
    let mut around: Vec<(u128, usize)> = Vec::new();
    let mut at = 0;
    for (first, last, group) in nets {
        while let Some((end, outer)) = around.last().copied() {
            if end >= first {
                if at < first {
                    ranges.push(at, first - 1, outer);
                }
                break;
            }
            around.pop();
            if at <= end {
                ranges.push(at, end, outer);
                at = end + 1;
            }
        }
        at = first;
        around.push((last, group));
    }
    while let Some((end, outer)) = around.pop() {
        if at <= end {
            ranges.push(at, end, outer);
            match end.checked_add(1) {
                Some(next) => at = next,
                None => break,
            }
        }
    }
    ranges.all
}

struct Ranges {
    v4: bool,
    all: Vec<Clients>,
}

impl Ranges {
    fn push(&mut self, first: u128, last: u128, group: usize) {
        if group == 0 {
            return;
        }
        if let Some(before) = self.all.last_mut()
            && before.group == group
            && bits(before.last).checked_add(1) == Some(first)
        {
            before.last = address(last, self.v4);
            return;
        }
        self.all.push(Clients {
            first: address(first, self.v4),
            last: address(last, self.v4),
            group,
        });
    }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn address(bits: u128, v4: bool) -> IpAddr {
    match u32::try_from(bits) {
        Ok(bits) if v4 => Ipv4Addr::from_bits(bits).into(),
        _ => Ipv6Addr::from_bits(bits).into(),
    }
}
