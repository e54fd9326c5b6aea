//! From the bytes to the manifest.

use std::time::Duration;

use evenkeel_core::manifest::{
    Abilities, Decision, Facts, Manifest, PluginKind, SettingKind, SettingSpec, SettingValue,
};
use evenkeel_core::pattern::Pattern;
use evenkeel_sdk::section::{FIRST, FOURTH, MAX_LENGTH, SECOND, THIRD, VERSION, is_whole, tag};

use crate::manifest::checked;

/// The manifest in a section of a plugin of that kind. `None` if it has a form that this host does not know: the
/// plugin has to be asked then.
///
/// # Errors
/// What is wrong with it, as the end of a sentence about the file.
pub(crate) fn decode(bytes: &[u8], kind: PluginKind) -> Result<Option<Manifest>, String> {
    if bytes.len() > MAX_LENGTH {
        return Err(format!(
            "has a manifest of {} bytes; {MAX_LENGTH} are allowed",
            bytes.len()
        ));
    }
    if bytes.first().is_some_and(|version| *version > VERSION) {
        return Ok(None);
    }
    let damaged = || "has a damaged manifest: build and pack the plugin again".to_owned();
    if !is_whole(bytes) {
        return Err(damaged());
    }
    let mut cursor = Cursor {
        left: bytes,
        version: bytes.first().copied().unwrap_or_default(),
    };
    let manifest = cursor.manifest().ok_or_else(damaged)?;
    if !cursor.left.is_empty() {
        return Err(damaged());
    }
    match (kind, &manifest.abilities) {
        (PluginKind::Scheduler, Some(_)) | (PluginKind::Checker, None) => {}
        _ => return Err(format!("is a {kind}, and its manifest is of another kind")),
    }
    checked(manifest)
        .map(Some)
        .map_err(|problem| format!("has a wrong manifest: {problem}"))
}

/// What is left to be read. `None` of its functions: there is too little left, or it is of no known form.
struct Cursor<'a> {
    left: &'a [u8],
    /// Of the form: in the first numbers and times have no bounds, and abilities no promises; in the second those have
    /// no labels, in the third no delegates; up to the fourth there are no lists of tables.
    version: u8,
}

impl Cursor<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, left) = self.left.split_first_chunk()?;
        self.left = left;
        Some(*array)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn integer(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn unsigned(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn number(&mut self) -> Option<f64> {
        self.unsigned().map(f64::from_bits)
    }

    fn time(&mut self) -> Option<Duration> {
        self.unsigned().map(Duration::from_millis)
    }

    fn length(&mut self) -> Option<usize> {
        self.array().map(u16::from_le_bytes).map(usize::from)
    }

    fn text(&mut self) -> Option<String> {
        let length = self.length()?;
        let (text, left) = self.left.split_at_checked(length)?;
        self.left = left;
        std::str::from_utf8(text).ok().map(str::to_owned)
    }

    /// As many elements as the length says. Room is made for those that are there, not for those that are promised.
    fn list<T>(&mut self, element: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let length = self.length()?;
        (0..length).map(|_| element(self)).collect()
    }

    fn manifest(&mut self) -> Option<Manifest> {
        let _header: [u8; evenkeel_sdk::section::HEADER] = self.array()?;
        Some(Manifest {
            name: self.text()?,
            version: self.text()?,
            summary: self.text()?,
            abilities: self.abilities()?,
            settings: self.list(Self::setting)?,
        })
    }

    fn abilities(&mut self) -> Option<Option<Abilities>> {
        match self.byte()? {
            0 => return Some(None),
            1 => {}
            _ => return None,
        }
        let count = self.byte()?;
        let decisions = (0..count).map(|_| match self.byte()? {
            tag::PLAN => Some(Decision::Plan),
            tag::PER_CONNECTION => Some(Decision::PerConnection),
            _ => None,
        });
        let decisions = decisions.collect::<Option<_>>()?;
        let facts = self.byte()?;
        if facts & !(tag::CONNECTIONS | tag::LATENCY | tag::SIGNALS | tag::TRAFFIC) != 0 {
            return None;
        }
        let promises = if self.version == FIRST {
            0
        } else {
            self.byte()?
        };
        if promises & !(tag::DETERMINISTIC | tag::STATELESS) != 0 {
            return None;
        }
        Some(Some(Abilities {
            decisions,
            facts: Facts {
                connections: facts & tag::CONNECTIONS != 0,
                latency: facts & tag::LATENCY != 0,
                signals: facts & tag::SIGNALS != 0,
                traffic: facts & tag::TRAFFIC != 0,
            },
            deterministic: promises & tag::DETERMINISTIC != 0,
            stateless: promises & tag::STATELESS != 0,
            labels: if self.version > SECOND {
                self.list(Self::setting)?
            } else {
                Vec::new()
            },
            delegates: if self.version > THIRD {
                self.list(Self::text)?
            } else {
                Vec::new()
            },
        }))
    }

    /// A setting, or a label.
    fn setting(&mut self) -> Option<SettingSpec> {
        self.spec(true)
    }

    /// `tables`: it may be a list of them. Their keys may not, however deep a file nests them.
    fn spec(&mut self, tables: bool) -> Option<SettingSpec> {
        let key = self.text()?;
        let doc = self.text()?;
        let kind = match self.byte()? {
            tag::BOOLEAN => SettingKind::Boolean,
            tag::INTEGER => SettingKind::Integer {
                min: self.integer()?,
                max: self.integer()?,
            },
            tag::NUMBER if self.version == FIRST => SettingKind::NUMBER,
            tag::NUMBER => SettingKind::Number {
                min: self.number()?,
                max: self.number()?,
            },
            tag::TEXT => SettingKind::Text,
            tag::TEXT_LIST => SettingKind::TextList,
            tag::DURATION if self.version == FIRST => SettingKind::DURATION,
            tag::DURATION => SettingKind::Duration {
                min: self.time()?,
                max: self.time()?,
            },
            tag::CHOICE => SettingKind::Choice(self.list(Self::text)?),
            tag::MATCHING => SettingKind::Matching(Pattern::new(&self.text()?).ok()?),
            tag::SECRET => SettingKind::Secret,
            tag::FILE => SettingKind::File,
            tag::TABLES if tables && self.version > FOURTH => {
                SettingKind::Tables(self.list(|it| it.spec(false))?)
            }
            _ => return None,
        };
        let (required, default) = match self.byte()? {
            tag::OPTIONAL => (false, None),
            tag::REQUIRED => (true, None),
            tag::DEFAULT => (false, Some(self.value()?)),
            _ => return None,
        };
        Some(SettingSpec {
            key,
            doc,
            kind,
            default,
            required,
        })
    }

    fn value(&mut self) -> Option<SettingValue> {
        Some(match self.byte()? {
            tag::BOOLEAN => SettingValue::Boolean(match self.byte()? {
                0 => false,
                1 => true,
                _ => return None,
            }),
            tag::INTEGER => SettingValue::Integer(self.integer()?),
            tag::NUMBER => SettingValue::Number(self.number()?),
            tag::TEXT => SettingValue::Text(self.text()?),
            tag::TEXT_LIST => SettingValue::TextList(self.list(Self::text)?),
            tag::DURATION => SettingValue::Duration(self.time()?),
            _ => return None,
        })
    }
}
