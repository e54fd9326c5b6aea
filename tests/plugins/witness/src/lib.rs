//! Hands over what it has been told, as text.
use std::fmt::Write as _;
use std::time::Duration;

use evenkeel_sdk::{
    Backends, Context, Plan, SavedState, Scheduler, register_scheduler, settings, utc_offset,
};

settings! {
    /// What a table has.
    struct Row {
        /// What is noted.
        text: String,
        /// How often.
        #[range(1..=9)]
        times: u8 = 1,
        /// Besides.
        more: Option<String>,
        /// Words.
        words: Vec<String> = &["w"],
    }
}

settings! {
    /// What can be configured.
    pub struct Settings {
        /// A server that has to be there.
        favourite: Option<String>,
        /// So many bytes are handed over besides.
        padding: u32 = 0,
        /// A share.
        #[range(0.0..=1.0)]
        share: f64 = 0.5,
        /// A pause.
        #[range(Duration::from_millis(10)..=Duration::from_secs(60))]
        pause: Duration = Duration::from_secs(1),
        /// What is noted of tables.
        rows: Vec<Row>,
    }
}

/// The scheduler.
pub struct Witness {
    settings: Settings,
    seen: String,
}

impl Witness {
    fn note(&mut self, what: impl std::fmt::Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.seen, "{what}");
    }
}

impl Scheduler for Witness {
    type Settings = Settings;
    const DETERMINISTIC: bool = true;

    fn new(settings: Settings) -> Result<Self, String> {
        let seen = String::new();
        let mut witness = Self { settings, seen };
        for row in std::mem::take(&mut witness.settings.rows) {
            let Row {
                text,
                times,
                more,
                words,
            } = row;
            witness.note(format!("{text} {times} {more:?} {words:?}"));
        }
        Ok(witness)
    }

    fn set_context(&mut self, context: &Context) {
        let Context {
            service,
            listener,
            role,
        } = context;
        self.note(format!("{service} {listener:?} {role:?}"));
    }

    fn validate(&self, backends: &Backends) -> Result<(), String> {
        let Some(favourite) = &self.settings.favourite else {
            return Ok(());
        };
        if backends.all().any(|backend| backend.name == *favourite) {
            Ok(())
        } else {
            Err(format!(
                "favourite = \"{favourite}\": no server has that name\u{1b}[2J"
            ))
        }
    }

    fn export_state(&self) -> Option<SavedState> {
        let mut bytes = self.seen.clone().into_bytes();
        bytes.extend(vec![b'.'; self.settings.padding as usize]);
        (!bytes.is_empty()).then_some(SavedState { version: 1, bytes })
    }

    fn import_state(&mut self, state: SavedState) -> Result<(), String> {
        if state.version != 1 {
            return Err(format!("version {} is none of mine", state.version));
        }
        let text = String::from_utf8(state.bytes).map_err(|error| error.to_string())?;
        self.note(format!("before: {text}"));
        Ok(())
    }

    fn plan(&mut self, backends: &Backends) -> Plan {
        for backend in backends.all() {
            self.note(format!(
                "{} {}/{} {:?} {}",
                backend.name,
                backend.weight,
                backend.configured_weight,
                backend.health,
                backend.usable
            ));
        }
        // New York in July of 2026.
        let july = Duration::from_secs(1_782_864_000);
        self.note(format!("{:?}", utc_offset("America/New_York", july)));
        self.note(format!("{:?}", utc_offset("Atlantis", july)));
        assert!(evenkeel_sdk::utc() > Duration::from_secs(1_700_000_000));
        Plan::sequence(backends.taking())
    }
}

register_scheduler!(Witness, "witness", "hands over what it has been told");
