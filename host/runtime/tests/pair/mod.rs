//! A scheduler in both runtimes, called side by side.

use std::env;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::connections::Counts;
use evenkeel_core::desired::{self, Usable};
use evenkeel_core::manifest::{Decision, Facts, PluginKind, Setting};
use evenkeel_core::model::{Forward, Protocol, Sandbox};
use evenkeel_core::plan::Plan;
use evenkeel_core::signals::Signals;
use evenkeel_core::state::BackendId;
use evenkeel_runtime::native::NativeRuntime;
use evenkeel_runtime::wasm::{CacheUse, WasmConfig, WasmRuntime};
use evenkeel_runtime::{
    Backend, BackendFacts, Flow, Load, Plugin, PluginRuntime, Scheduler, ServiceContext,
};

/// Those whose picks are drawn: only how often each server is picked can be compared. Every other scheduler is taken
/// to be deterministic.
pub(crate) const DRAWS: [&str; 3] = ["ewma", "p2c", "twos"];
/// Those whose plans depend on the clock once a latency has gone down.
const DECAYS: [&str; 1] = ["ewma"];

/// A module in `directory` of the target directory.
pub(crate) fn file(directory: &str, name: &str) -> PathBuf {
    let file = target().join(directory).join(name);
    assert!(
        file.exists(),
        "there is no {directory}/{name}: run `cargo xtask build`"
    );
    file
}

fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    )
}

/// Limits that a busy machine does not reach: what is compared is what they answer. Code is kept, since every test is
/// a process of its own that needs all of it.
pub(crate) fn wasm() -> WasmRuntime {
    let long = Duration::from_secs(20);
    let sandbox = Sandbox {
        call_time: long,
        pick_time: long,
        ..Sandbox::default()
    };
    WasmRuntime::new(WasmConfig {
        sandbox,
        cache: CacheUse::Own(Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("lab-cache")),
    })
    .unwrap()
}

/// A scheduler's code in both runtimes.
pub(crate) struct Pair {
    pub(crate) name: String,
    pub(crate) wasm: Arc<dyn Plugin>,
    pub(crate) native: Arc<dyn Plugin>,
}

impl Pair {
    /// The module of that name, which is for tests.
    pub(crate) fn of_tests(wasm: &WasmRuntime, native: &NativeRuntime, name: &str) -> Self {
        let loaded = wasm.load(&file("test-plugins", &format!("{name}.wasm")));
        Self::with(native, name, loaded.unwrap())
    }

    fn with(native: &NativeRuntime, name: &str, wasm: Arc<dyn Plugin>) -> Self {
        let file = file("native", &format!("{name}.so"));
        Self {
            name: name.to_owned(),
            wasm,
            native: native.load(&file).unwrap(),
        }
    }

    /// Every scheduler that is shipped.
    pub(crate) fn shipped() -> Vec<Self> {
        let (wasm, native) = (wasm(), NativeRuntime::trusting_everyone());
        let directory = fs::read_dir(target().join("plugins"))
            .unwrap_or_else(|error| panic!("plugins: {error}: run `cargo xtask build`"));
        let mut names: Vec<String> = directory
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|it| it == "wasm"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        let pairs: Vec<Self> = names
            .iter()
            .filter_map(|name| {
                let loaded = wasm
                    .load(&file("plugins", &format!("{name}.wasm")))
                    .unwrap();
                let pair = || Self::with(&native, name, loaded.clone());
                (loaded.kind() == PluginKind::Scheduler).then(pair)
            })
            .collect();
        assert!(
            pairs.len() >= 19,
            "only {} schedulers: run `cargo xtask build`",
            pairs.len()
        );
        pairs
    }

    /// What a service that names no settings has.
    pub(crate) fn defaults(&self) -> Vec<Setting> {
        let specs = self.wasm.manifest().settings.iter();
        specs
            .filter_map(|spec| {
                assert!(!spec.required, "{} needs {}", self.name, spec.key);
                Some(Setting {
                    key: spec.key.clone(),
                    value: spec.default.clone()?,
                })
            })
            .collect()
    }

    /// An instance in each, with the defaults.
    pub(crate) fn start(&self) -> Both {
        let abilities = self.wasm.manifest().abilities.as_ref().unwrap();
        let start = |plugin: &Arc<dyn Plugin>| {
            plugin
                .scheduler(&ServiceContext::trial("web"), &self.defaults())
                .unwrap()
        };
        Both {
            name: self.name.clone(),
            decisions: abilities.decisions.clone(),
            wants: abilities.facts,
            wasm: start(&self.wasm),
            native: start(&self.native),
            servers: Vec::new(),
            drawn: false,
        }
    }
}

/// Two instances that are told and asked the same.
pub(crate) struct Both {
    pub(crate) name: String,
    decisions: Vec<Decision>,
    wants: Facts,
    wasm: Box<dyn Scheduler>,
    native: Box<dyn Scheduler>,
    servers: Vec<Backend>,
    /// Each has counted its own picks, so what they know differs.
    drawn: bool,
}

impl Both {
    pub(crate) fn set_backends(&mut self, servers: &[Backend]) {
        self.servers = servers.to_vec();
        self.drawn = false;
        for server in &mut self.servers {
            server.facts = wanted(self.wants, server.facts.clone());
        }
        self.wasm.set_backends(&self.servers).unwrap();
        self.native.set_backends(&self.servers).unwrap();
    }

    pub(crate) fn set_loads(&mut self, loads: &[Load]) {
        let loads: Vec<Load> = loads
            .iter()
            .map(|load| Load {
                id: load.id,
                facts: wanted(self.wants, load.facts.clone()),
            })
            .collect();
        self.wasm.set_loads(&loads).unwrap();
        self.native.set_loads(&loads).unwrap();
    }

    pub(crate) fn picks(&self) -> bool {
        self.decisions.contains(&Decision::PerConnection)
    }

    /// The plan of both, which the daemon would accept.
    pub(crate) fn plan(&mut self, when: &str) -> Plan {
        let (wasm, native) = (
            self.wasm.make_plan().unwrap(),
            self.native.make_plan().unwrap(),
        );
        let decision = if self.decisions.contains(&Decision::Plan) {
            Decision::Plan
        } else {
            Decision::PerConnection
        };
        let given: Vec<Usable> = self
            .servers
            .iter()
            .map(|server| Usable {
                id: server.id,
                address: server.address,
                forward: Forward::Nat,
                weight: server.weight,
                thresholds: (0, 0),
            })
            .collect();
        for (plan, runtime) in [(&wasm, "wasm"), (&native, "native")] {
            if let Err(error) = desired::accept(&given, plan, decision) {
                panic!("{}, {runtime}, {when}: {error}", self.name);
            }
        }
        if !self.drawn && !DECAYS.contains(&&*self.name) {
            assert_eq!(wasm, native, "{}, {when}", self.name);
        }
        wasm
    }

    /// Whom each picks: a server that takes connections, if any. The same one, unless it is drawn.
    pub(crate) fn pick(&mut self, flow: &Flow, when: &str) -> [Option<BackendId>; 2] {
        let picked = [
            self.wasm.pick(flow).unwrap(),
            self.native.pick(flow).unwrap(),
        ];
        for id in picked.into_iter().flatten() {
            let known = self.servers.iter().find(|server| server.id == id);
            assert!(
                known.is_some_and(|server| server.weight > 0),
                "{}, {when}: {id:?} of {:?}",
                self.name,
                self.servers
            );
        }
        if DRAWS.contains(&&*self.name) {
            self.drawn = true;
        } else {
            assert_eq!(picked[0], picked[1], "{}, {when}: {flow:?}", self.name);
        }
        picked
    }
}

/// What the daemon tells a scheduler that wants these facts.
fn wanted(wants: Facts, facts: BackendFacts) -> BackendFacts {
    BackendFacts {
        counts: if wants.connections {
            facts.counts
        } else {
            Counts::default()
        },
        latency: facts.latency.filter(|_| wants.latency),
        signals: if wants.signals {
            facts.signals
        } else {
            Signals::NONE
        },
        traffic: facts.traffic.filter(|_| wants.traffic),
        per_minute: if wants.connections {
            facts.per_minute
        } else {
            0
        },
        failed: if wants.connections { facts.failed } else { 0 },
    }
}

pub(crate) fn id(n: u32) -> BackendId {
    BackendId::new(n).unwrap()
}

/// Which addresses a service has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    fn address(self, n: u32) -> IpAddr {
        match self {
            Self::V4 => Ipv4Addr::from_bits(0x0a00_0000 + n).into(),
            Self::V6 => Ipv6Addr::from_bits((0xfd00 << 112) + u128::from(n)).into(),
        }
    }

    /// Server `n`, with labels and a name that are not ASCII.
    pub(crate) fn server(self, n: u32, weight: u32) -> Backend {
        let address = SocketAddr::new(self.address(n), 8080);
        let labels = vec![
            ("zone".to_owned(), format!("z{}", n % 3)),
            (String::new(), "→ ".repeat(20)),
        ];
        Backend {
            labels,
            ..Backend::new(id(n), format!("größe {n}"), address, weight)
        }
    }

    /// Servers 1, 2, ... with these weights.
    pub(crate) fn servers(self, weights: &[u32]) -> Vec<Backend> {
        (1..)
            .zip(weights)
            .map(|(n, weight)| self.server(n, *weight))
            .collect()
    }

    pub(crate) fn flow(self, protocol: Protocol, client: u32, port: u16) -> Flow {
        Flow {
            protocol,
            source: SocketAddr::new(self.address(0x0050_0000 + client), port),
            destination: SocketAddr::new(self.address(0x0060_0000 + client % 7), 443),
        }
    }
}
