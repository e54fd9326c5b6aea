//! The state that each VRRP instance has told last, for what follows it (copied connections).

use std::collections::BTreeMap;

use evenkeel_core::model::Vrrp;
use evenkeel_core::vrrp::Notified;

/// The states of the instances that are configured, as far as they have told one.
#[derive(Debug, Default)]
pub(super) struct Roles(BTreeMap<String, Notified>);

impl Roles {
    /// Another configuration: an instance that is gone, or is another router under the same name, has no state any
    /// more. If it comes back it has to tell one first.
    pub(super) fn configure(&mut self, before: &Vrrp, now: &Vrrp) {
        self.0.retain(|name, _| {
            let mut instances = now.instances.iter().filter(|it| it.name == *name);
            instances.any(|now| before.instances.iter().any(|it| now.is_same_router(it)))
        });
    }

    /// An instance has told its state. One that is configured no longer does not count.
    pub(super) fn told(&mut self, config: &Vrrp, name: &str, state: Notified) {
        if config.instances.iter().any(|it| it.name == name) {
            self.0.insert(name.to_owned(), state);
        }
    }

    /// The state of an instance, once it has told one.
    pub(super) fn get(&self, name: &str) -> Option<Notified> {
        self.0.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use evenkeel_core::model::{Announce, Checksum, Family, Notify, VrrpInstance, VrrpVersion};

    use super::*;

    /// An instance on `eth0`.
    fn instance(name: &str) -> VrrpInstance {
        VrrpInstance {
            name: name.to_owned(),
            interface: "eth0".to_owned(),
            router_id: 51,
            version: VrrpVersion::V3,
            family: Family::V4,
            priority: 100,
            advert_interval: Duration::from_secs(1),
            preempt: true,
            preempt_delay: Duration::ZERO,
            password: None,
            checksum: Checksum::PseudoHeader,
            source: None,
            peers: Vec::new(),
            addresses: Vec::new(),
            routes: Vec::new(),
            rules: Vec::new(),
            announce: Announce::default(),
            virtual_mac: None,
            address_lifetime: None,
            track: Vec::new(),
            notify: Notify::default(),
        }
    }

    fn config(instances: &[VrrpInstance]) -> Vrrp {
        Vrrp {
            instances: instances.to_vec(),
            ..Vrrp::default()
        }
    }

    #[test]
    fn an_instance_that_is_removed_and_added_again_has_no_role_until_it_tells_one() {
        let (with, without) = (config(&[instance("VI_1")]), config(&[]));
        let mut roles = Roles::default();
        roles.told(&with, "VI_1", Notified::Master);
        roles.configure(&with, &with);
        assert_eq!(roles.get("VI_1"), Some(Notified::Master));
        roles.configure(&with, &without);
        // What was on its way when it was removed.
        roles.told(&without, "VI_1", Notified::Master);
        roles.configure(&without, &with);
        assert_eq!(roles.get("VI_1"), None);
        roles.told(&with, "VI_1", Notified::Backup);
        assert_eq!(roles.get("VI_1"), Some(Notified::Backup));
    }

    #[test]
    fn another_router_under_the_same_name_has_no_role_yet() {
        let before = config(&[instance("VI_1")]);
        let mut other = instance("VI_1");
        other.router_id += 1;
        let mut roles = Roles::default();
        roles.told(&before, "VI_1", Notified::Master);
        roles.configure(&before, &config(&[other]));
        assert_eq!(roles.get("VI_1"), None);
    }
}
