//! Does what the director wants done. Nothing here waits: threads and tasks report back as inputs.

use std::time::{Duration, Instant};

use evenkeel_core::director::{Effect, Input, SchedulerJob};
use evenkeel_core::model::{ServiceKey, Tracked};
use evenkeel_core::vrrp::Reading;
use evenkeel_runtime::{Failure, PluginError};

use super::state::App;
use crate::calls::Caller;
use crate::kept::{News, SchedulerState};

impl App {
    /// Has it done.
    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Quorum { service, reached } => {
                let reading = if reached { Reading::Up } else { Reading::Down };
                self.redundancy.tracked(Tracked::Service(service), reading);
            }
            Effect::Run { of, command } => self.redundancy.run(&of, command, false),
            Effect::Kernel(step) => self.kernel.step(step),
            Effect::InKernel(services) => self.network.in_kernel(services),
            Effect::KillFlows(backend) => self.kernel.kill(backend),
            Effect::KeepState {
                service,
                plugin,
                state,
            } => self
                .keeper
                .keep(News::Scheduler(service, SchedulerState { plugin, state })),
            Effect::RunScheduler { service, job } => self.run_scheduler(service, job),
            Effect::ServeQueue(request) => self.queues.serve(request),
            Effect::StopQueue { service, release } => self.queues.stop(&service, release),
        }
    }

    /// Runs a scheduler where it may block.
    fn run_scheduler(&mut self, service: ServiceKey, job: SchedulerJob) {
        let inputs = self.to_inputs.clone();
        let plugin = job.plugin();
        let caller = if job.is_second() {
            Caller::Second
        } else {
            Caller::First
        };
        let calls = self.calls.of(service, caller, &plugin);
        tokio::spawn(async move {
            let generation = job.generation();
            let run = move || {
                let began = Instant::now();
                let result = job.run();
                let took = began.elapsed();
                calls.lock().add(took, result.is_err());
                (result, took)
            };
            let (result, took) = match tokio::task::spawn_blocking(run).await {
                Ok(ran) => ran,
                Err(error) => {
                    let failed = PluginError {
                        plugin: plugin.manifest().name.clone(),
                        version: plugin.manifest().version.clone(),
                        failure: Failure::Trap(format!("the host failed: {error}")),
                    };
                    (Err(failed), Duration::ZERO)
                }
            };
            // Nobody listens any more when the daemon is ending.
            let _ = inputs.send(Input::SchedulerDone {
                service,
                generation,
                result,
                took,
            });
        });
    }
}
