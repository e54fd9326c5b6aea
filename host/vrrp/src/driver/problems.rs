//! What does not work on this machine: logged once when it begins and once when it is over, and shown by `status`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use evenkeel_core::model::Vrrp;
use evenkeel_core::vrrp::Event;

/// What has the problem.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    /// Reading the interfaces.
    Links,
    /// The socket on this interface.
    Socket(String),
    /// Receiving on this interface.
    Receive(String),
    /// An instance's adverts to this address.
    Send(String, IpAddr),
    /// An instance's announcements.
    Announce(String),
    /// An instance's addresses, routes, rules and macvlan.
    Keep(String),
}

impl Source {
    /// The instance, or all that use the interface.
    fn instances(&self, config: &Vrrp) -> Vec<String> {
        match self {
            Self::Links => Vec::new(),
            Self::Send(name, _) | Self::Announce(name) | Self::Keep(name) => vec![name.clone()],
            Self::Socket(interface) | Self::Receive(interface) => config
                .instances
                .iter()
                .filter(|i| i.interface == *interface || i.virtual_mac.as_ref() == Some(interface))
                .map(|i| i.name.clone())
                .collect(),
        }
    }
}

/// What does not work now, with the text.
#[derive(Debug, Default)]
pub(super) struct Problems(BTreeMap<Source, String>);

impl Problems {
    /// Notes how it is now. What is to be logged comes back.
    pub(super) fn set(
        &mut self,
        source: Source,
        problem: Option<String>,
        config: &Vrrp,
    ) -> Option<Event> {
        let instance = || source.instances(config).join(", ");
        match problem {
            Some(text) if self.0.get(&source) == Some(&text) => None,
            Some(text) => {
                let event = Event {
                    instance: instance(),
                    warning: true,
                    text: text.clone(),
                };
                self.0.insert(source, text);
                Some(event)
            }
            None => {
                let text = self.0.remove(&source)?;
                Some(Event {
                    instance: instance(),
                    warning: false,
                    text: format!("over: {text}"),
                })
            }
        }
    }

    /// Whether anything is known about it.
    pub(super) fn has(&self, source: &Source) -> bool {
        self.0.contains_key(source)
    }

    /// The interfaces whose sockets have a problem.
    pub(super) fn sockets(&self) -> Vec<String> {
        self.0
            .keys()
            .filter_map(|source| match source {
                Source::Socket(interface) => Some(interface.clone()),
                _ => None,
            })
            .collect()
    }

    /// Forgets what concerns no instance any more.
    pub(super) fn forget(&mut self, config: &Vrrp) {
        self.0.retain(|source, _| {
            let known = |name: &String| config.instances.iter().any(|i| i.name == *name);
            *source == Source::Links || source.instances(config).iter().any(known)
        });
    }

    /// All of them, as text.
    pub(super) fn texts(&self) -> Vec<String> {
        let text = |(source, text): (&Source, &String)| match source {
            Source::Send(name, _) | Source::Announce(name) | Source::Keep(name) => {
                format!("{name}: {text}")
            }
            Source::Links | Source::Socket(_) | Source::Receive(_) => text.clone(),
        };
        self.0.iter().map(text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_is_logged_once_and_so_is_its_end() {
        let (mut problems, config) = (Problems::default(), Vrrp::default());
        let mut set = |text: Option<&str>| {
            let source = Source::Announce("web".into());
            problems.set(source, text.map(str::to_owned), &config)
        };
        let told = set(Some("no way out")).unwrap();
        assert!(told.warning);
        assert_eq!((&*told.instance, &*told.text), ("web", "no way out"));
        assert_eq!(set(Some("no way out")), None);
        assert_eq!(set(Some("another")).unwrap().text, "another");
        let over = set(None).unwrap();
        assert!(!over.warning);
        assert_eq!(over.text, "over: another");
        assert_eq!(set(None), None);
    }

    #[test]
    fn problems_of_instances_that_are_gone_are_forgotten() {
        let (mut problems, config) = (Problems::default(), Vrrp::default());
        problems.set(Source::Keep("web".into()), Some("x".into()), &config);
        problems.set(Source::Links, Some("y".into()), &config);
        problems.forget(&config);
        assert_eq!(problems.texts(), ["y"]);
    }
}
