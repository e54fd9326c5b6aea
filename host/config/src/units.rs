//! Durations and sizes, which are written with a unit.

use std::str::FromStr;
use std::time::Duration;

use super::reader::{Leaf, Wrong};
use super::tree::Value;
use super::value::text;

const EXAMPLE: &str = "a duration such as \"6s\", \"250ms\" or \"1m 30s\"";

/// Seconds.
const DAY: u64 = 24 * 60 * 60;

/// A duration from `MIN` to `MAX` milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Period<const MIN: u64, const MAX: u64>(pub(super) Duration);

impl<const MIN: u64, const MAX: u64> Leaf for Period<MIN, MAX> {
    fn kind() -> String {
        let (min, max) = (Duration::from_millis(MIN), Duration::from_millis(MAX));
        format!("{EXAMPLE}, from {} to {}", in_words(min), in_words(max))
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let duration = duration(value)?;
        let (min, max) = (Duration::from_millis(MIN), Duration::from_millis(MAX));
        if duration < min || duration > max {
            let what = format!("not from {} to {}", in_words(min), in_words(max));
            return Err(Wrong { what, help: None });
        }
        Ok(Self(duration))
    }

    fn show(&self) -> String {
        format!("\"{}\"", in_words(self.0))
    }
}

/// The same in whole seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seconds<const MIN: u64, const MAX: u64>(pub(super) Duration);

impl<const MIN: u64, const MAX: u64> Leaf for Seconds<MIN, MAX> {
    fn kind() -> String {
        <Period<MIN, MAX> as Leaf>::kind()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let Period(duration) = Period::<MIN, MAX>::leaf(value)?;
        if duration.subsec_nanos() > 0 {
            let whole = duration.as_secs() + 1;
            let help = format!("write \"{whole}s\"");
            return Err(Wrong::new("not whole seconds", help));
        }
        Ok(Self(duration))
    }

    fn show(&self) -> String {
        Period::<MIN, MAX>(self.0).show()
    }
}

/// As it would be written: `1m 30s`.
pub(super) fn in_words(duration: Duration) -> String {
    // A month is no certain time.
    let days = duration.as_secs() / DAY;
    if days >= 30 && duration == Duration::from_secs(days * DAY) {
        return format!("{days}days");
    }
    humantime::format_duration(duration).to_string()
}

/// A number in decimal digits alone: no sign, no spaces.
pub(super) fn digits<T: FromStr>(written: &str) -> Option<T> {
    let right = written.bytes().all(|b| b.is_ascii_digit());
    written.parse().ok().filter(|_| right)
}

/// Any duration.
pub(super) fn duration(value: &Value) -> Result<Duration, Wrong> {
    let written = match value {
        Value::Integer(n @ 0..) => {
            let what = "a duration needs a unit";
            return Err(Wrong::new(
                what,
                format!("write \"{n}s\" for seconds, \"{n}ms\" for milliseconds"),
            ));
        }
        Value::Number(n) if *n >= 0.0 && *n < 1e6 => {
            let help = in_milliseconds(*n).map(|text| format!("write \"{text}\" for seconds"));
            return Err(Wrong {
                what: "a duration needs a unit".to_owned(),
                help,
            });
        }
        Value::Integer(_) => return Err(Wrong::kind(EXAMPLE, None)),
        other => text(other, EXAMPLE)?,
    };
    if let Ok(n) = written.trim().parse::<u32>() {
        let help = format!("write \"{n}s\" for seconds, \"{n}ms\" for milliseconds");
        return Err(Wrong::new("a duration needs a unit", help));
    }
    if written.contains('.')
        && let Some(seconds) = written.trim().strip_suffix('s')
        && let Ok(seconds) = seconds.trim().parse()
        && let Some(text) = in_milliseconds(seconds)
    {
        return Err(Wrong::new(
            "durations have no fractions",
            format!("write \"{text}\""),
        ));
    }
    humantime::parse_duration(written).map_err(|error| {
        let what = match error {
            humantime::DurationError::UnknownUnit { unit, .. } if !unit.is_empty() => {
                format!("there is no unit \"{}\"", unit.escape_debug())
            }
            humantime::DurationError::NumberOverflow => "the number is too large".to_owned(),
            _ => "not a duration".to_owned(),
        };
        Wrong::new(what, format!("expected {EXAMPLE}; units: ms, s, m, h, d"))
    })
}

/// Seconds with a fraction as a duration is written.
fn in_milliseconds(seconds: f64) -> Option<String> {
    let duration = Duration::try_from_secs_f64(seconds).ok()?;
    let whole = Duration::from_millis(u64::try_from(duration.as_millis()).ok()?);
    (!whole.is_zero()).then(|| in_words(whole))
}

const UNITS: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
];

/// A number of bytes from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size<const MIN: u64, const MAX: u64>(pub(super) u64);

impl<const MIN: u64, const MAX: u64> Leaf for Size<MIN, MAX> {
    fn kind() -> String {
        let (min, max) = (bytes_in_words(MIN), bytes_in_words(MAX));
        format!("a size such as \"64MiB\", or a number of bytes, from {min} to {max}")
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let bytes = match value {
            Value::Integer(n) => u64::try_from(*n).ok(),
            Value::Huge => None,
            other => Some(size(text(other, &<Self as Leaf>::kind())?)?),
        };
        match bytes {
            Some(bytes) if (MIN..=MAX).contains(&bytes) => Ok(Self(bytes)),
            _ => {
                let what = format!(
                    "not from {} to {}",
                    bytes_in_words(MIN),
                    bytes_in_words(MAX)
                );
                Err(Wrong { what, help: None })
            }
        }
    }

    fn show(&self) -> String {
        format!("\"{}\"", bytes_in_words(self.0))
    }
}

fn size(written: &str) -> Result<u64, Wrong> {
    let digits = written
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(written.len());
    let (number, unit) = written.split_at(digits);
    let unit = unit.trim();
    let factor = if unit.is_empty() {
        Some(1)
    } else {
        UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, factor)| *factor)
    };
    let Some(factor) = factor.filter(|_| !number.is_empty()) else {
        let help =
            "write a whole number with B, KiB, MiB or GiB (1 KiB = 1024 bytes), such as \"64MiB\"";
        return Err(Wrong::new("not a size", help));
    };
    let number = number
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(factor));
    number.ok_or_else(|| Wrong {
        what: "the number is too large".to_owned(),
        help: None,
    })
}

fn bytes_in_words(bytes: u64) -> String {
    let unit = UNITS
        .iter()
        .find(|(_, factor)| bytes >= *factor && bytes.is_multiple_of(*factor));
    let (name, factor) = unit.unwrap_or(&("B", 1));
    format!("{}{name}", bytes / factor)
}
