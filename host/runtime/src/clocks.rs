//! The clocks that plugins may read, and chance.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::played;

/// Nanoseconds since the first time that anybody asked.
pub(crate) fn monotonic() -> u64 {
    static ZERO: OnceLock<Instant> = OnceLock::new();
    if let Some(played) = played::monotonic() {
        return played;
    }
    u64::try_from(ZERO.get_or_init(Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Milliseconds since 1970-01-01 00:00 UTC; 0 before.
pub(crate) fn utc() -> u64 {
    if let Some(played) = played::utc() {
        return played;
    }
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX))
}

/// A random number.
pub(crate) fn random() -> u64 {
    played::random().unwrap_or_else(|| fastrand::u64(..))
}

/// What a zone of the IANA database adds to UTC at that moment (milliseconds as [`utc`]), in seconds. `None`: there is
/// no such zone, or nobody knows what will be then.
pub(crate) fn utc_offset(zone: &str, at: u64) -> Option<i32> {
    let zone = TimeZone::get(zone).ok()?;
    let at = Timestamp::from_millisecond(i64::try_from(at).ok()?).ok()?;
    Some(zone.to_offset(at).seconds())
}

#[cfg(test)]
mod tests {
    use super::utc_offset;

    #[test]
    fn the_offset_of_a_zone_is_that_of_the_moment() {
        let (january, july) = (1_767_225_600_000, 1_782_864_000_000);
        assert_eq!(utc_offset("Europe/Berlin", january), Some(3600));
        assert_eq!(utc_offset("Europe/Berlin", july), Some(7200));
        assert_eq!(utc_offset("America/New_York", july), Some(-4 * 3600));
        assert_eq!(utc_offset("UTC", july), Some(0));
        for zone in ["", "Europe/Atlantis", "../etc/passwd", "\u{1b}[2J"] {
            assert_eq!(utc_offset(zone, july), None, "{zone}");
        }
        assert_eq!(utc_offset("UTC", u64::MAX), None);
    }
}
