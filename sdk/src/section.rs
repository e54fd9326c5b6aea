//! The custom section in which a plugin file carries its manifest, so that a host knows it without running the plugin.
//!
//! All numbers are little-endian; a *text* is its length in bytes (`u16`) and UTF-8; a *list* is its length (`u16`)
//! and its elements.
//!
//! ```text
//! section   = VERSION (u8), length of what follows (u32),
//!             name, version, summary (texts), abilities, list of settings
//! abilities = 0 (a checker) | 1, number of decisions (u8), decisions (u8: 0 plan, 1 per connection),
//!             facts (u8: bits 1 connections, 2 latency, 4 signals, 8 traffic), promises (u8: bits 1 deterministic, 2 stateless),
//!             list of the labels that it reads (each as a setting), list of the schedulers that it may name (texts)
//! setting   = key, documentation (texts), kind, 0 (optional) | 1 (required) | 2, default
//! kind      = 0 boolean | 1 integer, least, greatest (i64) | 2 number, least, greatest (bits of f64, u64) | 3 text
//!             | 4 list of texts | 5 duration, least, greatest (milliseconds, u64) | 6 choice, list of texts
//!             | 7 text that matches, pattern (text) | 8 secret | 9 file | 10 list of tables, list of keys (each as a setting)
//! default   = tag as of the kind (a choice and what matches are texts), and the value: u8 0 or 1 | i64 | bits of an f64 (u64) | text
//!             | list of texts | milliseconds (u64)
//! ```

use std::time::Duration;

use crate::backends::Decision;
use crate::checker::HealthChecker;
use crate::declared::{Declared, DeclaredAbilities, DeclaredKind, DeclaredSetting, DeclaredValue};
use crate::registered::{Registered, abilities};
use crate::scheduler::Scheduler;
use crate::settings::Settings;

/// The section's name. The macro `__manifest_section` repeats it.
pub const NAME: &str = "evenkeel-manifest";
/// The version of this form.
pub const VERSION: u8 = 5;
/// Its fourth version: there are no lists of tables.
pub const FOURTH: u8 = 4;
/// Its third version: abilities have no delegates.
pub const THIRD: u8 = 3;
/// Its second version: abilities have no labels.
pub const SECOND: u8 = 2;
/// Its first version: numbers and times have no bounds either, and abilities no promises.
pub const FIRST: u8 = 1;
/// Bytes of a section, at most.
pub const MAX_LENGTH: usize = 64 << 10;
/// Bytes before what the length counts.
pub const HEADER: usize = 5;

/// How kinds and values are marked.
pub mod tag {
    /// `true` or `false`.
    pub const BOOLEAN: u8 = 0;
    /// A whole number.
    pub const INTEGER: u8 = 1;
    /// Any finite number.
    pub const NUMBER: u8 = 2;
    /// A string.
    pub const TEXT: u8 = 3;
    /// A list of strings.
    pub const TEXT_LIST: u8 = 4;
    /// A time.
    pub const DURATION: u8 = 5;
    /// One of some words.
    pub const CHOICE: u8 = 6;
    /// A string that matches a pattern.
    pub const MATCHING: u8 = 7;
    /// A string that nobody is shown.
    pub const SECRET: u8 = 8;
    /// The content of a file.
    pub const FILE: u8 = 9;
    /// A list of tables.
    pub const TABLES: u8 = 10;
    /// A setting that may be left out and has no default.
    pub const OPTIONAL: u8 = 0;
    /// A setting that must be configured.
    pub const REQUIRED: u8 = 1;
    /// A setting with a default.
    pub const DEFAULT: u8 = 2;
    /// A decision by plan.
    pub const PLAN: u8 = 0;
    /// A decision for each connection.
    pub const PER_CONNECTION: u8 = 1;
    /// Bit of the facts: counts of connections.
    pub const CONNECTIONS: u8 = 1;
    /// Bit of the facts: how long checks take.
    pub const LATENCY: u8 = 2;
    /// Bit of the facts: what checks report beside their verdicts.
    pub const SIGNALS: u8 = 4;
    /// Bit of the facts: how many bytes are sent.
    pub const TRAFFIC: u8 = 8;
    /// Bit of the promises: equal inputs have equal plans.
    pub const DETERMINISTIC: u8 = 1;
    /// Bit of the promises: nothing is kept between plans.
    pub const STATELESS: u8 = 2;
}

/// Whether these bytes are one section of a version up to the one above, as far as its header tells.
#[must_use]
pub fn is_whole(bytes: &[u8]) -> bool {
    let Some((&[version, a, b, c, d], rest)) = bytes.split_first_chunk::<HEADER>() else {
        return false;
    };
    let length = usize::try_from(u32::from_le_bytes([a, b, c, d]));
    (FIRST..=VERSION).contains(&version) && bytes.len() <= MAX_LENGTH && length == Ok(rest.len())
}

impl Declared {
    /// A scheduler's.
    #[must_use]
    pub const fn scheduler<S: Scheduler + Registered>() -> Self {
        Self {
            name: S::NAME,
            version: S::VERSION,
            summary: S::SUMMARY,
            settings: <S::Settings as Settings>::DECLARED,
            abilities: Some(abilities::<S>()),
        }
    }

    /// A checker's.
    #[must_use]
    pub const fn checker<C: HealthChecker + Registered>() -> Self {
        Self {
            name: C::NAME,
            version: C::VERSION,
            summary: C::SUMMARY,
            settings: <C::Settings as Settings>::DECLARED,
            abilities: None,
        }
    }

    /// How many bytes [`Self::encoded`] has. More than [`MAX_LENGTH`] do not compile.
    #[must_use]
    pub const fn encoded_length(&self) -> usize {
        let mut writer = Writer::<0> { bytes: [], at: 0 };
        writer.manifest(self);
        assert!(
            writer.at <= MAX_LENGTH,
            "a plugin's manifest has at most 64 KiB"
        );
        writer.at
    }

    /// The section's bytes; `N` is [`Self::encoded_length`].
    #[must_use]
    pub const fn encoded<const N: usize>(&self) -> [u8; N] {
        let mut writer = Writer {
            bytes: [0; N],
            at: 0,
        };
        writer.manifest(self);
        assert!(writer.at == N, "N is what encoded_length says");
        writer.bytes
    }
}

/// Writes bytes as far as there is room, and counts all of them.
struct Writer<const N: usize> {
    bytes: [u8; N],
    at: usize,
}

impl<const N: usize> Writer<N> {
    const fn byte(&mut self, byte: u8) {
        if self.at < N {
            self.bytes[self.at] = byte;
        }
        self.at += 1;
    }

    const fn put(&mut self, bytes: &[u8]) {
        let mut i = 0;
        while i < bytes.len() {
            self.byte(bytes[i]);
            i += 1;
        }
    }

    const fn length(&mut self, length: usize) {
        assert!(
            length < 1 << 16,
            "a text or list of a manifest has at most 65535 bytes or elements"
        );
        let [low, high, ..] = length.to_le_bytes();
        self.put(&[low, high]);
    }

    /// Writes at `at`, where there was room left for it.
    const fn patch(&mut self, at: usize, bytes: &[u8]) {
        let end = self.at;
        self.at = at;
        self.put(bytes);
        self.at = end;
    }

    const fn text(&mut self, text: &str) {
        self.length(text.len());
        self.put(text.as_bytes());
    }

    const fn texts(&mut self, texts: &[&str]) {
        self.length(texts.len());
        let mut i = 0;
        while i < texts.len() {
            self.text(texts[i]);
            i += 1;
        }
    }

    const fn manifest(&mut self, declared: &Declared) {
        self.byte(VERSION);
        let counted = self.at;
        self.put(&[0; HEADER - 1]);
        self.text(declared.name);
        self.text(declared.version);
        self.text(declared.summary);
        match declared.abilities {
            None => self.byte(0),
            Some(abilities) => self.abilities(&abilities),
        }
        self.settings(declared.settings);
        let [a, b, c, d, ..] = (self.at - HEADER).to_le_bytes();
        self.patch(counted, &[a, b, c, d]);
    }

    const fn abilities(&mut self, abilities: &DeclaredAbilities) {
        let DeclaredAbilities {
            decisions,
            facts,
            deterministic,
            stateless,
            labels,
            delegates,
        } = abilities;
        let [count, ..] = decisions.len().to_le_bytes();
        self.put(&[1, count]);
        let mut i = 0;
        while i < decisions.len() {
            self.byte(match decisions[i] {
                Decision::Plan => tag::PLAN,
                Decision::PerConnection => tag::PER_CONNECTION,
            });
            i += 1;
        }
        let connections = if facts.connections {
            tag::CONNECTIONS
        } else {
            0
        };
        let latency = if facts.latency { tag::LATENCY } else { 0 };
        let signals = if facts.signals { tag::SIGNALS } else { 0 };
        let traffic = if facts.traffic { tag::TRAFFIC } else { 0 };
        self.byte(connections | latency | signals | traffic);
        let deterministic = if *deterministic {
            tag::DETERMINISTIC
        } else {
            0
        };
        let stateless = if *stateless { tag::STATELESS } else { 0 };
        self.byte(deterministic | stateless);
        self.settings(labels);
        self.texts(delegates);
    }

    const fn settings(&mut self, settings: &[DeclaredSetting]) {
        self.length(settings.len());
        let mut i = 0;
        while i < settings.len() {
            self.setting(&settings[i]);
            i += 1;
        }
    }

    const fn setting(&mut self, setting: &DeclaredSetting) {
        self.key(setting.field);
        self.docs(setting.docs);
        match setting.kind {
            DeclaredKind::Boolean => self.byte(tag::BOOLEAN),
            DeclaredKind::Integer(least, greatest) => {
                self.byte(tag::INTEGER);
                self.put(&least.to_le_bytes());
                self.put(&greatest.to_le_bytes());
            }
            DeclaredKind::Number(least, greatest) => {
                self.byte(tag::NUMBER);
                self.put(&least.to_bits().to_le_bytes());
                self.put(&greatest.to_bits().to_le_bytes());
            }
            DeclaredKind::Text => self.byte(tag::TEXT),
            DeclaredKind::TextList => self.byte(tag::TEXT_LIST),
            DeclaredKind::Duration(least, greatest) => {
                self.byte(tag::DURATION);
                self.put(&milliseconds(least).to_le_bytes());
                self.put(&milliseconds(greatest).to_le_bytes());
            }
            DeclaredKind::Choice(words) => {
                self.byte(tag::CHOICE);
                self.texts(words);
            }
            DeclaredKind::Matching(pattern) => {
                self.byte(tag::MATCHING);
                self.text(pattern);
            }
            DeclaredKind::Secret => self.byte(tag::SECRET),
            DeclaredKind::File => self.byte(tag::FILE),
            DeclaredKind::Tables(keys) => {
                self.byte(tag::TABLES);
                self.settings(keys);
            }
        }
        match setting.default {
            None if setting.required => self.byte(tag::REQUIRED),
            None => self.byte(tag::OPTIONAL),
            Some(value) => self.default(value),
        }
    }

    const fn default(&mut self, value: DeclaredValue) {
        self.byte(tag::DEFAULT);
        match value {
            DeclaredValue::Boolean(value) => self.put(&[tag::BOOLEAN, value as u8]),
            DeclaredValue::Integer(value) => {
                self.byte(tag::INTEGER);
                self.put(&value.to_le_bytes());
            }
            DeclaredValue::Number(value) => {
                self.byte(tag::NUMBER);
                self.put(&value.to_bits().to_le_bytes());
            }
            DeclaredValue::Text(text) => {
                self.byte(tag::TEXT);
                self.text(text);
            }
            DeclaredValue::TextList(texts) => {
                self.byte(tag::TEXT_LIST);
                self.texts(texts);
            }
            DeclaredValue::Duration(value) => {
                self.byte(tag::DURATION);
                self.put(&milliseconds(value).to_le_bytes());
            }
        }
    }

    /// As [`key_of`](crate::declared::key_of).
    const fn key(&mut self, field: &str) {
        let mut field = field.as_bytes();
        if let [b'r', b'#', rest @ ..] = field {
            field = rest;
        }
        self.length(field.len());
        let mut i = 0;
        while i < field.len() {
            self.byte(if field[i] == b'_' { b'-' } else { field[i] });
            i += 1;
        }
    }

    /// The lines joined by spaces; empty ones at both ends are left out.
    const fn docs(&mut self, lines: &[&str]) {
        let (mut first, mut end) = (0, lines.len());
        while first < end && lines[first].trim_ascii().is_empty() {
            first += 1;
        }
        while first < end && lines[end - 1].trim_ascii().is_empty() {
            end -= 1;
        }
        let counted = self.at;
        self.put(&[0; 2]);
        let mut i = first;
        while i < end {
            if i > first {
                self.byte(b' ');
            }
            self.put(lines[i].trim_ascii().as_bytes());
            i += 1;
        }
        let length = self.at - counted - 2;
        assert!(length < 1 << 16, "a setting's documentation is too long");
        let [low, high, ..] = length.to_le_bytes();
        self.patch(counted, &[low, high]);
    }
}

/// As the contract carries a time; the greatest that there is for one that is too long.
const fn milliseconds(time: Duration) -> u64 {
    let milliseconds = time.as_millis();
    if milliseconds > u64::MAX as u128 {
        return u64::MAX;
    }
    let [a, b, c, d, e, f, g, h, ..] = milliseconds.to_le_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests;
