//! What a plugin says about itself, and the values of its settings.
//!
//! Mirrors `types` of the WIT contract; every runtime translates to these.

use std::fmt;
use std::time::Duration;

use crate::pattern::Pattern;
use crate::secret::Secret;

/// What a plugin is for. Told by what the module exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PluginKind {
    /// Spreads new connections over the real servers of a virtual service.
    Scheduler,
    /// Judges whether a real server is fit to be used.
    Checker,
}

impl fmt::Display for PluginKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheduler => "scheduler",
            Self::Checker => "checker",
        })
    }
}

/// A plugin's description of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The name that the configuration refers to: `[a-z][a-z0-9-]*`.
    pub name: String,
    /// The plugin's own version.
    pub version: String,
    /// One line for `evenkeel plugin list`.
    pub summary: String,
    /// The settings that it takes, in the order in which it names them.
    pub settings: Vec<SettingSpec>,
    /// What a scheduler can do; `None` for a checker.
    pub abilities: Option<Abilities>,
}

/// What a scheduler can do.
#[derive(Debug, Clone, PartialEq)]
pub struct Abilities {
    /// How its decisions can be followed. Not empty; the first is the default.
    pub decisions: Vec<Decision>,
    /// What it wants to be told of.
    pub facts: Facts,
    /// Equal inputs have equal plans, on every director.
    pub deterministic: bool,
    /// A plan follows from what the scheduler was told since it was configured, and it keeps nothing else.
    pub stateless: bool,
    /// The labels of real servers that it reads. A label that is like one of these and is none is a slip; others are
    /// free. Their kinds are those that a short text can say ([`SettingKind::is_for_labels`]).
    pub labels: Vec<SettingSpec>,
    /// The names of the schedulers that its plans may name for a group.
    pub delegates: Vec<String>,
}

/// The most delegates that a scheduler may have.
pub const MAX_DELEGATES: usize = 16;

/// How a scheduler's decisions are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Decision {
    /// The kernel spreads new connections by a plan.
    Plan,
    /// The scheduler decides each new connection.
    PerConnection,
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plan => "plan",
            Self::PerConnection => "per-connection",
        })
    }
}

/// What a scheduler wants to be told of, beyond servers and weights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// Counts of connections.
    pub connections: bool,
    /// How long health checks take.
    pub latency: bool,
    /// What checks report beside their verdicts.
    pub signals: bool,
    /// How many bytes are sent.
    pub traffic: bool,
}

impl Facts {
    /// Whether it wants what checks measure.
    #[must_use]
    pub fn measurements(self) -> bool {
        self.latency || self.signals
    }

    /// Whether it wants anything at all.
    #[must_use]
    pub fn any(self) -> bool {
        self.connections || self.traffic || self.measurements()
    }

    /// What both want together.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            connections: self.connections || other.connections,
            latency: self.latency || other.latency,
            signals: self.signals || other.signals,
            traffic: self.traffic || other.traffic,
        }
    }
}

/// One setting that a plugin takes.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingSpec {
    /// The key in the configuration's `settings` table.
    pub key: String,
    /// What it is for.
    pub doc: String,
    /// The values it takes.
    pub kind: SettingKind,
    /// The value it has when the configuration names none.
    pub default: Option<SettingValue>,
    /// Whether the configuration must name a value.
    pub required: bool,
}

/// The values that a setting takes.
#[derive(Debug, Clone, PartialEq)]
pub enum SettingKind {
    /// `true` or `false`.
    Boolean,
    /// A whole number between the two, both included.
    Integer {
        /// The least value allowed.
        min: i64,
        /// The greatest value allowed.
        max: i64,
    },
    /// A finite number between the two, both included.
    Number {
        /// The least value allowed; may be infinite.
        min: f64,
        /// The greatest value allowed; may be infinite.
        max: f64,
    },
    /// A string.
    Text,
    /// A list of strings.
    TextList,
    /// A time such as `"3s"` or `"250ms"`, kept in whole milliseconds, between the two, both included.
    Duration {
        /// The least value allowed.
        min: Duration,
        /// The greatest value allowed; [`SettingKind::LONGEST`]: any.
        max: Duration,
    },
    /// One of these words.
    Choice(Vec<String>),
    /// A string that matches as a whole.
    Matching(Pattern),
    /// A string that nobody is shown. The configuration says where it is kept: in a file or a credential of systemd's.
    Secret,
    /// The path of a file of text, whose content is the value.
    File,
    /// A list of tables with these keys, none of which is a list of tables itself.
    Tables(Vec<SettingSpec>),
}

impl SettingKind {
    /// Any finite number.
    pub const NUMBER: Self = Self::Number {
        min: f64::NEG_INFINITY,
        max: f64::INFINITY,
    };
    /// Any time.
    pub const DURATION: Self = Self::Duration {
        min: Duration::ZERO,
        max: Self::LONGEST,
    };
    /// The most tables that a setting can have.
    pub const MOST_TABLES: usize = 1024;
    /// The longest time that a setting can say.
    pub const LONGEST: Duration = Duration::from_millis(u64::MAX);

    /// Whether a label of a real server can be of this kind.
    #[must_use]
    pub const fn is_for_labels(&self) -> bool {
        match self {
            Self::Boolean
            | Self::Integer { .. }
            | Self::Number { .. }
            | Self::Text
            | Self::Choice(_)
            | Self::Matching(_) => true,
            Self::TextList
            | Self::Duration { .. }
            | Self::Secret
            | Self::File
            | Self::Tables(_) => false,
        }
    }
}

/// ` from 1 to 2`, as far as there are bounds.
fn bounds(
    f: &mut fmt::Formatter<'_>,
    min: Option<impl fmt::Display>,
    max: Option<impl fmt::Display>,
) -> fmt::Result {
    if let Some(min) = min {
        write!(f, " from {min}")?;
    }
    if let Some(max) = max {
        write!(f, " to {max}")?;
    }
    Ok(())
}

impl fmt::Display for SettingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean => f.write_str("true or false"),
            Self::Integer { min, max } => write!(f, "a whole number from {min} to {max}"),
            Self::Number { min, max } => {
                f.write_str("a number")?;
                bounds(
                    f,
                    min.is_finite().then_some(min),
                    max.is_finite().then_some(max),
                )
            }
            Self::Text => f.write_str("a string"),
            Self::TextList => f.write_str("a list of strings"),
            Self::Duration { min, max } => {
                f.write_str("a duration such as \"3s\"")?;
                let min = (!min.is_zero()).then_some(min).map(|it| format!("{it:?}"));
                let max = (*max != Self::LONGEST)
                    .then_some(max)
                    .map(|it| format!("{it:?}"));
                bounds(f, min, max)
            }
            Self::Choice(words) => {
                f.write_str("one of ")?;
                for (i, word) in words.iter().enumerate() {
                    write!(f, "{}\"{word}\"", if i == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::Matching(pattern) => write!(f, "a string that matches {pattern}"),
            Self::File => f.write_str("the path of a file"),
            Self::Tables(keys) => {
                f.write_str("a list of tables with ")?;
                for (i, spec) in keys.iter().enumerate() {
                    write!(f, "{}{}", if i == 0 { "" } else { ", " }, spec.key)?;
                }
                Ok(())
            }
            Self::Secret => {
                f.write_str("{ file = \"...\" } or { credential = \"...\" }, where it is kept")
            }
        }
    }
}

/// A setting's value, checked against its [`SettingSpec`].
#[derive(Debug, Clone, PartialEq)]
pub enum SettingValue {
    /// See [`SettingKind::Boolean`].
    Boolean(bool),
    /// See [`SettingKind::Integer`].
    Integer(i64),
    /// See [`SettingKind::Number`].
    Number(f64),
    /// See [`SettingKind::Text`].
    Text(String),
    /// See [`SettingKind::TextList`].
    TextList(Vec<String>),
    /// See [`SettingKind::Duration`].
    Duration(Duration),
    /// See [`SettingKind::Secret`].
    Secret(Secret),
    /// See [`SettingKind::Tables`]: of each table what is configured or has a default, in the order of the keys.
    Tables(Vec<Vec<Setting>>),
}

/// As it is written in a configuration, but for secrets, which nobody is shown.
impl fmt::Display for SettingValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::Number(value) => value.fmt(f),
            Self::Text(text) => write!(f, "{text:?}"),
            Self::TextList(texts) => write!(f, "{texts:?}"),
            Self::Duration(value) => write!(f, "\"{value:?}\""),
            Self::Secret(_) => f.write_str("\"***\""),
            Self::Tables(tables) => {
                f.write_str("[")?;
                for (i, table) in tables.iter().enumerate() {
                    f.write_str(if i == 0 { "{ " } else { ", { " })?;
                    for (i, Setting { key, value }) in table.iter().enumerate() {
                        write!(f, "{}{key} = {value}", if i == 0 { "" } else { ", " })?;
                    }
                    f.write_str(" }")?;
                }
                f.write_str("]")
            }
        }
    }
}

/// One setting as a plugin gets it.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The key in the manifest.
    pub key: String,
    /// The configured value, or the default.
    pub value: SettingValue,
}
