//! Which plugins a configuration uses, and with which settings.

use std::collections::BTreeMap;
use std::path::Path;

use super::plugin::{PluginName, Settings};
use super::reader::{Field, Reader, similar};
use super::schema::{CheckTable, File, ServiceTable};
use super::settings::settings;
use super::tree::Span;
use super::{Found, Plugins};
use crate::manifest::PluginKind;
use crate::model::{PluginRef, PluginUse};

/// What spreads connections if the configuration says nothing.
pub(super) const DEFAULT_SCHEDULER: &str = "rr";

/// Every plugin that is named, each once, in order.
pub(super) fn references(file: &File, dir: &Path) -> Vec<PluginRef> {
    let mut names: Vec<&PluginName> = Vec::new();
    let default = PluginName(DEFAULT_SCHEDULER.to_owned());
    for service in services(file) {
        match service.scheduler.get() {
            Some(scheduler) => names.extend(scheduler.0.plugin.get()),
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
        names.extend(checks.filter_map(|check: &CheckTable| check.plugin.get()));
    }
    names.sort();
    names.dedup();
    names.into_iter().map(|name| name.reference(dir)).collect()
}

/// The services that could be read.
pub(super) fn services(file: &File) -> &[ServiceTable] {
    file.service.tables()
}

/// Looks plugins up, and remembers which ones cannot be used: each is reported once, however often it is named.
pub(super) struct Uses<'a> {
    plugins: &'a dyn Plugins,
    dir: &'a Path,
    unusable: BTreeMap<(PluginRef, PluginKind), Unusable>,
    /// What plugins said to their settings.
    answers: BTreeMap<String, Result<(), String>>,
}

struct Unusable {
    message: String,
    help: Option<String>,
    at: Vec<Span>,
}

impl<'a> Uses<'a> {
    pub(super) fn new(plugins: &'a dyn Plugins, dir: &'a Path) -> Self {
        Self {
            plugins,
            dir,
            unusable: BTreeMap::new(),
            answers: BTreeMap::new(),
        }
    }

    /// One use. `None` if the plugin cannot be used; settings that are wrong are left out and reported.
    pub(super) fn resolve(
        &mut self,
        kind: PluginKind,
        name: &PluginName,
        at: &Span,
        written: &Settings,
        reader: &mut Reader,
    ) -> Option<PluginUse> {
        let plugin = name.reference(self.dir);
        let found = self.plugins.find(&plugin);
        if let Found::One { kind: is, manifest } = &found
            && *is == kind
        {
            let settings = settings(manifest, &written.0, at, reader)?;
            let with = PluginUse { plugin, settings };
            return self.accepted(kind, with, at, reader);
        }
        let plugins = self.plugins;
        let unusable = self
            .unusable
            .entry((plugin, kind))
            .or_insert_with_key(|(plugin, _)| {
                let (message, help) = explain(kind, plugin, found, plugins);
                Unusable {
                    message,
                    help,
                    at: Vec::new(),
                }
            });
        unusable.at.push(at.clone());
        None
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
        let answer = self
            .answers
            .entry(format!("{with:?}"))
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

/// Why a plugin cannot be used, and what there is instead.
fn explain(
    kind: PluginKind,
    plugin: &PluginRef,
    found: Found<'_>,
    plugins: &dyn Plugins,
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
