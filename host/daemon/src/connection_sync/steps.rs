//! What is to be started and ended so that the kernel's sync daemons are as wanted.

use std::collections::BTreeSet;

use evenkeel_ipvs::{Role, SyncDaemon};

use super::record::Started;

/// One step from the daemons that run to those that should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SyncStep {
    Stop(Role),
    Start(SyncDaemon),
}

/// What is to be done where these run, of which `ours` were started by Evenkeel. Nothing that runs as wanted is touched;
/// nor is another program's, unless it has the wanted role, which the kernel gives to one.
pub(super) fn steps(
    running: &[SyncDaemon],
    wanted: Option<&SyncDaemon>,
    ours: &BTreeSet<Started>,
) -> Vec<SyncStep> {
    let mut steps = Vec::new();
    let mut there = false;
    for daemon in running {
        if wanted.is_some_and(|wanted| serves(daemon, wanted)) {
            there = true;
        } else if ours.contains(&Started::of(daemon))
            || wanted.is_some_and(|wanted| wanted.role == daemon.role)
        {
            steps.push(SyncStep::Stop(daemon.role));
        }
    }
    if let Some(wanted) = wanted.filter(|_| !there) {
        steps.push(SyncStep::Start(wanted.clone()));
    }
    steps
}

/// Whether a daemon is as wanted; what is not said is the kernel's choice.
fn serves(running: &SyncDaemon, wanted: &SyncDaemon) -> bool {
    fn same<T: PartialEq>(is: Option<&T>, should: Option<&T>) -> bool {
        should.is_none() || is.is_none() || is == should
    }
    running.role == wanted.role
        && running.interface == wanted.interface
        && running.id == wanted.id
        && same(running.max_len.as_ref(), wanted.max_len.as_ref())
        && same(running.group.as_ref(), wanted.group.as_ref())
        && same(running.port.as_ref(), wanted.port.as_ref())
        && same(running.ttl.as_ref(), wanted.ttl.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sync(role: Role) -> SyncDaemon {
        SyncDaemon {
            role,
            interface: "eth0".into(),
            id: 51,
            max_len: None,
            group: None,
            port: None,
            ttl: None,
        }
    }

    /// As the kernel reports it: with its own choices.
    fn reported(role: Role) -> SyncDaemon {
        SyncDaemon {
            max_len: Some(1472),
            group: Some([224, 0, 0, 81].into()),
            port: Some(8848),
            ttl: Some(1),
            ..sync(role)
        }
    }

    fn ours() -> BTreeSet<Started> {
        [Role::Master, Role::Backup]
            .map(|it| Started::of(&sync(it)))
            .into()
    }

    #[test]
    fn what_runs_as_wanted_is_left_alone() {
        let running = [reported(Role::Master)];
        for ours in [ours(), BTreeSet::new()] {
            assert_eq!(steps(&running, Some(&sync(Role::Master)), &ours), []);
        }
    }

    #[test]
    fn another_program_s_is_ended_only_where_it_has_the_wanted_role() {
        let mut other = reported(Role::Backup);
        other.interface = "eth7".to_owned();
        let running = [reported(Role::Master), other];
        assert_eq!(
            steps(&running, None, &ours()),
            [SyncStep::Stop(Role::Master)]
        );
        assert_eq!(steps(&running, Some(&sync(Role::Master)), &ours()), []);
        let taken_over = [
            SyncStep::Stop(Role::Master),
            SyncStep::Stop(Role::Backup),
            SyncStep::Start(sync(Role::Backup)),
        ];
        assert_eq!(
            steps(&running, Some(&sync(Role::Backup)), &ours()),
            taken_over
        );
    }

    #[test]
    fn a_new_role_ends_the_old_daemon_first() {
        assert_eq!(
            steps(
                &[reported(Role::Backup)],
                Some(&sync(Role::Master)),
                &ours()
            ),
            [
                SyncStep::Stop(Role::Backup),
                SyncStep::Start(sync(Role::Master))
            ]
        );
    }

    #[test]
    fn another_pairs_number_or_another_port_is_another_daemon() {
        let mut other = reported(Role::Master);
        other.id = 52;
        let wanted = sync(Role::Master);
        let anew = [
            SyncStep::Stop(Role::Master),
            SyncStep::Start(wanted.clone()),
        ];
        assert_eq!(steps(&[other], Some(&wanted), &ours()), anew);
        let port = SyncDaemon {
            port: Some(9000),
            ..wanted
        };
        let anew = [SyncStep::Stop(Role::Master), SyncStep::Start(port.clone())];
        assert_eq!(steps(&[reported(Role::Master)], Some(&port), &ours()), anew);
    }

    #[test]
    fn what_is_no_longer_wanted_ends() {
        let both = [reported(Role::Master), reported(Role::Backup)];
        let ends = [SyncStep::Stop(Role::Master), SyncStep::Stop(Role::Backup)];
        assert_eq!(steps(&both, None, &ours()), ends);
    }
}
