//! A share in percent.

use evenkeel_core::model::Share;

use super::reader::{Leaf, Wrong};
use super::tree::Value;
use super::units::digits;
use super::value::text;

const EXAMPLE: &str = "a percentage from \"0%\" to \"100%\", such as \"5%\" or \"0.5%\"";

/// As [`Share`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Percent(pub(super) Share);

impl Leaf for Percent {
    fn kind() -> String {
        EXAMPLE.to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let number = match value {
            Value::Integer(n) => Some(n.to_string()),
            Value::Number(n) => Some(n.to_string()),
            _ => None,
        };
        if let Some(number) = number {
            let help = format!("write \"{number}%\"");
            return Err(Wrong::new("a percentage is written with its sign", help));
        }
        let written = text(value, EXAMPLE)?;
        let hundredths = written.strip_suffix('%').and_then(hundredths);
        match hundredths.and_then(Share::new) {
            Some(share) => Ok(Self(share)),
            None => Err(Wrong::new(
                "not a percentage",
                format!("expected {EXAMPLE}, with two digits after the point at most"),
            )),
        }
    }

    fn show(&self) -> String {
        format!("\"{}\"", self.0)
    }
}

fn hundredths(number: &str) -> Option<u16> {
    let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
    let rest: u16 = match rest.len() {
        1 => digits::<u16>(rest)?.checked_mul(10)?,
        2 => digits(rest)?,
        _ => return None,
    };
    digits::<u16>(whole)?.checked_mul(100)?.checked_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_read_to_the_hundredth() {
        let read = |text: &str| {
            let value = Value::Text(text.to_owned());
            Percent::leaf(&value).ok().map(|it| it.0.to_string())
        };
        for (written, shown) in [
            ("5%", Some("5%")),
            ("0.5%", Some("0.5%")),
            ("12.34%", Some("12.34%")),
            ("0%", Some("0%")),
            ("100%", Some("100%")),
            ("100.01%", None),
            ("700%", None),
            ("5", None),
            ("5 %", None),
            ("-5%", None),
            (".5%", None),
            ("5.%", None),
            ("1.234%", None),
            ("%", None),
        ] {
            assert_eq!(read(written).as_deref(), shown, "{written}");
        }
    }
}
