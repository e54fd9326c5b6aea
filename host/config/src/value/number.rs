//! Booleans and whole numbers.

use crate::reader::{Leaf, Wrong};
use crate::tree::Value;

impl Leaf for bool {
    fn kind() -> String {
        "true or false".to_owned()
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        match value {
            Value::Boolean(boolean) => Ok(*boolean),
            Value::Text(text) => {
                let help = match text.to_lowercase().as_str() {
                    "true" | "yes" | "on" => Some("write it without quotes: true".to_owned()),
                    "false" | "no" | "off" => Some("write it without quotes: false".to_owned()),
                    _ => None,
                };
                Err(Wrong::kind(&<Self as Leaf>::kind(), help))
            }
            _ => Err(Wrong::kind(&<Self as Leaf>::kind(), None)),
        }
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Whole<const MIN: u32, const MAX: u32>(pub(crate) u32);

impl<const MIN: u32, const MAX: u32> Leaf for Whole<MIN, MAX> {
    fn kind() -> String {
        if MAX - MIN == 1 {
            return format!("{MIN} or {MAX}");
        }
        format!("a whole number from {MIN} to {MAX}")
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let kind = <Self as Leaf>::kind();
        match value {
            Value::Integer(n) => match u32::try_from(*n) {
                Ok(n) if (MIN..=MAX).contains(&n) => Ok(Self(n)),
                _ => Err(Wrong {
                    what: format!("not {kind}"),
                    help: None,
                }),
            },
            Value::Huge => Err(Wrong {
                what: format!("not {kind}"),
                help: None,
            }),
            Value::Text(text) if text.parse::<u32>().is_ok() => Err(Wrong::kind(
                &kind,
                Some(format!("write it without quotes: {text}")),
            )),
            _ => Err(Wrong::kind(&kind, None)),
        }
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

/// A whole number from `-MOST` to `MOST`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<const MOST: i16>(pub(crate) i16);

impl<const MOST: i16> Leaf for Signed<MOST> {
    fn kind() -> String {
        format!("a whole number from -{MOST} to {MOST}")
    }

    fn leaf(value: &Value) -> Result<Self, Wrong> {
        let kind = <Self as Leaf>::kind();
        match value {
            Value::Integer(n) => match i16::try_from(*n) {
                Ok(n) if (-MOST..=MOST).contains(&n) => Ok(Self(n)),
                _ => Err(Wrong {
                    what: format!("not {kind}"),
                    help: None,
                }),
            },
            Value::Text(text) if text.parse::<i16>().is_ok() => Err(Wrong::kind(
                &kind,
                Some(format!("write it without quotes: {text}")),
            )),
            _ => Err(Wrong::kind(&kind, None)),
        }
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}
