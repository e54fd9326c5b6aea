//! Does what the director wants done. Nothing here waits: threads and tasks report back as inputs.

use evenkeel_core::model::{ServiceKey, Tracked};
use evenkeel_core::vrrp::Reading;
use evenkeel_runtime::{Failure, PluginError};

use super::state::App;
use crate::director::{Effect, Input, Job};

impl App {
    /// Has it done.
    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Quorum { service, reached } => {
                let reading = if reached { Reading::Up } else { Reading::Down };
                self.redundancy.tracked(Tracked::Service(service), reading);
            }
            Effect::Kernel(step) => self.kernel.step(step),
            Effect::Kill(backend) => self.kernel.kill(backend),
            Effect::Ask { service, job } => self.ask_scheduler(service, job),
            Effect::Pick(picking) => self.pickers.pick(picking),
            Effect::StopPicking { service, for_good } => self.pickers.stop(&service, for_good),
        }
    }

    /// Runs a scheduler where it may block.
    fn ask_scheduler(&self, service: ServiceKey, job: Job) {
        let inputs = self.to_inputs.clone();
        tokio::spawn(async move {
            let number = job.number;
            let plugin = job.plugin();
            let done = match tokio::task::spawn_blocking(move || job.run()).await {
                Ok(done) => done,
                Err(error) => Err(PluginError {
                    plugin: plugin.manifest().name.clone(),
                    version: plugin.manifest().version.clone(),
                    failure: Failure::Trap(format!("the host failed: {error}")),
                }),
            };
            // Nobody listens any more when the daemon is ending.
            let _ = inputs.send(Input::Answered {
                service,
                number,
                done,
            });
        });
    }
}
