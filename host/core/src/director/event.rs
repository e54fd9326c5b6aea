//! What goes into the director, and what comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use super::instance::Instance;
use super::job::{JobResult, SchedulerJob};
use crate::connections::Counts;
use crate::health::ServerHealth;
use crate::manifest::Setting;
use crate::model::{IpvsTimeouts, Service, ServiceKey};
use crate::scheduler::{SavedState, Scheduler, SchedulerPlugin};
use crate::state::{BackendId, Change, Queue, State};
use crate::sync::{ApplyOutcome, InKernel, KernelStep};

/// What the director takes of a configuration.
pub struct DirectorConfig {
    /// The virtual services, in the order of the configuration.
    pub services: Vec<Service>,
    /// New schedulers, for the services that need one: those that are new, or have another plugin or other settings
    /// than [`super::Director::in_force`] says.
    pub schedulers: BTreeMap<ServiceKey, NewScheduler>,
    /// The second schedulers, for all services that have one ([`Service::second`]). One that runs, and is of the same
    /// plugin with the same settings, goes on; any other is started, a canary that was taken back, too.
    pub seconds: BTreeMap<ServiceKey, NewSecond>,
    /// How often the kernel is read unasked.
    pub resync: Duration,
    /// When IPVS is to forget connections.
    pub ipvs_timeouts: IpvsTimeouts,
}

/// A configured scheduler, for one service.
pub struct NewScheduler {
    /// Where it comes from.
    pub plugin: Arc<dyn SchedulerPlugin>,
    /// Its settings.
    pub settings: Vec<Setting>,
    /// The instance.
    pub scheduler: Box<dyn Scheduler>,
    /// What it is to take over from the process before.
    pub saved: Option<SavedState>,
}

/// Where a service's second scheduler comes from. Its instance is made by its first job, since it may fail in that, too.
pub struct NewSecond {
    /// The plugin.
    pub plugin: Arc<dyn SchedulerPlugin>,
    /// Its settings.
    pub settings: Vec<Setting>,
}

/// Something that happened.
pub enum Input {
    /// A server's health, whether or not it changed.
    Health {
        /// The service.
        service: ServiceKey,
        /// The real server's address.
        server: SocketAddr,
        /// As it is now.
        health: ServerHealth,
    },
    /// A scheduler's job has ended: the answer to [`Effect::RunScheduler`].
    SchedulerDone {
        /// The service.
        service: ServiceKey,
        /// Of the job.
        generation: u64,
        /// What became of it.
        result: JobResult,
        /// How long the calls took.
        took: Duration,
    },
    /// The kernel was read; `None`: it could not be.
    Read(Option<State>),
    /// The changes took effect, or none did.
    Applied {
        /// Those of the step.
        changes: Vec<Change>,
        /// Whether they took effect.
        outcome: ApplyOutcome,
        /// How long that took.
        took: Duration,
    },
    /// Someone else touched what is ours in the kernel.
    Touched,
    /// The networks on which clients and servers meet.
    Hairpin(BTreeSet<IpNet>),
    /// The interfaces between which established flows are to be offloaded.
    Offload(BTreeSet<String>),
    /// Connections were counted: these counts have changed.
    Counted(Vec<(BackendId, Counts)>),
    /// What became of [`Effect::ServeQueue`].
    QueueServed {
        /// The service.
        service: ServiceKey,
        /// Of the request.
        generation: u64,
        /// Whether its verdicts are being given.
        outcome: Result<(), QueueError>,
    },
    /// A scheduler failed to give a verdict on a connection.
    VerdictFailed {
        /// The service.
        service: ServiceKey,
        /// Of the request.
        generation: u64,
        /// How it failed.
        problem: String,
    },
}

/// Something to be done.
pub enum Effect {
    /// Run the job where blocking is allowed; then [`Input::SchedulerDone`].
    RunScheduler {
        /// The service.
        service: ServiceKey,
        /// What to run.
        job: SchedulerJob,
    },
    /// Read or change the kernel; then [`Input::Read`] or [`Input::Applied`].
    Kernel(KernelStep),
    /// The kernel has the rules of other services than before: addresses may follow. All that are configured; one that
    /// is not named is on its way. Not told before every service of the first configuration has its plan.
    InKernel(BTreeMap<ServiceKey, InKernel>),
    /// Flush the flows of this server.
    KillFlows(BackendId),
    /// A service has its quorum of servers, or has lost it.
    Quorum {
        /// The service's name.
        service: String,
        /// Whether it has it.
        reached: bool,
    },
    /// Run this command, after those of the same name that are under way.
    Run {
        /// The service, or `SERVICE/SERVER`.
        of: String,
        /// A program with its arguments.
        command: Vec<String>,
    },
    /// Give a verdict on each new connection from now on; then [`Input::QueueServed`].
    ServeQueue(VerdictRequest),
    /// Keep this for the scheduler of the next start of the daemon.
    KeepState {
        /// The service.
        service: ServiceKey,
        /// The plugin's name.
        plugin: String,
        /// What it hands over.
        state: SavedState,
    },
    /// Give none any more.
    StopQueue {
        /// The service.
        service: ServiceKey,
        /// The queue is not needed any longer; otherwise it is to be kept open, since the service will want it again.
        release: bool,
    },
}

/// Who gives the verdicts on the new connections of a service, and through which queue.
pub struct VerdictRequest {
    /// The service.
    pub service: ServiceKey,
    /// The service's name, for logs.
    pub name: String,
    /// Tells it apart from a request for an instance that was there before, in [`Input::QueueServed`] and
    /// [`Input::VerdictFailed`].
    pub generation: u64,
    /// The NFQUEUE.
    pub queue: Queue,
    /// Who gives the verdicts.
    pub instance: Instance,
    /// Whether the scheduler counts connections.
    pub counting: bool,
    /// Whether the service is one of full NAT.
    pub snat: bool,
}

/// Why a queue is not served.
#[derive(Debug)]
pub enum QueueError {
    /// Another program has the queue.
    InUse,
    /// The system refuses, in its words.
    Failed(String),
}
