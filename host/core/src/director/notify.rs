//! Commands that are run when servers and quorums come and go.

use super::event::Effect;
use super::machine::Director;
use super::server::RealServer;
use super::service::VirtualService;

/// Has a command run, if there is one.
pub(super) fn run(of: String, command: &[String]) -> Option<Effect> {
    (!command.is_empty()).then(|| Effect::Run {
        of,
        command: command.to_vec(),
    })
}

impl VirtualService {
    /// What is to be run when a server has come up, or gone down.
    pub(super) fn notifies(&self, server: &RealServer, up: bool) -> Option<Effect> {
        let notify = server.spec.notify.as_deref()?;
        let command = if up { &notify.up } else { &notify.down };
        run(format!("{}/{}", self.spec.name, server.spec.name), command)
    }
}

impl Director {
    /// What is to be run when the daemon ends, for services that want that (`omega`): as if their servers and their
    /// quorum went down.
    #[must_use]
    pub fn last_commands(&self) -> Vec<(String, Vec<String>)> {
        let mut commands = Vec::new();
        let services = self.order.iter().filter_map(|key| self.services.get(key));
        for service in services.filter(|it| it.spec.notify.omega) {
            let up = service.servers.iter().filter(|it| it.up());
            let servers = up.filter_map(|it| service.notifies(it, false));
            let down = &service.spec.notify.quorum_down;
            let quorum = run(service.spec.name.clone(), down).filter(|_| service.quorum.reached());
            commands.extend(servers.chain(quorum).filter_map(|effect| match effect {
                Effect::Run { of, command } => Some((of, command)),
                _ => None,
            }));
        }
        commands
    }
}
