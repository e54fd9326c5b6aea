//! Which plugins a configuration uses, and with which settings.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::catalogue::{Found, PluginCatalogue};
use super::command::Command;
use super::grants;
use super::machine::MachineSupport;
use super::optional::optional;
use super::plugin::{Digest, PluginName, Settings, Short, is_native};
use super::probe::Probe;
use super::reader::{Field, Reader, similar};
use super::schema::{CheckKeys, CheckTable, File, ServiceTable};
use super::settings::settings;
use super::tree::Span;
use evenkeel_core::manifest::{Abilities, Decision, PluginKind, SettingSpec, SettingValue};
use evenkeel_core::model::{Chosen, Grant, PluginRef, PluginUse};

/// What spreads connections if the configuration says nothing.
pub(super) const DEFAULT_SCHEDULER: &str = "rr";

/// Every plugin that is named, each once, in order; without native ones that are not among the `trusted`.
pub(super) fn references(file: &File, dir: &Path, trusted: &[PathBuf]) -> Vec<PluginRef> {
    let mut names: Vec<&PluginName> = Vec::new();
    let default = PluginName(DEFAULT_SCHEDULER.to_owned());
    let shared = file.check.tables().iter().filter_map(|it| it.name.get());
    let shared: BTreeSet<&str> = shared.map(|it| it.0.as_str()).collect();
    for service in services(file) {
        match service.scheduler.get() {
            Some(Short(scheduler)) => {
                names.extend(scheduler.plugin.get());
                let shadow = scheduler.shadow.get().map(|it| &it.0.plugin);
                let canary = scheduler.canary.get().map(|it| &it.0.plugin);
                names.extend(shadow.into_iter().chain(canary).filter_map(Field::get));
            }
            None if service.scheduler.is_wrong() => {}
            None => names.push(&default),
        }
        let own = service
            .server
            .get()
            .into_iter()
            .flat_map(|servers| &servers.tables);
        let checks = own.map(|server| &server.check).chain([&service.check]);
        let checks = checks.filter_map(Field::get).flat_map(|checks| &checks.0);
        let checks =
            checks.filter(|check| shared_name(check).is_none_or(|it| !shared.contains(it)));
        names.extend(checks.filter_map(|check: &CheckTable| check.plugin.get()));
    }
    names.extend(file.check.tables().iter().filter_map(|it| it.plugin.get()));
    names.sort();
    names.dedup();
    let references = names.into_iter().map(|name| name.reference(dir));
    references
        .filter(|plugin| distrusted(plugin, trusted).is_none())
        .collect()
}

/// What a check may be the name of: it says nothing but that.
fn shared_name(table: &CheckTable) -> Option<&str> {
    // All of them, so that a key that comes is not forgotten here.
    let CheckKeys {
        plugin,
        sha256,
        settings,
        interval,
        timeout,
        retries,
        retry_delay,
        fast_interval,
        down_interval,
        warmup,
        rise,
        alpha,
        address,
        port,
    } = table.keys();
    let more = sha256.written
        || settings.written
        || interval.written
        || timeout.written
        || retries.written
        || retry_delay.written
        || fast_interval.written
        || down_interval.written
        || warmup.written
        || rise.written
        || alpha.written
        || address.written
        || port.written;
    let name = plugin.get()?;
    (!more).then_some(name.0.as_str())
}

/// The file of a native plugin that the configuration does not trust.
fn distrusted<'a>(plugin: &'a PluginRef, trusted: &[PathBuf]) -> Option<&'a Path> {
    match plugin {
        PluginRef::File(file) if is_native(file) && !trusted.contains(file) => Some(file),
        _ => None,
    }
}

/// The services that could be read.
pub(super) fn services(file: &File) -> &[ServiceTable] {
    file.service.tables()
}

/// A plugin as one service or check names it.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// What it is wanted for.
    pub(super) kind: PluginKind,
    /// As it is named.
    pub(super) name: &'a PluginName,
    /// Where it is named.
    pub(super) at: &'a Span,
    /// The file that it must be.
    pub(super) sha256: &'a Field<Digest>,
}

/// Looks plugins up, and remembers which ones cannot be used: each is reported once, however often it is named.
pub(super) struct Uses<'a> {
    plugins: &'a dyn PluginCatalogue,
    machine: &'a dyn MachineSupport,
    dir: &'a Path,
    allowed: Allowed<'a>,
    dataplane: &'a Chosen,
    /// The checks that services refer to by name; `None` where something in one is wrong.
    shared: BTreeMap<String, Option<Probe>>,
    /// Those that a service has referred to.
    used: BTreeSet<String>,
    unusable: BTreeMap<(PluginRef, PluginKind), Unusable>,
    /// What plugins said to their settings. Secrets are not in the text of these, and stand beside it.
    answers: BTreeMap<(String, Vec<String>), Result<(), String>>,
}

/// What plugins may do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowed<'a> {
    /// The native plugins that may be used.
    pub(super) native: &'a [PathBuf],
    /// What each is granted, by name; `None`: that is written wrong.
    pub(super) grants: Option<&'a BTreeMap<String, Grant>>,
}

struct Unusable {
    message: String,
    help: Option<String>,
    at: Vec<Span>,
}

impl<'a> Uses<'a> {
    pub(super) fn new(
        (plugins, machine): (&'a dyn PluginCatalogue, &'a dyn MachineSupport),
        dir: &'a Path,
        allowed: Allowed<'a>,
        dataplane: &'a Chosen,
    ) -> Self {
        Self {
            plugins,
            machine,
            dir,
            allowed,
            dataplane,
            shared: BTreeMap::new(),
            used: BTreeSet::new(),
            unusable: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }

    /// The words of a command: its program may be relative to the configuration's directory.
    pub(super) fn command(&self, field: &Field<Command>) -> Option<Vec<String>> {
        let words = optional(field, |command| command.words(self.dir))?;
        Some(words.unwrap_or_default())
    }

    /// Services may refer to these checks.
    pub(super) fn share(&mut self, checks: BTreeMap<String, Option<Probe>>) {
        self.shared = checks;
    }

    /// The check that services share whose name this is, if it is one; `Some(None)` if something in that is wrong.
    pub(super) fn shared(&mut self, table: &CheckTable) -> Option<Option<Probe>> {
        let name = shared_name(table)?;
        let shared = self.shared.get(name)?.clone();
        self.used.insert(name.to_owned());
        Some(shared)
    }

    /// Whether a check is named as one that services share, but is to be another.
    pub(super) fn changes_shared(&mut self, table: &CheckTable) -> bool {
        let name = table.plugin.get().map(|it| it.0.as_str());
        let shared = name.filter(|it| self.shared.contains_key(*it));
        self.used.extend(shared.map(str::to_owned));
        shared.is_some()
    }

    /// Whether a service refers to this check.
    pub(super) fn is_used(&self, check: &str) -> bool {
        self.used.contains(check)
    }

    /// One use. `None` if the plugin cannot be used; settings that are wrong are left out and reported.
    pub(super) fn resolve(
        &mut self,
        wanted: &Wanted<'_>,
        written: &Settings,
        reader: &mut Reader,
    ) -> Option<PluginUse> {
        let Wanted { kind, name, at, .. } = *wanted;
        let plugin = name.reference(self.dir);
        if let Some(file) = distrusted(&plugin, self.allowed.native) {
            let (message, help) = distrust(file);
            self.unusable(plugin, kind, at, || (message, Some(help)));
            return None;
        }
        let found = self.plugins.find(&plugin);
        if let Found::Broken { reason } = &found
            && self.plugins.goes_without(&plugin)
        {
            let message = format!("plugin {plugin} cannot be used: {reason}");
            let help = format!(
                "what names it does without a {kind} until the file is mended and the daemon reloaded"
            );
            reader.warning(at, message, Some(help));
            let settings = Vec::new();
            return Some(PluginUse { plugin, settings });
        }
        if matches!(found, Found::One { .. }) {
            self.pinned(&plugin, wanted.sha256, reader)?;
        }
        if let Found::One { kind: is, manifest } = &found
            && *is == kind
        {
            let places = (self.machine, self.dir);
            let settings = settings(manifest, &written.0, at, places, reader)?;
            let used = grants::Used {
                name: &manifest.name,
                needs: self.plugins.needs(&plugin),
                settings: &settings,
                written,
                at,
            };
            if let Some(granted) = self.allowed.grants {
                grants::check(&used, granted.get(&manifest.name), reader)?;
            }
            let with = PluginUse { plugin, settings };
            return self.accepted(kind, with, at, reader);
        }
        let (plugins, named) = (self.plugins, plugin.clone());
        self.unusable(plugin, kind, at, || explain(kind, &named, found, plugins));
        None
    }

    /// Whether the plugin's file is the one that the configuration wants.
    fn pinned(
        &self,
        plugin: &PluginRef,
        wanted: &Field<Digest>,
        reader: &mut Reader,
    ) -> Option<()> {
        if wanted.is_wrong() {
            return None;
        }
        let Some(Digest(digest)) = wanted.get() else {
            return Some(());
        };
        let is = self.plugins.sha256(plugin);
        if is.as_ref() == Some(digest) {
            return Some(());
        }
        let is = is.as_deref().unwrap_or("not known");
        let message = format!("plugin {plugin} is another file than the one that is wanted");
        let help = format!(
            "wanted: sha256 {digest}\nfound:  sha256 {is}\nif the new file is meant, write its sum here"
        );
        reader.error(&wanted.at, message, Some(help));
        None
    }

    /// Notes that a plugin cannot be used, and at its first use why.
    fn unusable(
        &mut self,
        plugin: PluginRef,
        kind: PluginKind,
        at: &Span,
        why: impl FnOnce() -> (String, Option<String>),
    ) {
        let unusable = self.unusable.entry((plugin, kind)).or_insert_with(|| {
            let (message, help) = why();
            Unusable {
                message,
                help,
                at: Vec::new(),
            }
        });
        unusable.at.push(at.clone());
    }

    /// How the decisions of a scheduler that can be used can be followed; the first is the default.
    pub(super) fn decisions(&self, scheduler: &PluginRef) -> &'a [Decision] {
        if self.plugins.goes_without(scheduler) {
            // Nobody knows what it can do.
            return &[Decision::Plan, Decision::PerConnection];
        }
        let abilities = self.abilities(scheduler);
        abilities.map_or(&[], |it| &it.decisions)
    }

    /// The labels of servers that a scheduler reads.
    pub(super) fn labels(&self, scheduler: &PluginRef) -> &'a [SettingSpec] {
        let abilities = self.abilities(scheduler);
        abilities.map_or(&[], |it| &it.labels)
    }

    fn abilities(&self, scheduler: &PluginRef) -> Option<&'a Abilities> {
        match self.plugins.find(scheduler) {
            Found::One { manifest, .. } => manifest.abilities.as_ref(),
            _ => None,
        }
    }

    /// Whether each connection can be decided here.
    pub(super) fn per_connection(&self) -> Result<(), String> {
        self.machine.per_connection(self.dataplane.kind)
    }

    /// Whether clients can be hidden here.
    pub(super) fn snat(&self) -> Result<(), String> {
        self.machine.snat(self.dataplane.kind)
    }

    /// The data plane that is used.
    pub(super) fn dataplane(&self) -> &'a Chosen {
        self.dataplane
    }

    /// Asks the plugin itself, once for the same settings.
    fn accepted(
        &mut self,
        kind: PluginKind,
        with: PluginUse,
        at: &Span,
        reader: &mut Reader,
    ) -> Option<PluginUse> {
        let accept = || self.plugins.accept(&with.plugin, kind, &with.settings);
        // Settings may be numbers with fractions, which have no order; their text has.
        let secrets = with.settings.iter().filter_map(|it| match &it.value {
            SettingValue::Secret(secret) => Some(secret.expose().to_owned()),
            _ => None,
        });
        let answer = self
            .answers
            .entry((format!("{with:?}"), secrets.collect()))
            .or_insert_with(accept);
        match answer {
            Ok(()) => Some(with),
            Err(reason) => {
                let message = format!("plugin {} refuses its settings: {reason}", with.plugin);
                reader.error(at, message, None);
                None
            }
        }
    }

    /// Reports the plugins that cannot be used, where each is named first.
    pub(super) fn report(self, reader: &mut Reader) {
        for unusable in self.unusable.into_values() {
            let mut at = unusable.at;
            at.sort_by_key(|span| span.start);
            let Some((first, others)) = at.split_first() else {
                continue;
            };
            let places: Vec<String> = others
                .iter()
                .map(|at| reader.source.place(at.start))
                .collect();
            let also = match places.as_slice() {
                [] => None,
                few @ ([_] | [_, _] | [_, _, _]) => {
                    Some(format!("also named at {}", few.join(", ")))
                }
                [one, two, rest @ ..] => Some(format!(
                    "also named at {one}, {two} and {} more places",
                    rest.len()
                )),
            };
            let help: Vec<String> = unusable.help.into_iter().chain(also).collect();
            let help = (!help.is_empty()).then(|| help.join("\n"));
            reader.error(first, unusable.message, help);
        }
    }
}

/// Why a native plugin is not used, and how it would be.
fn distrust(file: &Path) -> (String, String) {
    let file = file.display();
    let message = format!("native plugin {file} is not trusted");
    let help = format!(
        "it would run inside the daemon, without a sandbox and with all its rights; if that is wanted, write at the top of the file:\nnative_plugins = [\"{file}\"]"
    );
    (message, help)
}

/// Why a plugin cannot be used, and what there is instead.
fn explain(
    kind: PluginKind,
    plugin: &PluginRef,
    found: Found<'_>,
    plugins: &dyn PluginCatalogue,
) -> (String, Option<String>) {
    match found {
        Found::One { kind: is, manifest } => {
            let message = format!("plugin {} is a {is}, not a {kind}", manifest.name);
            let help = Some(list(kind, &plugins.available()));
            (message, help)
        }
        Found::Missing {
            available,
            searched,
        } => {
            let message = match plugin {
                PluginRef::Name(name) => format!("there is no plugin {name}"),
                PluginRef::File(file) => format!("there is no plugin file {}", file.display()),
            };
            let mut help = Vec::new();
            if let PluginRef::Name(name) = plugin {
                let right = available.iter().filter(|(_, is)| *is == kind);
                let meant = similar(name, right.map(|(name, _)| name.as_str()));
                help.extend(meant.map(|meant| format!("did you mean {meant}?")));
                help.push(list(kind, &available));
            }
            if matches!(plugin, PluginRef::Name(_)) && !searched.is_empty() {
                help.push(format!("looked in {}", searched.join(", ")));
            }
            (message, (!help.is_empty()).then(|| help.join("\n")))
        }
        Found::Ambiguous { files } => (
            format!("several plugins are named {plugin}"),
            Some(format!(
                "remove all but one, or name the file: {}",
                files.join(", ")
            )),
        ),
        Found::Broken { reason } => (format!("plugin {plugin} cannot be used: {reason}"), None),
    }
}

fn list(kind: PluginKind, available: &[(String, PluginKind)]) -> String {
    let right: Vec<&str> = available
        .iter()
        .filter(|(_, is)| *is == kind)
        .map(|(name, _)| name.as_str())
        .collect();
    if right.is_empty() {
        format!("there is no {kind} plugin")
    } else {
        format!("{kind} plugins: {}", right.join(", "))
    }
}
