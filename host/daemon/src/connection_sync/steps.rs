//! What is to be started and ended so that the kernel's sync daemons are as wanted.

use evenkeel_ipvs::{Role, SyncDaemon};

/// One step from the daemons that run to those that should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SyncStep {
    Stop(Role),
    Start(SyncDaemon),
}

/// What is to be done where these run. Nothing that runs as wanted is touched.
pub(super) fn steps(running: &[SyncDaemon], wanted: Option<&SyncDaemon>) -> Vec<SyncStep> {
    let mut steps = Vec::new();
    let mut there = false;
    for daemon in running {
        if wanted.is_some_and(|wanted| serves(daemon, wanted)) {
            there = true;
        } else {
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

    #[test]
    fn what_runs_as_wanted_is_left_alone() {
        assert_eq!(
            steps(&[reported(Role::Master)], Some(&sync(Role::Master))),
            []
        );
    }

    #[test]
    fn a_new_role_ends_the_old_daemon_first() {
        assert_eq!(
            steps(&[reported(Role::Backup)], Some(&sync(Role::Master))),
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
        assert_eq!(steps(&[other], Some(&wanted)), anew);
        let port = SyncDaemon {
            port: Some(9000),
            ..wanted
        };
        let anew = [SyncStep::Stop(Role::Master), SyncStep::Start(port.clone())];
        assert_eq!(steps(&[reported(Role::Master)], Some(&port)), anew);
    }

    #[test]
    fn what_is_no_longer_wanted_ends() {
        let both = [reported(Role::Master), reported(Role::Backup)];
        let ends = [SyncStep::Stop(Role::Master), SyncStep::Stop(Role::Backup)];
        assert_eq!(steps(&both, None), ends);
    }
}
