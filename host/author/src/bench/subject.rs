//! A scheduler that is measured.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use evenkeel_core::connections::Counts;
use evenkeel_core::manifest::Setting;
use evenkeel_core::model::Protocol;
use evenkeel_core::state::BackendId;
use evenkeel_runtime::{
    Backend, BackendFacts, Flow, Load, Plugin, PluginError, Scheduler, ServiceContext,
};

use crate::Refused;

/// Subjects take turns, so that what else the machine does concerns all.
const TURNS: u32 = 5;
/// Of one subject.
const TURN: Duration = Duration::from_millis(40);

/// A scheduler, and what it was told.
pub struct Subject {
    scheduler: Box<dyn Scheduler>,
    backends: Vec<Backend>,
    /// Whether it goes by counts.
    counting: bool,
    /// Calls so far.
    round: u32,
}

impl Subject {
    /// A scheduler with default settings and so many servers.
    ///
    /// # Errors
    /// [`Refused`], when the plugin fails.
    pub fn new(plugin: &dyn Plugin, servers: u32) -> Result<Self, Refused> {
        let backends: Vec<Backend> = (1..=servers)
            .filter_map(|n| {
                let address = (Ipv4Addr::from(0x0a00_0000 + n), 80).into();
                let (id, name) = (BackendId::new(n)?, format!("server-{n}"));
                Some(Backend {
                    facts: facts(n),
                    ..Backend::new(id, name, address, 1 + n % 5)
                })
            })
            .collect();
        let mut scheduler = plugin
            .scheduler(&ServiceContext::trial("web"), &defaults(plugin))
            .map_err(failed)?;
        scheduler.set_backends(&backends).map_err(failed)?;
        scheduler.make_plan().map_err(failed)?;
        let abilities = plugin.manifest().abilities.as_ref();
        Ok(Self {
            scheduler,
            backends,
            counting: abilities.is_some_and(|it| it.facts.connections),
            round: 0,
        })
    }

    fn next(&mut self) -> u32 {
        self.round = self.round.wrapping_add(1);
        self.round
    }

    /// A change and the plan after it, as the host has it.
    ///
    /// # Errors
    /// [`Refused`], when the plugin fails.
    pub fn plan(&mut self) -> Result<(), Refused> {
        let round = self.next();
        let count = self.backends.len().max(1);
        let at = usize::try_from(round).unwrap_or_default() % count;
        if let Some(backend) = self.backends.get_mut(at) {
            if self.counting {
                let load = Load {
                    id: backend.id,
                    facts: facts(round),
                };
                self.scheduler.set_loads(&[load]).map_err(failed)?;
            } else {
                backend.weight = 1 + (backend.weight % 5);
                self.scheduler
                    .set_backends(&self.backends)
                    .map_err(failed)?;
            }
        }
        drop(black_box(self.scheduler.make_plan().map_err(failed)?));
        Ok(())
    }

    /// A connection of one of 65,536 clients.
    ///
    /// # Errors
    /// [`Refused`], when the plugin fails.
    pub fn pick(&mut self) -> Result<(), Refused> {
        let client = self.next() & 0xffff;
        let flow = Flow {
            protocol: Protocol::Tcp,
            source: (Ipv4Addr::from(0xac10_0000 | client), 40_000).into(),
            destination: (Ipv4Addr::new(10, 10, 54, 151), 80).into(),
        };
        let _ = black_box(self.scheduler.pick(black_box(&flow)).map_err(failed)?);
        Ok(())
    }
}

/// Medians for all of them, in microseconds a call. `calls` are timed together: the clock costs about as much as one.
///
/// # Errors
/// What a call fails with.
pub fn turns<const N: usize>(
    subjects: &mut [Subject; N],
    calls: u32,
    call: fn(&mut Subject) -> Result<(), Refused>,
) -> Result<[f64; N], Refused> {
    let mut times: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::new());
    for _ in 0..TURNS {
        for (subject, times) in subjects.iter_mut().zip(&mut times) {
            // What a change of the subject has thrown out of the caches comes back.
            call(subject)?;
            let end = Instant::now() + TURN;
            while Instant::now() < end {
                let start = Instant::now();
                for _ in 0..calls {
                    call(subject)?;
                }
                times.push(start.elapsed() / calls);
            }
        }
    }
    Ok(times.map(|times| middle(times).as_secs_f64() * 1e6))
}

/// The median.
#[must_use]
pub fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Every setting that has a default, as the configuration fills them in.
#[must_use]
pub fn defaults(plugin: &dyn Plugin) -> Vec<Setting> {
    let settings = plugin.manifest().settings.iter();
    settings
        .filter_map(|spec| {
            Some(Setting {
                key: spec.key.clone(),
                value: spec.default.clone()?,
            })
        })
        .collect()
}

fn failed(error: PluginError) -> Refused {
    Refused(error.to_string())
}

/// Some connections; among many servers, not too many alike.
fn facts(number: u32) -> BackendFacts {
    BackendFacts {
        counts: Counts {
            active: 10 + number.wrapping_mul(2_654_435_761) % 50,
            ..Counts::default()
        },
        ..BackendFacts::default()
    }
}
