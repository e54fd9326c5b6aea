//! Clients get the servers of their own site; all others are divided by a share.
use std::collections::BTreeSet;

use evenkeel_sdk::{
    Backend, Backends, DeclaredSetting, Group, Network, Plan, Scheduler, Selector, Settings as _,
    register_scheduler, settings,
};

settings! {
    /// A site, as `{ name = "inner", networks = ["10.1.0.0/16"] }`.
    pub struct Site {
        /// As in the label `site` of its servers.
        name: String,
        /// The networks whose clients belong to it.
        networks: Vec<String>,
    }
}

settings! {
    /// What can be configured.
    pub struct Settings {
        /// The sites; clients of no site's networks are divided.
        sites: Vec<Site>,
        /// So many of a hundred clients of no site keep their server; the others go where connections are fewest.
        #[range(0..=100)]
        sticky: u32 = 50,
    }
}

settings! {
    /// What it reads of a server.
    struct Labels {
        /// Where the server is.
        site: Option<String>,
    }
}

/// Who plans for a group by its connections.
const LEAST: &str = "lc";

/// The scheduler.
pub struct Sites {
    /// In the order in which they are configured first: each is a group.
    sites: Vec<String>,
    networks: Vec<(Network, u32)>,
    sticky: u32,
}

impl Scheduler for Sites {
    type Settings = Settings;

    const LABELS: &'static [DeclaredSetting] = Labels::DECLARED;
    const DELEGATES: &'static [&'static str] = &[LEAST];

    fn new(settings: Settings) -> Result<Self, String> {
        // Beside the sites there are three groups.
        if settings.sites.len() > 61 {
            return Err(format!("{} sites; 61 are possible", settings.sites.len()));
        }
        let mut sites = Vec::new();
        let mut networks: Vec<(Network, u32)> = Vec::new();
        // Group 0 is everybody's.
        for (group, site) in (1..).zip(settings.sites) {
            for network in &site.networks {
                let read: Network = network
                    .parse()
                    .map_err(|error| format!("{network:?} of site {}: {error}", site.name))?;
                if networks.iter().any(|(other, _)| *other == read) {
                    return Err(format!("the network {read} is there twice"));
                }
                networks.push((read, group));
            }
            if sites.contains(&site.name) {
                return Err(format!("the site {:?} is there twice", site.name));
            }
            sites.push(site.name);
        }
        Ok(Self {
            sites,
            networks,
            sticky: settings.sticky,
        })
    }

    fn validate(&self, backends: &Backends) -> Result<(), String> {
        let there: BTreeSet<String> = backends.all().filter_map(site).collect();
        match self.sites.iter().find(|it| !there.contains(*it)) {
            Some(missing) => Err(format!("no server has the label site = {missing:?}")),
            None => Ok(()),
        }
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        let all: Vec<&Backend> = backends.taking().collect();
        // The last two groups: kept by a hash, and by connections.
        let last = u32::try_from(self.sites.len() + 1).unwrap_or(u32::MAX);
        let both = || {
            Group::split(
                Selector::HashSource,
                [(last, self.sticky), (last + 1, 100 - self.sticky)],
            )
        };
        let mut groups = vec![both()];
        for site in &self.sites {
            let own = all
                .iter()
                .filter(|it| self::site(it).as_ref() == Some(site));
            groups.push(match Group::delegate(LEAST, own.map(|it| it.id)) {
                Group::Refuse => both(),
                group => group,
            });
        }
        groups.push(Group::hash_source(
            all.iter().map(|it| (it.id, it.weight.min(100))),
        ));
        groups.push(Group::delegate(LEAST, all.iter().map(|it| it.id)));
        let mut plan = Plan::groups(groups);
        for (network, group) in &self.networks {
            plan = plan.from_network(*network, *group);
        }
        plan
    }
}

fn site(backend: &Backend) -> Option<String> {
    backend.labels_as::<Labels>().ok()?.site
}

register_scheduler!(
    Sites,
    "sites",
    "clients get the servers of their own site, others by a share"
);

#[cfg(test)]
mod tests;
