//! The figures, side by side.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::attempts::Seen;
use super::interval::Interval;
use super::pair::Program;
use super::round::{Event, Measured, PACE};
use crate::bench::stats::{median, range};

/// All rounds of one event at one interval.
#[derive(Debug, Default)]
pub(crate) struct Row {
    /// In seconds.
    gaps: BTreeMap<Program, Vec<f64>>,
    attempts: Option<Seen>,
}

impl Row {
    pub(crate) fn add(&mut self, program: Program, measured: Measured) {
        let gaps = self.gaps.entry(program).or_default();
        gaps.push(measured.gap.as_secs_f64());
        if let Some(seen) = measured.attempts {
            self.attempts = Some(self.attempts.unwrap_or_default().and(seen));
        }
    }

    fn of(&self, program: Program) -> Option<&[f64]> {
        self.gaps.get(&program).map(Vec::as_slice)
    }

    /// Of the medians, Evenkeel's to keepalived's.
    fn ratio(&self) -> Option<f64> {
        let [ours, theirs] = Program::ALL.map(|program| self.of(program).map(median));
        Some(ours? / theirs?)
    }

    /// By how many seconds Evenkeel's median is longer.
    fn longer(&self) -> Option<f64> {
        let [ours, theirs] = Program::ALL.map(|program| self.of(program).map(median));
        Some(ours? - theirs?)
    }
}

/// One round's figures.
pub(crate) fn line(seen: &[(Event, Measured)]) -> String {
    let figures = seen
        .iter()
        .map(|(event, it)| format!("{} {}", event.key(), figure(it.gap.as_secs_f64())));
    figures.collect::<Vec<_>>().join(", ")
}

pub(crate) fn tables(rows: &BTreeMap<(Interval, Event), Row>) {
    println!(
        "\nHow long the address was away: from the last answer to a client's ping to the next one, pings 5 ms apart; medians, and the longest"
    );
    println!(
        "{:<12} | {:<25} | {:>20} | {:>20} | {:>6}",
        "interval", "event", "Evenkeel", "keepalived", "ratio"
    );
    for ((interval, event), row) in rows {
        let [ours, theirs] = Program::ALL.map(|program| row.of(program).map_or("-".into(), both));
        let ratio = row
            .ratio()
            .map_or("-".into(), |ratio| format!("{ratio:.2}"));
        println!(
            "{:<12} | {:<25} | {ours:>20} | {theirs:>20} | {ratio:>6}",
            interval.name(),
            event.name(),
        );
    }
    let mut watched = rows
        .iter()
        .filter_map(|(key, row)| Some((key, row.attempts?)))
        .peekable();
    if watched.peek().is_some() {
        println!("\nConnections through Evenkeel's service during planned handovers");
        println!(
            "{:<12} | {:<25} | {:>8} | {:>5} | {:>9} | {:>8} | {:>20}",
            "interval", "event", "attempts", "lost", "0.5 s +", "longest", "open ones that ended"
        );
    }
    for ((interval, event), seen) in watched {
        println!(
            "{:<12} | {:<25} | {:>8} | {:>5} | {:>9} | {:>8} | {:>20}",
            interval.name(),
            event.name(),
            seen.attempts,
            seen.lost,
            seen.late,
            figure(seen.longest.as_secs_f64()),
            seen.broken,
        );
    }
    aims(rows);
}

fn aims(rows: &BTreeMap<(Interval, Event), Row>) {
    let longer: Vec<f64> = rows.values().filter_map(Row::longer).collect();
    println!();
    if !longer.is_empty() {
        println!(
            "gaps: longer than keepalived's in {} of {} rows, by more than the pace of the pings in {} (aim: in none)",
            longer.iter().filter(|by| **by > 0.0).count(),
            longer.len(),
            longer.iter().filter(|by| **by > PACE.as_secs_f64()).count(),
        );
    }
    let attempts = rows.values().filter_map(|row| row.attempts);
    if let Some(all) = attempts.reduce(Seen::and) {
        println!(
            "planned handovers: {} of {} connection attempts lost, {} took 0.5 s or longer (aim: none)",
            all.lost, all.attempts, all.late
        );
    }
}

fn both(gaps: &[f64]) -> String {
    let (_, longest) = range(gaps);
    format!("{} ({})", figure(median(gaps)), figure(longest))
}

/// `3.31 s`, `96 ms`, `5.2 ms`.
fn figure(seconds: f64) -> String {
    let milliseconds = Duration::from_secs_f64(seconds).as_secs_f64() * 1e3;
    match milliseconds {
        it if it >= 1000.0 => format!("{seconds:.2} s"),
        it if it >= 20.0 => format!("{it:.0} ms"),
        it => format!("{it:.1} ms"),
    }
}

pub(crate) fn json(rows: &BTreeMap<(Interval, Event), Row>) -> Value {
    let rows = rows.iter().map(|((interval, event), row)| {
        let attempts = row.attempts.map(|seen| {
            json!({
                "attempts": seen.attempts,
                "lost": seen.lost,
                "late": seen.late,
                "broken": seen.broken,
                "longest": seen.longest.as_secs_f64(),
            })
        });
        json!({
            "interval": interval.duration().as_secs_f64(),
            "event": event.key(),
            "evenkeel": row.of(Program::Evenkeel),
            "keepalived": row.of(Program::Keepalived),
            "ratio": row.ratio(),
            "attempts": attempts,
        })
    });
    json!({ "unit": "seconds", "rows": rows.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_compares_the_medians() {
        let mut row = Row::default();
        for (program, gaps) in [
            (Program::Evenkeel, [10, 20, 90]),
            (Program::Keepalived, [80, 30, 40]),
        ] {
            for gap in gaps {
                let gap = Duration::from_millis(gap);
                let attempts = None;
                row.add(program, Measured { gap, attempts });
            }
        }
        assert!((row.ratio().unwrap() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn figures_have_a_unit_that_fits() {
        assert_eq!(figure(3.312), "3.31 s");
        assert_eq!(figure(0.0961), "96 ms");
        assert_eq!(figure(0.005_21), "5.2 ms");
    }
}
