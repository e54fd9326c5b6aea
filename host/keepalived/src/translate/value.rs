//! How keepalived writes times and the like.

use std::time::Duration;

use crate::document::quote;

/// A time in seconds, with a fraction if there is one. At most 11 days.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return None;
    }
    let seconds: u64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let micros: String = fraction
        .chars()
        .chain(std::iter::repeat('0'))
        .take(6)
        .collect();
    (seconds < 1_000_000).then_some(())?;
    Some(Duration::from_secs(seconds) + Duration::from_micros(micros.parse().ok()?))
}

/// A time as TOML: in whole milliseconds, and not zero if it was not.
pub(super) fn show(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let millis = nanos.div_ceil(1_000_000);
    let whole = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
    quote(&humantime::format_duration(whole).to_string())
}

/// The word that was probably meant.
pub(super) fn similar<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > 64 {
        return None;
    }
    known
        .map(|known| (strsim::jaro_winkler(word, known), known))
        .filter(|(score, _)| *score >= 0.85)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_have_a_fraction() {
        assert_eq!(seconds("3"), Some(Duration::from_secs(3)));
        assert_eq!(seconds("0.1"), Some(Duration::from_millis(100)));
        assert_eq!(seconds("2.71828"), Some(Duration::from_micros(2_718_280)));
        assert_eq!(seconds(".5"), Some(Duration::from_millis(500)));
        for wrong in ["", ".", "x", "1s", "-1", "1.2.3", "99999999999999999999"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_time_that_is_not_zero_stays_so() {
        assert_eq!(show(Duration::from_micros(1)), "\"1ms\"");
        assert_eq!(show(Duration::from_millis(1500)), "\"1s 500ms\"");
        assert_eq!(show(Duration::ZERO), "\"0s\"");
    }
}
