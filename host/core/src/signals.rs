//! Signals: numbers that a check reports about a real server beside its verdict (a queue's length, processor load, the
//! lag of a replica), for schedulers that ask for them.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The most signals of one server.
pub const MAX_SIGNALS: usize = 16;
/// Bytes of a signal's name, at most.
pub const MAX_SIGNAL_NAME: usize = 32;

/// The signals of one server, by name. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Signals(Option<Arc<[(String, f64)]>>);

impl Signals {
    /// None at all.
    pub const NONE: Self = Self(None);

    /// Of names and values, as [`put`] takes them; what it refuses is left out.
    pub fn new(all: impl IntoIterator<Item = (String, f64)>) -> Self {
        let mut signals = BTreeMap::new();
        for (name, value) in all {
            // Whoever wants to know why one is refused puts them in itself.
            let _ = put(&mut signals, name, value);
        }
        signals.into()
    }

    /// Those of several checks of a server, of which the last of a name counts.
    pub fn merged<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut all = all.into_iter().filter(|it| !it.is_empty());
        let Some(first) = all.next() else {
            return Self::NONE;
        };
        match all.next() {
            None => first.clone(),
            Some(second) => Self::new(
                [first, second]
                    .into_iter()
                    .chain(all)
                    .flat_map(Self::iter)
                    .map(|(name, value)| (name.to_owned(), value)),
            ),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// All of them, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        let all = self.0.as_deref().unwrap_or_default();
        all.iter().map(|(name, value)| (name.as_str(), *value))
    }
}

impl From<BTreeMap<String, f64>> for Signals {
    /// What [`put`] has taken.
    fn from(signals: BTreeMap<String, f64>) -> Self {
        Self((!signals.is_empty()).then(|| signals.into_iter().collect()))
    }
}

/// Puts a signal to others, of which the last of a name counts.
///
/// # Errors
/// Says why it is not taken: [`why_not`], or there are [`MAX_SIGNALS`] already.
pub fn put(all: &mut BTreeMap<String, f64>, name: String, value: f64) -> Result<(), String> {
    if let Some(why) = why_not(&name, value) {
        return Err(why);
    }
    if all.len() >= MAX_SIGNALS && !all.contains_key(&name) {
        return Err(format!("there are {MAX_SIGNALS} already"));
    }
    all.insert(name, value);
    Ok(())
}

/// What is wrong with a signal: nothing if its name is of letters, digits, `-`, `_` and `.`, begins with a letter, and
/// its value is a number.
#[must_use]
pub fn why_not(name: &str, value: f64) -> Option<String> {
    let fits = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
    if name.is_empty() || name.len() > MAX_SIGNAL_NAME {
        return Some(format!(
            "its name has {} bytes, not 1 to {MAX_SIGNAL_NAME}",
            name.len()
        ));
    }
    if !name.starts_with(|it: char| it.is_ascii_alphabetic()) || !name.chars().all(fits) {
        return Some(
            "its name is not of letters, digits, \"-\", \"_\" and \".\", a letter first".to_owned(),
        );
    }
    (!value.is_finite()).then(|| format!("its value is {value}, not a number that can be compared"))
}

impl PartialEq for Signals {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) if Arc::ptr_eq(a, b) => true,
            _ => self.iter().map(bits).eq(other.iter().map(bits)),
        }
    }
}

fn bits((name, value): (&str, f64)) -> (&str, u64) {
    (name, value.to_bits())
}

// Its values are numbers.
impl Eq for Signals {}

#[cfg(test)]
mod tests {
    use super::*;

    fn signals(all: &[(&str, f64)]) -> Signals {
        Signals::new(all.iter().map(|(name, value)| ((*name).to_owned(), *value)))
    }

    #[test]
    fn the_last_of_a_name_counts_and_names_are_sorted() {
        let found = signals(&[("queue", 3.0), ("cpu", 0.5), ("queue", 4.0)]);
        assert_eq!(Vec::from_iter(found.iter()), [("cpu", 0.5), ("queue", 4.0)]);
        assert_eq!(found, signals(&[("cpu", 0.5), ("queue", 4.0)]));
        assert_ne!(found, signals(&[("cpu", 0.5), ("queue", 3.0)]));
    }

    #[test]
    fn what_is_no_signal_is_left_out_and_the_reason_known() {
        let long = "x".repeat(33);
        for (name, value, why) in [
            ("", 1.0, "0 bytes"),
            (long.as_str(), 1.0, "33 bytes"),
            ("1st", 1.0, "a letter first"),
            ("a b", 1.0, "not of letters"),
            ("a\u{1b}[2J", 1.0, "not of letters"),
            ("cpu", f64::NAN, "NaN"),
            ("cpu", f64::INFINITY, "inf"),
        ] {
            assert!(signals(&[(name, value)]).is_empty(), "{name:?}");
            let said = why_not(name, value).unwrap();
            assert!(said.contains(why), "{name:?}: {said}");
        }
        assert_eq!(why_not("queue_length.5m", -1.5), None);
    }

    #[test]
    fn there_are_so_many_at_most() {
        let many = (0..100).map(|n| (format!("s{n}"), f64::from(n)));
        assert_eq!(Signals::new(many).iter().count(), MAX_SIGNALS);
    }

    #[test]
    fn several_checks_of_a_server_add_up_and_the_last_counts() {
        let (a, b) = (
            signals(&[("cpu", 1.0), ("lag", 2.0)]),
            signals(&[("cpu", 3.0)]),
        );
        assert_eq!(Signals::merged([&a, &Signals::NONE]), a);
        assert_eq!(
            Signals::merged([&a, &b]),
            signals(&[("cpu", 3.0), ("lag", 2.0)])
        );
        assert_eq!(Signals::merged([]), Signals::NONE);
    }
}
