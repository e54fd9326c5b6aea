//! How long something has been, for a table.

use std::fmt::Write as _;

/// The two greatest units: `3d4h`, `2h5m`, `1m20s`, `7s`.
pub(super) fn duration(seconds: u64) -> String {
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let Some(first) = units.iter().position(|(_, size)| seconds >= *size) else {
        return "0s".to_owned();
    };
    let mut left = seconds;
    let mut text = String::new();
    for (name, size) in units.iter().skip(first).take(2) {
        if left / size > 0 {
            let _ = write!(text, "{}{name}", left / size);
        }
        left %= size;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_show_their_two_greatest_units() {
        let shown: Vec<String> = [0, 7, 60, 80, 7_500, 90_000, 86_400].map(duration).into();
        assert_eq!(shown, ["0s", "7s", "1m", "1m20s", "2h5m", "1d1h", "1d"]);
    }
}
