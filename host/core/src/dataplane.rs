//! Which data plane a configuration gets: the one it names, or the first that works here and can do what is configured.

use std::fmt::Write as _;

use crate::model::{Chosen, DataPlaneChoice, DataPlaneKind};

/// Why no data plane can be had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoDataPlane {
    /// What is configured needs IPVS, and it is not to be had. What needs it is to blame.
    Needs {
        /// Why not.
        why: String,
        /// What to do about it, if there is more than to do without.
        help: Option<String>,
    },
    /// The data plane that the configuration names is not to be had: that name is to blame.
    Choice {
        /// Why not.
        why: String,
        /// What to do about it.
        help: String,
    },
    /// Nothing works on this machine, whatever is configured.
    Machine(String),
}

const RESTART: &str = "restart evenkeel: the data plane is chosen at the start only";

/// Chooses.
///
/// - `needs`: what is configured that only IPVS can do, as a person would look for it: `forward = "dr" at lb.toml:5`.
/// - `running`: the data plane that a running daemon has. It is not changed under established connections: whoever
///   wants another one restarts the daemon.
/// - `works`: whether a data plane works on this machine, or why not. Asked of none that is not needed for the choice,
///   since looking costs time and may load modules; of none at all where there is one `running`.
///
/// # Errors
/// When nothing can do what is wanted; and who is to blame.
pub fn choose(
    choice: DataPlaneChoice,
    needs: &[String],
    running: Option<DataPlaneKind>,
    works: &mut dyn FnMut(DataPlaneKind) -> Result<(), String>,
) -> Result<Chosen, NoDataPlane> {
    use DataPlaneKind::{Ipvs, Nftables};
    let chosen = |kind, why: String| Ok(Chosen { kind, why });
    if let Some(running) = running {
        return match choice {
            DataPlaneChoice::Only(other) if other != running => Err(NoDataPlane::Choice {
                why: format!("the running daemon uses {running}"),
                help: RESTART.to_owned(),
            }),
            _ if running == Nftables && !needs.is_empty() => Err(NoDataPlane::Needs {
                why: "only IPVS does that, and the running daemon uses nftables".to_owned(),
                help: Some(RESTART.to_owned()),
            }),
            _ => chosen(running, "the daemon runs with it".to_owned()),
        };
    }
    match choice {
        DataPlaneChoice::Only(Nftables) if !needs.is_empty() => Err(NoDataPlane::Needs {
            why: "only IPVS does that, and dataplane is \"nftables\"".to_owned(),
            help: Some("write dataplane = \"ipvs\" or \"auto\" at the top of the file".to_owned()),
        }),
        DataPlaneChoice::Only(kind) => match works(kind) {
            Ok(()) => chosen(kind, "the configuration names it".to_owned()),
            Err(why) => Err(NoDataPlane::Choice {
                why: format!("it does not work on this machine: {why}"),
                help: "write \"auto\" to take what works".to_owned(),
            }),
        },
        DataPlaneChoice::Auto if !needs.is_empty() => match works(Ipvs) {
            Ok(()) => chosen(Ipvs, format!("only IPVS does {}", listed(needs))),
            Err(why) => Err(NoDataPlane::Needs {
                why: format!("only IPVS does that, and it does not work on this machine: {why}"),
                help: None,
            }),
        },
        DataPlaneChoice::Auto => match works(Nftables) {
            Ok(()) => chosen(
                Nftables,
                "it works on this machine, and nothing is configured that only IPVS does"
                    .to_owned(),
            ),
            Err(nftables) => match works(Ipvs) {
                Ok(()) => chosen(
                    Ipvs,
                    format!("nftables does not work on this machine: {nftables}"),
                ),
                Err(ipvs) => Err(NoDataPlane::Machine(format!(
                    "no data plane works on this machine. nftables: {nftables}. ipvs: {ipvs}"
                ))),
            },
        },
    }
}

/// The first of them, and how many there are more.
fn listed(needs: &[String]) -> String {
    let mut text = needs.first().cloned().unwrap_or_default();
    if needs.len() > 1 {
        // Writing to a string does not fail.
        let _ = write!(text, " (and {} more)", needs.len() - 1);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use DataPlaneKind::{Ipvs, Nftables};

    const AUTO: DataPlaneChoice = DataPlaneChoice::Auto;

    /// What is chosen and who was asked, where these do not work.
    fn chosen(
        choice: DataPlaneChoice,
        needs: &[&str],
        running: Option<DataPlaneKind>,
        broken: &[DataPlaneKind],
    ) -> (Result<DataPlaneKind, NoDataPlane>, Vec<DataPlaneKind>) {
        let needs: Vec<String> = needs.iter().map(|need| (*need).to_owned()).collect();
        let mut asked = Vec::new();
        let result = choose(choice, &needs, running, &mut |kind| {
            asked.push(kind);
            if broken.contains(&kind) {
                Err(format!("no {kind} here"))
            } else {
                Ok(())
            }
        });
        (result.map(|it| it.kind), asked)
    }

    #[test]
    fn nftables_is_taken_where_it_works_and_ipvs_where_it_does_not_or_is_needed() {
        let only = DataPlaneChoice::Only;
        let cases: [(_, &[&str], &[DataPlaneKind], _, &[DataPlaneKind]); 6] = [
            (AUTO, &[], &[], Nftables, &[Nftables]),
            (AUTO, &[], &[Nftables], Ipvs, &[Nftables, Ipvs]),
            (AUTO, &["dr"], &[], Ipvs, &[Ipvs]),
            (AUTO, &["dr"], &[Nftables], Ipvs, &[Ipvs]),
            (only(Ipvs), &[], &[Nftables], Ipvs, &[Ipvs]),
            (only(Nftables), &[], &[Ipvs], Nftables, &[Nftables]),
        ];
        for (choice, needs, broken, expected, asked) in cases {
            assert_eq!(
                chosen(choice, needs, None, broken),
                (Ok(expected), asked.to_vec()),
                "{choice:?} {needs:?} {broken:?}"
            );
        }
    }

    #[test]
    fn what_cannot_be_had_says_why_and_who_is_to_blame() {
        let only = DataPlaneChoice::Only;
        let blame = |choice, needs: &[&str], broken: &[DataPlaneKind]| {
            chosen(choice, needs, None, broken).0.unwrap_err()
        };
        let NoDataPlane::Machine(why) = blame(AUTO, &[], &[Nftables, Ipvs]) else {
            panic!("the machine")
        };
        assert!(why.contains("no nftables here") && why.contains("no ipvs here"));
        let NoDataPlane::Needs { why, .. } = blame(AUTO, &["dr"], &[Ipvs]) else {
            panic!("what needs it")
        };
        assert!(why.contains("no ipvs here"));
        let NoDataPlane::Needs { help, .. } = blame(only(Nftables), &["dr"], &[]) else {
            panic!("what needs it")
        };
        assert!(help.is_some_and(|help| help.contains("dataplane = \"ipvs\"")));
        for kind in [Nftables, Ipvs] {
            let NoDataPlane::Choice { why, .. } = blame(only(kind), &[], &[kind]) else {
                panic!("the choice")
            };
            assert!(why.contains(&format!("no {kind} here")));
        }
    }

    #[test]
    fn a_running_daemon_keeps_its_data_plane_and_nobody_is_asked() {
        for running in [Nftables, Ipvs] {
            for choice in [AUTO, DataPlaneChoice::Only(running)] {
                assert_eq!(
                    chosen(choice, &[], Some(running), &[Nftables, Ipvs]),
                    (Ok(running), vec![])
                );
            }
        }
        assert_eq!(chosen(AUTO, &["dr"], Some(Ipvs), &[]), (Ok(Ipvs), vec![]));
        let (other, asked) = chosen(AUTO, &["dr"], Some(Nftables), &[]);
        assert!(matches!(other, Err(NoDataPlane::Needs { .. })) && asked.is_empty());
        let (other, _) = chosen(DataPlaneChoice::Only(Ipvs), &[], Some(Nftables), &[]);
        assert!(matches!(other, Err(NoDataPlane::Choice { .. })));
    }

    #[test]
    fn the_reason_names_what_needs_ipvs() {
        let needs = ["forward = \"dr\"".to_owned(), "fwmark = 3".to_owned()];
        let chosen = choose(AUTO, &needs, None, &mut |_| Ok(())).unwrap();
        assert_eq!(chosen.why, "only IPVS does forward = \"dr\" (and 1 more)");
    }
}
