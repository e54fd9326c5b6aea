use std::time::Duration;

use evenkeel_core::manifest::{
    Abilities, Decision, Facts, Manifest, PluginKind, SettingKind, SettingSpec, SettingValue,
};
use evenkeel_core::pattern::Pattern;
use evenkeel_sdk::__private::{Declared, DeclaredAbilities};
use evenkeel_sdk::section::{HEADER, MAX_LENGTH, VERSION};
use evenkeel_sdk::{Settings as _, choice, settings};

use super::*;

choice! {
    enum Way { Up = "up", Down = "down" }
}

settings! {
    struct Row {
        /// What.
        name: String,
        #[range(1..=9)]
        times: u8 = 2,
        way: Option<Way>,
    }
}

settings! {
    struct Every {
        /// Whether.
        on: bool = true,
        #[range(1..=70_000)]
        count: u32 = 256,
        at_most: Option<i64> = -2,
        #[range(0.25..=f64::INFINITY)]
        factor: f64 = 0.5,
        name: String,
        words: Vec<String> = &["a", "ö"],
        pause: Option<Duration>,
        #[range(Duration::from_millis(1)..=Duration::from_secs(9))]
        wait: Duration = Duration::from_millis(1500),
        way: Way = Way::Down,
        #[pattern("/[a-z]*")]
        path: String = "/a",
        token: Option<evenkeel_sdk::Secret>,
        ca: Option<evenkeel_sdk::FileText>,
        rows: Vec<Row>,
    }
}

settings! {
    struct Labels {
        #[range(1..=64)]
        cpus: u8 = 1,
        zone: String,
    }
}

const DECLARED: Declared = Declared {
    name: "every",
    version: "1.2.3",
    summary: "all there is",
    settings: Every::DECLARED,
    abilities: Some(DeclaredAbilities {
        decisions: &[
            evenkeel_sdk::Decision::PerConnection,
            evenkeel_sdk::Decision::Plan,
        ],
        facts: evenkeel_sdk::Facts::CONNECTIONS
            .and(evenkeel_sdk::Facts::SIGNALS)
            .and(evenkeel_sdk::Facts::TRAFFIC),
        deterministic: true,
        stateless: true,
        labels: Labels::DECLARED,
        delegates: &["lc", "wrr"],
    }),
};

/// What the SDK puts into a module.
fn section() -> Vec<u8> {
    DECLARED.encoded::<{ DECLARED.encoded_length() }>().to_vec()
}

fn spec(key: &str, kind: SettingKind, default: Option<SettingValue>) -> SettingSpec {
    SettingSpec {
        key: key.to_owned(),
        doc: String::new(),
        required: false,
        kind,
        default,
    }
}

/// The keys of a table.
fn row() -> Vec<SettingSpec> {
    let words = ["up", "down"].map(str::to_owned).to_vec();
    let name = SettingSpec {
        doc: "What.".to_owned(),
        required: true,
        ..spec("name", SettingKind::Text, None)
    };
    let times = SettingKind::Integer { min: 1, max: 9 };
    vec![
        name,
        spec("times", times, Some(SettingValue::Integer(2))),
        spec("way", SettingKind::Choice(words), None),
    ]
}

fn manifest() -> Manifest {
    let texts = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
    let mut settings = vec![
        spec(
            "on",
            SettingKind::Boolean,
            Some(SettingValue::Boolean(true)),
        ),
        spec(
            "count",
            SettingKind::Integer {
                min: 1,
                max: 70_000,
            },
            Some(SettingValue::Integer(256)),
        ),
        spec(
            "at-most",
            SettingKind::Integer {
                min: i64::MIN,
                max: i64::MAX,
            },
            Some(SettingValue::Integer(-2)),
        ),
        spec(
            "factor",
            SettingKind::Number {
                min: 0.25,
                max: f64::INFINITY,
            },
            Some(SettingValue::Number(0.5)),
        ),
        spec("name", SettingKind::Text, None),
        spec(
            "words",
            SettingKind::TextList,
            Some(SettingValue::TextList(texts(["a", "ö"]))),
        ),
        spec("pause", SettingKind::DURATION, None),
        spec(
            "wait",
            SettingKind::Duration {
                min: Duration::from_millis(1),
                max: Duration::from_secs(9),
            },
            Some(SettingValue::Duration(Duration::from_millis(1500))),
        ),
        spec(
            "way",
            SettingKind::Choice(texts(["up", "down"])),
            Some(SettingValue::Text("down".to_owned())),
        ),
        spec(
            "path",
            SettingKind::Matching(Pattern::new("/[a-z]*").unwrap()),
            Some(SettingValue::Text("/a".to_owned())),
        ),
        spec("token", SettingKind::Secret, None),
        spec("ca", SettingKind::File, None),
        spec("rows", SettingKind::Tables(row()), None),
    ];
    settings[0].doc = "Whether.".to_owned();
    settings[4].required = true;
    Manifest {
        name: "every".to_owned(),
        version: "1.2.3".to_owned(),
        summary: "all there is".to_owned(),
        settings,
        abilities: Some(Abilities {
            decisions: vec![Decision::PerConnection, Decision::Plan],
            facts: Facts {
                connections: true,
                latency: false,
                signals: true,
                traffic: true,
            },
            deterministic: true,
            stateless: true,
            labels: vec![
                spec(
                    "cpus",
                    SettingKind::Integer { min: 1, max: 64 },
                    Some(SettingValue::Integer(1)),
                ),
                SettingSpec {
                    required: true,
                    ..spec("zone", SettingKind::Text, None)
                },
            ],
            delegates: vec!["lc".to_owned(), "wrr".to_owned()],
        }),
    }
}

fn reason(bytes: &[u8]) -> String {
    decode(bytes, PluginKind::Scheduler).unwrap_err()
}

#[test]
fn what_the_sdk_writes_is_read_and_written_alike() {
    assert_eq!(
        decode(&section(), PluginKind::Scheduler),
        Ok(Some(manifest()))
    );
    assert_eq!(encode(&manifest()), Some(section()));
    let checker = Manifest {
        abilities: None,
        ..manifest()
    };
    let bytes = encode(&checker).unwrap();
    assert_eq!(decode(&bytes, PluginKind::Checker), Ok(Some(checker)));
}

#[test]
fn a_section_of_a_plugin_of_another_kind_is_refused() {
    let wrong = decode(&section(), PluginKind::Checker).unwrap_err();
    assert_eq!(wrong, "is a checker, and its manifest is of another kind");
}

#[test]
fn a_form_of_the_future_is_left_alone() {
    let mut later = section();
    later[0] = VERSION + 1;
    assert_eq!(decode(&later, PluginKind::Scheduler), Ok(None));
}

#[test]
fn a_section_that_is_cut_or_has_more_in_it_is_damaged() {
    let whole = section();
    for length in 0..whole.len() {
        assert!(reason(&whole[..length]).starts_with("has a damaged manifest"));
        // Also when its length says that it is whole.
        if let Some(content) = length.checked_sub(HEADER) {
            let mut cut = whole[..length].to_vec();
            cut[1..HEADER].copy_from_slice(&u32::try_from(content).unwrap().to_le_bytes());
            assert!(reason(&cut).starts_with("has a damaged manifest"));
        }
    }
    assert!(reason(&[&whole[..], b"x"].concat()).starts_with("has a damaged manifest"));
}

#[test]
fn any_byte_changed_is_refused_or_another_manifest_and_never_more() {
    let whole = section();
    for at in 0..whole.len() {
        for with in [0, 1, 0x7f, 0xff] {
            let mut changed = whole.clone();
            changed[at] = with;
            let _ = decode(&changed, PluginKind::Scheduler);
        }
    }
}

#[test]
fn a_section_has_a_limit() {
    let mut long = manifest();
    long.settings = (0..200)
        .map(|n| SettingSpec {
            doc: "x".repeat(400),
            ..spec(&format!("k{n}"), SettingKind::Text, None)
        })
        .collect();
    assert_eq!(encode(&long), None);
    let mut bytes = section();
    bytes.resize(MAX_LENGTH + 1, 0);
    assert_eq!(
        reason(&bytes),
        format!(
            "has a manifest of {} bytes; {MAX_LENGTH} are allowed",
            MAX_LENGTH + 1
        )
    );
}

#[test]
fn texts_of_a_section_are_made_fit_for_a_terminal_or_refused() {
    let summary = Manifest {
        summary: "a\nb\u{1b}[2J".to_owned(),
        ..manifest()
    };
    let read = decode(&encode(&summary).unwrap(), PluginKind::Scheduler);
    assert_eq!(read.unwrap().unwrap().summary, "a\\nb\\u{1b}[2J");
    let name = Manifest {
        name: "a\nb".to_owned(),
        ..manifest()
    };
    assert!(reason(&encode(&name).unwrap()).starts_with("has a wrong manifest: its name"));
    let mut word = manifest();
    word.settings[8].kind = SettingKind::Choice(vec!["down".to_owned(), "\u{1b}".to_owned()]);
    assert!(reason(&encode(&word).unwrap()).contains("its setting \"way\""));
}
