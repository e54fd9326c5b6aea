//! Plugins as the tests name them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::{
    AnyMachine, Diagnostic, Found, MachineSupport, PluginCatalogue, Report, SecretSource, parse,
};
use evenkeel_core::manifest::{
    Abilities, Decision, Facts, Manifest, PluginKind, Setting, SettingKind, SettingSpec,
    SettingValue,
};
use evenkeel_core::model::{DataPlaneKind, Model, Needs, PluginRef};
use evenkeel_core::secret::Secret;

/// Plugins `rr`, `wrr` (schedulers by plan), `hash` (by plan or per connection), `ask` (per connection), `tcp`, `http` (checkers),
/// `twice` (in two files), `bad.wasm` (broken), and `rr` once more as any `rr.so`.
pub(super) struct Shelf {
    plugins: Vec<(PluginKind, Manifest)>,
    /// How often a plugin was asked to accept settings.
    pub(super) asked: Cell<usize>,
    /// Why the kernel cannot ask about each connection, if it cannot.
    pub(super) deaf: Option<String>,
    /// Data planes that cannot hide clients, and why.
    pub(super) bare: BTreeMap<DataPlaneKind, String>,
    /// Data planes that do not work, and why.
    pub(super) broken: BTreeMap<DataPlaneKind, String>,
    /// What the daemon runs with.
    pub(super) running: Option<DataPlaneKind>,
    /// What is kept in files; other secrets cannot be had.
    pub(super) secrets: BTreeMap<&'static str, &'static str>,
}

impl Shelf {
    pub(super) fn new() -> Self {
        let plugins = vec![
            scheduler(&[Decision::Plan], manifest("rr", vec![])),
            scheduler(&[Decision::Plan], manifest("wrr", vec![])),
            scheduler(
                &[Decision::Plan, Decision::PerConnection],
                manifest("hash", hash()),
            ),
            scheduler(&[Decision::PerConnection], manifest("ask", vec![])),
            (PluginKind::Checker, manifest("tcp", vec![])),
            (PluginKind::Checker, manifest("http", http())),
        ];
        Self {
            plugins,
            asked: Cell::new(0),
            deaf: None,
            bare: BTreeMap::new(),
            broken: BTreeMap::new(),
            running: None,
            secrets: BTreeMap::new(),
        }
    }

    /// With one more scheduler, which reads these labels.
    pub(super) fn and_scheduler(mut self, name: &str, labels: Vec<SettingSpec>) -> Self {
        let (kind, mut manifest) = scheduler(&[Decision::Plan], manifest(name, vec![]));
        if let Some(abilities) = &mut manifest.abilities {
            abilities.labels = labels;
        }
        self.plugins.push((kind, manifest));
        self
    }

    /// With one more checker.
    pub(super) fn and_checker(mut self, name: &str, settings: Vec<SettingSpec>) -> Self {
        self.plugins
            .push((PluginKind::Checker, manifest(name, settings)));
        self
    }
}

fn scheduler(decisions: &[Decision], manifest: Manifest) -> (PluginKind, Manifest) {
    let abilities = Abilities {
        decisions: decisions.to_vec(),
        facts: Facts::default(),
        deterministic: false,
        stateless: false,
        labels: Vec::new(),
        delegates: Vec::new(),
    };
    let manifest = Manifest {
        abilities: Some(abilities),
        ..manifest
    };
    (PluginKind::Scheduler, manifest)
}

fn manifest(name: &str, settings: Vec<SettingSpec>) -> Manifest {
    Manifest {
        abilities: None,
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        summary: String::new(),
        settings,
    }
}

pub(super) fn spec(
    key: &str,
    kind: SettingKind,
    default: Option<SettingValue>,
    required: bool,
) -> SettingSpec {
    SettingSpec {
        key: key.to_owned(),
        doc: format!("The {key}."),
        kind,
        default,
        required,
    }
}

fn hash() -> Vec<SettingSpec> {
    let words = vec!["source".to_owned(), "flow".to_owned()];
    vec![
        spec(
            "by",
            SettingKind::Choice(words),
            Some(SettingValue::Text("source".to_owned())),
            false,
        ),
        spec(
            "slots",
            SettingKind::Integer {
                min: 1,
                max: 65_536,
            },
            None,
            false,
        ),
        spec(
            "spread",
            SettingKind::Number { min: 0.5, max: 9.0 },
            Some(SettingValue::Number(1.5)),
            false,
        ),
    ]
}

fn http() -> Vec<SettingSpec> {
    let wait = SettingValue::Duration(Duration::from_millis(250));
    let wait_kind = SettingKind::Duration {
        min: Duration::from_millis(10),
        max: SettingKind::LONGEST,
    };
    vec![
        spec("path", SettingKind::Text, None, true),
        spec(
            "redirects",
            SettingKind::Boolean,
            Some(SettingValue::Boolean(false)),
            false,
        ),
        spec("status", SettingKind::TextList, None, false),
        spec("wait", wait_kind, Some(wait), false),
    ]
}

impl MachineSupport for Shelf {
    fn per_connection(&self, _dataplane: DataPlaneKind) -> Result<(), String> {
        self.deaf.clone().map_or(Ok(()), Err)
    }

    fn snat(&self, dataplane: DataPlaneKind) -> Result<(), String> {
        self.bare.get(&dataplane).cloned().map_or(Ok(()), Err)
    }

    fn works(&self, dataplane: DataPlaneKind) -> Result<(), String> {
        self.broken.get(&dataplane).cloned().map_or(Ok(()), Err)
    }

    fn secret(&self, source: &SecretSource) -> Result<Secret, String> {
        let secret = self.secrets.get(&*source.to_string());
        let secret = secret.map(|it| Secret::new((*it).to_owned()));
        secret.ok_or_else(|| "No such file or directory (os error 2)".to_owned())
    }

    fn text(&self, file: &Path) -> Result<String, String> {
        if file == Path::new("/etc/ca.pem") {
            return Ok("of an authority".to_owned());
        }
        Err("No such file or directory (os error 2)".to_owned())
    }

    fn running(&self) -> Option<DataPlaneKind> {
        self.running
    }
}

impl PluginCatalogue for Shelf {
    fn find(&self, plugin: &PluginRef) -> Found<'_> {
        if let PluginRef::File(file) = plugin
            && file.ends_with("rr.so")
        {
            return self.find(&PluginRef::Name("rr".to_owned()));
        }
        let PluginRef::Name(name) = plugin else {
            return if plugin.to_string().ends_with("bad.wasm") {
                Found::Broken {
                    reason: "it is not WebAssembly".to_owned(),
                }
            } else {
                Found::Missing {
                    available: vec![],
                    searched: vec![],
                }
            };
        };
        if name == "twice" {
            let files = vec!["/a/one.wasm".to_owned(), "/b/two.wasm".to_owned()];
            return Found::Ambiguous { files };
        }
        let found = self
            .plugins
            .iter()
            .find(|(_, manifest)| manifest.name == *name);
        match found {
            Some((kind, manifest)) => Found::One {
                kind: *kind,
                manifest,
            },
            None => Found::Missing {
                available: self
                    .plugins
                    .iter()
                    .map(|(kind, m)| (m.name.clone(), *kind))
                    .collect(),
                searched: vec!["/usr/lib/evenkeel/plugins".to_owned()],
            },
        }
    }

    fn needs(&self, plugin: &PluginRef) -> Needs {
        let name = plugin.to_string();
        Needs {
            command: name == "script",
            file: name == "file",
            icmp: name == "reach" || name == "ping",
        }
    }

    fn sha256(&self, plugin: &PluginRef) -> Option<String> {
        (plugin.to_string() == "rr").then(|| "ab".repeat(32))
    }

    fn goes_without(&self, plugin: &PluginRef) -> bool {
        plugin.to_string().ends_with("/boot/bad.wasm")
    }

    fn accept(
        &self,
        _plugin: &PluginRef,
        _kind: PluginKind,
        settings: &[Setting],
    ) -> Result<(), String> {
        self.asked.set(self.asked.get() + 1);
        let relative = |s: &Setting| {
            s.key == "path"
                && !matches!(&s.value, SettingValue::Text(path) if path.starts_with('/'))
        };
        if settings.iter().any(relative) {
            return Err("path must begin with /".to_owned());
        }
        Ok(())
    }
}

/// The configuration `text` in a file `/etc/lb.toml`.
pub(super) fn resolve(text: &str) -> Result<(Model, Vec<Diagnostic>), Report> {
    parse("/etc/lb.toml", text).resolve(&Shelf::new(), &AnyMachine)
}

/// What is reported of a configuration that cannot be used, as text.
pub(super) fn report(text: &str) -> String {
    resolve(text)
        .expect_err("the configuration is wrong")
        .render()
}

/// The model of a configuration that is right and gives no warnings.
pub(super) fn model(text: &str) -> Model {
    match resolve(text) {
        Ok((model, warnings)) => {
            let warnings: Vec<String> = warnings.iter().map(Diagnostic::render).collect();
            assert!(warnings.is_empty(), "{}", warnings.join("\n"));
            model
        }
        Err(report) => panic!("{}", report.render()),
    }
}
