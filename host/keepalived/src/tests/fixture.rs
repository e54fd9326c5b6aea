//! Translations with the plugins that are shipped.

use crate::{Included, Translation, translate};
use evenkeel_config::{AnyMachine, Diagnostic, Found, PluginCatalogue, Report, parse_translated};
use evenkeel_core::manifest::{Manifest, PluginKind, SettingKind, SettingSpec};
use evenkeel_core::model::{Model, Needs, PluginRef};

/// The schedulers, `tcp` and `http`, as they are shipped.
pub(super) struct Shipped(Vec<(PluginKind, Manifest)>);

/// All of IPVS's.
pub(super) const SCHEDULERS: [&str; 14] = [
    "rr", "wrr", "lc", "wlc", "sed", "nq", "sh", "dh", "lblc", "lblcr", "mh", "fo", "ovf", "twos",
];

impl Shipped {
    pub(super) fn new() -> Self {
        let text = |key| spec(key, SettingKind::Text);
        let flag = |key| spec(key, SettingKind::Boolean);
        let one = || {
            [
                "path",
                "host",
                "status",
                "contains",
                "regex",
                "regex-absent",
                "md5",
            ]
            .map(text)
        };
        let mut http = vec![
            flag("tls"),
            flag("tls-verify"),
            spec("urls", SettingKind::Tables(one().into())),
        ];
        http.splice(0..0, one());
        let udp = vec![
            text("payload-hex"),
            text("require"),
            text("expect-hex"),
            spec(
                "min-length",
                SettingKind::Integer {
                    min: 0,
                    max: 65_535,
                },
            ),
        ];
        let number = |key| {
            let (min, max) = (-1_000_000, 1_000_000);
            spec(key, SettingKind::Integer { min, max })
        };
        let script = vec![
            spec("command", SettingKind::TextList),
            flag("dynamic-weight"),
            number("full-weight"),
        ];
        let file = vec![
            text("path"),
            text("means"),
            flag("reverse"),
            number("factor"),
            number("base"),
            number("full-weight"),
        ];
        let mut plugins = vec![
            (PluginKind::Checker, manifest("tcp", vec![])),
            (PluginKind::Checker, manifest("http", http)),
            (PluginKind::Checker, manifest("smtp", vec![text("helo")])),
            (
                PluginKind::Checker,
                manifest("dns", vec![text("name"), text("record")]),
            ),
            (PluginKind::Checker, manifest("ping", vec![])),
            (PluginKind::Checker, manifest("udp", udp)),
            (PluginKind::Checker, manifest("script", script)),
            (PluginKind::Checker, manifest("file", file)),
        ];
        plugins.extend(SCHEDULERS.map(|name| {
            let settings = match name {
                "sh" | "mh" => vec![flag("port"), flag("fallback")],
                _ => Vec::new(),
            };
            (PluginKind::Scheduler, manifest(name, settings))
        }));
        Self(plugins)
    }
}

fn spec(key: &str, kind: SettingKind) -> SettingSpec {
    SettingSpec {
        key: key.to_owned(),
        doc: String::new(),
        kind,
        default: None,
        required: false,
    }
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

impl PluginCatalogue for Shipped {
    fn needs(&self, plugin: &PluginRef) -> Needs {
        let name = plugin.to_string();
        Needs {
            command: name == "script",
            file: name == "file",
            icmp: name == "ping" || name == "udp",
        }
    }

    fn find(&self, plugin: &PluginRef) -> Found<'_> {
        let name = plugin.to_string();
        let found = self.0.iter().find(|(_, manifest)| manifest.name == name);
        match found {
            Some((kind, manifest)) => Found::One {
                kind: *kind,
                manifest,
            },
            None => Found::Missing {
                available: vec![],
                searched: vec![],
            },
        }
    }
}

/// The configuration `text` in `k.conf`, for the director `main`; there are no other files.
pub(super) fn translated(text: &str) -> Translation {
    with_files(text, &[])
}

/// The same with files that can be included by their names.
pub(super) fn with_files(text: &str, files: &[(&str, &str)]) -> Translation {
    translate(
        "k.conf",
        text.as_bytes(),
        Some("main"),
        &mut |pattern, _| {
            let named = files.iter().filter(|(name, _)| *name == pattern);
            Ok(named
                .map(|(name, text)| Included {
                    name: (*name).to_owned(),
                    contents: Ok(text.as_bytes().to_vec()),
                })
                .collect())
        },
    )
}

/// The notes as they are shown.
pub(super) fn notes(translation: &Translation) -> Vec<String> {
    translation.notes.iter().map(ToString::to_string).collect()
}

/// The only note whose text has this in it.
pub(super) fn note(translation: &Translation, part: &str) -> String {
    let mut found = notes(translation);
    found.retain(|note| note.contains(part));
    match found.as_slice() {
        [note] => note.clone(),
        _ => panic!("{part}: {found:#?} of {:#?}", notes(translation)),
    }
}

pub(super) fn resolved(translation: Translation) -> Result<(Model, Vec<Diagnostic>), Report> {
    let Translation { toml, origin, .. } = translation;
    parse_translated("k.conf", &toml, origin).resolve(&Shipped::new(), &AnyMachine)
}

/// The model of a translation in which nothing is wrong.
pub(super) fn model(translation: &Translation) -> Model {
    assert!(!translation.has_errors(), "{:#?}", notes(translation));
    match resolved(translation.clone()) {
        Ok((model, _)) => model,
        Err(report) => panic!("{}\n{}", report.render(), translation.toml),
    }
}
