//! Which statuses are good.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A set of statuses, written as `200,401-407`.
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
        let ranges: Option<_> = text.split(',').map(range).collect();
        ranges.map(Self).ok_or_else(|| {
            format!(
                "status cannot be {text:?}: wanted numbers from 200 to 699 and ranges of them, such as \"200,401-407\""
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

/// `200` or `200-299`.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = code(first)?..=code(last)?;
    (!range.is_empty()).then_some(range)
}

/// Of a final answer (RFC 3261, section 7.2).
fn code(text: &str) -> Option<u16> {
    let code = text.trim().parse().ok();
    code.filter(|code| (200..=699).contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ranges_are_understood_and_written_back() {
        let statuses: Statuses = " 200 , 401 - 407,699".parse().unwrap();
        assert_eq!(statuses.to_string(), "200,401-407,699");
        for (status, good) in [
            (200, true),
            (201, false),
            (401, true),
            (407, true),
            (699, true),
        ] {
            assert_eq!(statuses.contains(status), good, "{status}");
        }
    }

    #[test]
    fn what_is_no_final_status_is_refused() {
        for text in [
            "", "2xx", "200-", "-200", "300-200", "100", "700", "200,,300", "200 300",
        ] {
            assert!(text.parse::<Statuses>().is_err(), "{text}");
        }
    }
}
