//! From the manifest to the bytes.

use std::time::Duration;

use evenkeel_core::manifest::{
    Abilities, Decision, Manifest, SettingKind, SettingSpec, SettingValue,
};
use evenkeel_sdk::section::{HEADER, MAX_LENGTH, VERSION, tag};

/// The bytes of a manifest; `None` if it has more in it than a section can hold.
pub(crate) fn encode(manifest: &Manifest) -> Option<Vec<u8>> {
    let mut content = Content::default();
    content.manifest(manifest)?;
    let length = u32::try_from(content.bytes.len()).ok()?;
    let mut bytes = vec![VERSION];
    bytes.extend(length.to_le_bytes());
    debug_assert_eq!(bytes.len(), HEADER);
    bytes.append(&mut content.bytes);
    (bytes.len() <= MAX_LENGTH).then_some(bytes)
}

/// What follows the header. `None` of its functions: too long for its field.
#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
}

impl Content {
    fn length(&mut self, length: usize) -> Option<()> {
        let length = u16::try_from(length).ok()?;
        self.bytes.extend(length.to_le_bytes());
        Some(())
    }

    fn text(&mut self, text: &str) -> Option<()> {
        self.length(text.len())?;
        self.bytes.extend(text.bytes());
        Some(())
    }

    fn texts(&mut self, texts: &[String]) -> Option<()> {
        self.length(texts.len())?;
        texts.iter().try_for_each(|text| self.text(text))
    }

    fn manifest(&mut self, manifest: &Manifest) -> Option<()> {
        for text in [&manifest.name, &manifest.version, &manifest.summary] {
            self.text(text)?;
        }
        match &manifest.abilities {
            None => self.bytes.push(0),
            Some(abilities) => self.abilities(abilities)?,
        }
        self.settings(&manifest.settings)
    }

    fn settings(&mut self, settings: &[SettingSpec]) -> Option<()> {
        self.length(settings.len())?;
        settings.iter().try_for_each(|it| self.setting(it))
    }

    fn abilities(&mut self, abilities: &Abilities) -> Option<()> {
        let count = u8::try_from(abilities.decisions.len()).ok()?;
        self.bytes.extend([1, count]);
        self.bytes
            .extend(abilities.decisions.iter().map(|decision| match decision {
                Decision::Plan => tag::PLAN,
                Decision::PerConnection => tag::PER_CONNECTION,
            }));
        let facts = abilities.facts;
        let bit = |wanted: bool, bit: u8| if wanted { bit } else { 0 };
        self.bytes.push(
            bit(facts.connections, tag::CONNECTIONS)
                | bit(facts.latency, tag::LATENCY)
                | bit(facts.signals, tag::SIGNALS)
                | bit(facts.traffic, tag::TRAFFIC),
        );
        self.bytes.push(
            bit(abilities.deterministic, tag::DETERMINISTIC)
                | bit(abilities.stateless, tag::STATELESS),
        );
        self.settings(&abilities.labels)?;
        self.texts(&abilities.delegates)
    }

    fn setting(&mut self, setting: &SettingSpec) -> Option<()> {
        self.text(&setting.key)?;
        self.text(&setting.doc)?;
        match &setting.kind {
            SettingKind::Boolean => self.bytes.push(tag::BOOLEAN),
            SettingKind::Integer { min, max } => {
                self.bytes.push(tag::INTEGER);
                self.bytes.extend(min.to_le_bytes());
                self.bytes.extend(max.to_le_bytes());
            }
            SettingKind::Number { min, max } => {
                self.bytes.push(tag::NUMBER);
                self.bytes.extend(min.to_bits().to_le_bytes());
                self.bytes.extend(max.to_bits().to_le_bytes());
            }
            SettingKind::Text => self.bytes.push(tag::TEXT),
            SettingKind::TextList => self.bytes.push(tag::TEXT_LIST),
            SettingKind::Duration { min, max } => {
                self.bytes.push(tag::DURATION);
                self.milliseconds(*min)?;
                self.milliseconds(*max)?;
            }
            SettingKind::Choice(words) => {
                self.bytes.push(tag::CHOICE);
                self.texts(words)?;
            }
            SettingKind::Matching(pattern) => {
                self.bytes.push(tag::MATCHING);
                self.text(pattern.as_str())?;
            }
            SettingKind::Secret => self.bytes.push(tag::SECRET),
            SettingKind::File => self.bytes.push(tag::FILE),
            SettingKind::Tables(keys) => {
                self.bytes.push(tag::TABLES);
                self.settings(keys)?;
            }
        }
        match &setting.default {
            None if setting.required => self.bytes.push(tag::REQUIRED),
            None => self.bytes.push(tag::OPTIONAL),
            Some(value) => {
                self.bytes.push(tag::DEFAULT);
                self.value(value)?;
            }
        }
        Some(())
    }

    fn milliseconds(&mut self, time: Duration) -> Option<()> {
        let milliseconds = u64::try_from(time.as_millis()).ok()?;
        self.bytes.extend(milliseconds.to_le_bytes());
        Some(())
    }

    fn value(&mut self, value: &SettingValue) -> Option<()> {
        match value {
            SettingValue::Boolean(value) => {
                self.bytes.extend([tag::BOOLEAN, u8::from(*value)]);
            }
            SettingValue::Integer(value) => {
                self.bytes.push(tag::INTEGER);
                self.bytes.extend(value.to_le_bytes());
            }
            SettingValue::Number(value) => {
                self.bytes.push(tag::NUMBER);
                self.bytes.extend(value.to_bits().to_le_bytes());
            }
            SettingValue::Text(text) => {
                self.bytes.push(tag::TEXT);
                self.text(text)?;
            }
            SettingValue::TextList(texts) => {
                self.bytes.push(tag::TEXT_LIST);
                self.texts(texts)?;
            }
            SettingValue::Duration(value) => {
                self.bytes.push(tag::DURATION);
                self.milliseconds(*value)?;
            }
            // There is no default of these kinds.
            SettingValue::Secret(_) | SettingValue::Tables(_) => return None,
        }
        Some(())
    }
}
