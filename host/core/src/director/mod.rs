//! Decides. Holds the virtual services, takes in what happens and says what is to be done; a driver does it.
//!
//! ```text
//!  health events --+                       +--> Effect::RunScheduler (a job for a thread that may block)
//!  plans ----------+                       +--> Effect::Kernel       (read or change it, on the data plane's thread)
//!  kernel replies -+--> Director::handle --+--> Effect::KillFlows    (of a server that is gone)
//!                  |                       +--> Effect::InKernel     (which services are there: addresses follow)
//!  counts ---------+                       +--> Effect::ServeQueue   (verdicts on new connections, on the queue's thread)
//!  reloads --------+                       +--> Effect::Quorum       (VRRP may track a service)
//! ```
//!
//! No sockets and no clocks: `now` is an argument. After any number of [`Director::handle`] calls the driver calls
//! [`Director::effects`], and again at [`Director::poll_at`].
//!
//! | file | what is in it |
//! |---|---|
//! | `event` | what goes in and comes out |
//! | `machine` | the director's state, and what it tells the kernel's machine ([`crate::sync`]) |
//! | `handle`, `configure`, `counting`, `scheduling`, `verdicts` | what each kind of input changes |
//! | `service`, `server` | one virtual service, one real server |
//! | `supervisor`, `job`, `instance` | a service's scheduler: when it runs, one run, the running plugin |
//! | `successor`, `succession` | another scheduler that is to take over, and is tried first |
//! | `second`, `second_plan`, `slow_calls`, `beside` | a second scheduler that is tried beside a service's: shadow or canary |
//! | `leave` | the end: what the kernel is left with |
//! | `quorum`, `quorums` | whether services have enough servers, looked at after each change |
//! | `recent_flows` | the connections that it has placed last |
//! | `queues`, `flow_kills` | numbers of NFQUEUEs; flows to be flushed once the kernel sends them no more |
//! | `report`, `second_report`, `decides` | what is known of the services, and how one decides about a client, for people |

mod beside;
mod configure;
mod counting;
mod decides;
mod event;
mod flow_kills;
mod handle;
mod instance;
mod job;
mod leave;
mod machine;
mod notify;
mod pooling;
mod queues;
mod quorum;
mod quorums;
mod recent_flows;
mod report;
mod scheduling;
mod second;
mod second_plan;
mod second_report;
mod server;
mod service;
mod slow_calls;
mod succession;
mod successor;
mod supervisor;
mod verdicts;

pub use decides::{Decides, NextConnection};
pub use event::{
    DirectorConfig, Effect, Input, NewScheduler, NewSecond, QueueError, VerdictRequest,
};
pub use instance::Instance;
pub use job::{JobResult, Ran, SchedulerJob};
pub use leave::LastState;
pub use machine::Director;
pub use report::{ServerReport, ServerState, ServiceReport};
pub use second_report::{SecondReport, Uneven};

#[cfg(test)]
mod tests;
