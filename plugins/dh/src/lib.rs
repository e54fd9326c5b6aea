//! Destination hashing: the virtual address chooses one of 256 buckets, which servers fill in turn.
use std::net::IpAddr;

use evenkeel_sdk::{
    BackendId, Backends, Decision, Flow, Plan, Scheduler, hash, register_scheduler, settings,
};

/// Bits of a bucket's number.
const BITS: u32 = 8;

settings! {
    /// What can be configured.
    pub struct Settings {
        /// The service's virtual address, by which a plan chooses the server that IPVS would. (May be left
        /// out: then it is the address of the last connection that was decided.)
        address: Option<String>,
        /// Whether the next bucket's server is taken while the right one is draining (weight 0). If not,
        /// connections are refused.
        fallback: bool = false,
    }
}

/// The scheduler.
pub struct DestinationHashing {
    fallback: bool,
    address: Option<IpAddr>,
}

impl Scheduler for DestinationHashing {
    type Settings = Settings;

    const DECISIONS: &'static [Decision] = &[Decision::PerConnection, Decision::Plan];

    fn new(settings: Settings) -> Result<Self, String> {
        let parse = |text: String| {
            text.parse::<IpAddr>()
                .map_err(|_| format!("address: {text} is not an IP address"))
        };
        Ok(Self {
            fallback: settings.fallback,
            address: settings.address.map(parse).transpose()?,
        })
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        // Without an address any bucket does, so long as it is always the same.
        let bucket = self.address.map_or(0, bucket);
        Plan::hash_source(self.server(bucket, backends))
    }

    fn pick(&mut self, flow: &Flow, backends: &Backends) -> Option<BackendId> {
        let address = flow.destination.ip();
        self.address = Some(address);
        self.server(bucket(address), backends)
    }
}

impl DestinationHashing {
    /// Servers take buckets one each in turn, whatever their weights, so no table is needed.
    fn server(&self, bucket: u32, backends: &Backends) -> Option<BackendId> {
        let first = usize::try_from(bucket).ok()?.checked_rem(backends.len())?;
        let (before, after) = (backends.iter().take(first), backends.iter().skip(first));
        let candidates = if self.fallback { backends.len() } else { 1 };
        after
            .chain(before)
            .take(candidates)
            .find(|backend| backend.weight > 0)
            .map(|backend| backend.id)
    }
}

/// The bucket of a virtual address.
fn bucket(address: IpAddr) -> u32 {
    hash::golden(hash::fold(address), BITS)
}

register_scheduler!(
    DestinationHashing,
    "dh",
    "a virtual address keeps its server, by a hash"
);

#[cfg(test)]
mod tests;
