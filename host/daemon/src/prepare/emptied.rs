//! A configuration that would take everything away is as a rule a file that was cut short while it was written.

use std::path::{Path, PathBuf};

use evenkeel_core::model::Model;

/// What would be lost: what the configuration in force has, or what an earlier daemon has left in the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Virtual services.
    pub(crate) services: usize,
    /// VRRP instances.
    pub(crate) instances: usize,
}

/// Why a configuration with nothing in it is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{}: there is no {} in it, and the director has {held}: refused, since a file that was emptied or cut short would \
     take them away, with their addresses; if that is meant, write allow_empty = true at its top (a keepalived.conf: keep a vrrp_instance in \
     it, or take the file that `evenkeel import` makes)",
    .file.display(),
    if .held.services == 0 { "[[service]] or [[vrrp]]" } else { "[[service]]" },
)]
pub struct Emptied {
    file: PathBuf,
    held: Held,
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = [
            (self.services, "service"),
            (self.instances, "VRRP instance"),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}{}", if count == 1 { "" } else { "s" }))
            .collect();
        f.write_str(&parts.join(" and "))
    }
}

impl Held {
    /// What a configuration has.
    pub(crate) fn by(model: &Model) -> Self {
        Self {
            services: model.services.len(),
            instances: model.vrrp.instances.len(),
        }
    }

    /// Whether a configuration, read from `file`, may take the place of this.
    ///
    /// # Errors
    /// When it has nothing in it and does not say that this is meant.
    pub(crate) fn give_way_to(self, model: &Model, file: &Path) -> Result<(), Emptied> {
        let new = Self::by(model);
        let loses_services = self.services > 0 && new.services == 0;
        let loses_instances = self.instances > 0 && new == Self::default();
        if model.daemon.allow_empty || !(loses_services || loses_instances) {
            return Ok(());
        }
        Err(Emptied {
            file: file.to_owned(),
            held: self,
        })
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_config::{AnyMachine, parse, parse_translated};
    use evenkeel_runtime::catalogue::Catalogue;

    use super::*;

    const VRRP: &str = "[[vrrp]]\nname = \"a\"\ninterface = \"eth0\"\nrouter_id = 1\n\
                        address = [\"10.0.0.1/24\"]\n";

    fn held(services: usize, instances: usize) -> Held {
        Held {
            services,
            instances,
        }
    }

    fn model(text: &str, keepalived: bool) -> Model {
        let parsed = match keepalived {
            true => parse_translated("k.conf", text, Vec::new()),
            false => parse("e.toml", text),
        };
        parsed
            .resolve(&Catalogue::default(), &AnyMachine)
            .unwrap()
            .0
    }

    #[test]
    fn a_file_without_services_is_refused_while_some_run_unless_it_says_that_it_is_meant() {
        let meant = "allow_empty = true\n";
        let with_vrrp = format!("{meant}{VRRP}");
        for (held, text, keepalived, taken) in [
            (held(0, 0), "", false, true),
            (held(2, 0), "", false, false),
            (held(2, 0), "allow_empty = false\n", false, false),
            (held(2, 0), meant, false, true),
            (held(2, 1), VRRP, false, false),
            (held(2, 1), &with_vrrp, false, true),
            (held(0, 1), "", false, false),
            (held(0, 1), VRRP, false, true),
            (held(0, 1), meant, false, true),
            (held(2, 0), "", true, false),
            (held(2, 1), VRRP, true, true),
        ] {
            let verdict = held.give_way_to(&model(text, keepalived), Path::new("f"));
            assert_eq!(verdict.is_ok(), taken, "{held:?} {text:?} {keepalived}");
        }
    }

    #[test]
    fn the_refusal_says_what_would_be_lost_and_what_to_write() {
        let error = held(2, 1)
            .give_way_to(&model("", false), Path::new("/etc/e.toml"))
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "/etc/e.toml: there is no [[service]] in it, and the director has 2 services and 1 VRRP instance: \
             refused, since a file that was emptied or cut short would take them away, with their addresses; if that \
             is meant, write allow_empty = true at its top (a keepalived.conf: keep a vrrp_instance in it, or take \
             the file that `evenkeel import` makes)"
        );
        let error = held(0, 1)
            .give_way_to(&model("", true), Path::new("k.conf"))
            .unwrap_err();
        assert!(
            error.to_string().contains("[[service]] or [[vrrp]]"),
            "{error}"
        );
    }
}
