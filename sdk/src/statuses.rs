//! Sets of status codes, as settings say them.

use std::fmt;
use std::ops::RangeInclusive;

/// A set of status codes, such as those of HTTP (RFC 9110, section 15) or SIP (RFC 3261, section 7.2), written as
/// `200,301-302`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses(Vec<RangeInclusive<u16>>);

impl Statuses {
    /// Reads numbers and ranges of them, all of which are `possible`.
    ///
    /// # Errors
    /// It is none of these; the text is for whoever has written it as the setting `status`.
    pub fn parse(text: &str, possible: &RangeInclusive<u16>) -> Result<Self, String> {
        let ranges: Option<_> = text.split(',').map(|it| range(it, possible)).collect();
        ranges.map(Self).ok_or_else(|| {
            let (least, greatest) = (possible.start(), possible.end());
            format!(
                "status cannot be {text:?}: wanted numbers from {least} to {greatest} and ranges of them, such as \
                 \"200,301-302\""
            )
        })
    }

    /// Whether it is one of them.
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, range) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            if range.start() == range.end() {
                write!(f, "{comma}{}", range.start())?;
            } else {
                write!(f, "{comma}{}-{}", range.start(), range.end())?;
            }
        }
        Ok(())
    }
}

/// `200` or `200-399`.
fn range(text: &str, possible: &RangeInclusive<u16>) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let code = |text: &str| {
        let code = text.trim().parse().ok();
        code.filter(|code| possible.contains(code))
    };
    let range = code(first)?..=code(last)?;
    (!range.is_empty()).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ranges_are_understood_and_written_back() {
        let statuses = Statuses::parse(" 200 , 301 - 302,404", &(100..=999)).unwrap();
        assert_eq!(statuses.to_string(), "200,301-302,404");
        for (status, good) in [
            (200, true),
            (201, false),
            (300, false),
            (301, true),
            (302, true),
            (404, true),
        ] {
            assert_eq!(statuses.contains(status), good, "{status}");
        }
    }

    #[test]
    fn what_is_no_status_or_not_possible_is_refused_with_what_is() {
        for text in [
            "", "2xx", "200-", "-200", "399-200", "99", "1000", "200,,201", "200 201",
        ] {
            assert!(Statuses::parse(text, &(100..=999)).is_err(), "{text}");
        }
        let error = Statuses::parse("100", &(200..=699)).unwrap_err();
        assert!(error.contains("numbers from 200 to 699"), "{error}");
    }
}
