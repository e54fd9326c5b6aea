//! Which statuses are good.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A set of statuses, written as `200,301-302`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Statuses(Vec<RangeInclusive<u16>>);

impl Statuses {
    pub(crate) fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

impl FromStr for Statuses {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',')
            .map(range)
            .collect::<Option<_>>()
            .map(Self)
            .ok_or_else(|| {
                format!(
                    "status cannot be {text:?}: wanted numbers from 100 to 999 and ranges of them, \
                 such as \"200,301-302\""
                )
            })
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
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = code(first)?..=code(last)?;
    (!range.is_empty()).then_some(range)
}

/// Three digits (RFC 9110, section 15).
fn code(text: &str) -> Option<u16> {
    text.trim()
        .parse()
        .ok()
        .filter(|code| (100..=999).contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ranges_are_understood_and_written_back() {
        let statuses: Statuses = " 200 , 301 - 302,404".parse().unwrap();
        assert_eq!(statuses.to_string(), "200,301-302,404");
        for (status, good) in [
            (200, true),
            (201, false),
            (301, true),
            (302, true),
            (404, true),
        ] {
            assert_eq!(statuses.contains(status), good, "{status}");
        }
    }

    #[test]
    fn what_is_no_status_is_refused() {
        for text in [
            "", "2xx", "200-", "-200", "399-200", "99", "1000", "200,,201", "200 201",
        ] {
            assert!(text.parse::<Statuses>().is_err(), "{text}");
        }
    }
}
