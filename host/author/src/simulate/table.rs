//! Outcomes as text, side by side.

use std::fmt::Write as _;

use super::outcome::{Outcome, Times};

/// A table of one outcome, or of several of the same workload.
#[must_use]
pub fn table(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    let Some(first) = outcomes.first() else {
        return text;
    };
    // Writing to a String does not fail.
    let _ = writeln!(
        text,
        "{} s, {} connections, seed {}\n",
        first.seconds, first.connections, first.seed
    );
    text.push_str(&rows(&facts(outcomes)));
    text.push('\n');
    text.push_str(&rows(&servers(outcomes)));
    if first.changes.is_empty() {
        return text + &problems(outcomes);
    }
    text.push('\n');
    text.push_str(&rows(&changes(outcomes)));
    text + &problems(outcomes)
}

type Row = Vec<String>;

fn row(head: impl Into<String>, outcomes: &[Outcome], cell: impl Fn(&Outcome) -> String) -> Row {
    std::iter::once(head.into())
        .chain(outcomes.iter().map(cell))
        .collect()
}

fn facts(outcomes: &[Outcome]) -> Vec<Row> {
    let times = |times: &Option<Times>| {
        times.map_or_else(
            || "-".to_owned(),
            |it| format!("{} / {} / {}", ms(it.p50_ms), ms(it.p99_ms), ms(it.max_ms)),
        )
    };
    let imbalance = |get: fn(&super::outcome::Imbalance) -> f64| {
        row("", outcomes, move |it| {
            it.imbalance.map_or_else(
                || "-".to_owned(),
                |it| format!("{:.2} / {:.2}", get(&it.mean), get(&it.max)),
            )
        })
    };
    let headed = |mut row: Row, head: &str| {
        row.splice(..1, [head.to_owned()]);
        row
    };
    vec![
        row("", outcomes, |it| format!("{} {}", it.plugin, it.version)),
        row("decision", outcomes, |it| it.decision.clone()),
        headed(
            imbalance(|it| it.max_over_mean),
            "load: greatest for mean, average / worst",
        ),
        headed(
            imbalance(|it| it.variation),
            "load: variation, average / worst",
        ),
        row("waiting, ms: p50 / p99 / max", outcomes, |it| {
            times(&it.waiting)
        }),
        row("response, ms: p50 / p99 / max", outcomes, |it| {
            times(&it.response)
        }),
        row("refused / reset / lost", outcomes, |it| {
            format!("{} / {} / {}", it.refused, it.failed, it.lost)
        }),
        row("clients that came again to their server", outcomes, |it| {
            share(it.returned_to_same, it.returning)
        }),
        row("runs for plans / changes of the kernel", outcomes, |it| {
            format!("{} / {}", it.runs, it.kernel_changes)
        }),
        row("connections decided one by one", outcomes, |it| {
            it.picks.to_string()
        }),
    ]
}

fn servers(outcomes: &[Outcome]) -> Vec<Row> {
    let mut head: Row = ["SERVER", "WEIGHT", "DUE"].map(str::to_owned).into();
    for outcome in outcomes {
        head.push(outcome.plugin.clone());
        head.push("open / most".to_owned());
    }
    let mut all = vec![head];
    let Some(first) = outcomes.first() else {
        return all;
    };
    for (n, server) in first.servers.iter().enumerate() {
        let mut row = vec![
            server.name.clone(),
            server.weight.to_string(),
            format!("{:.1} %", server.by_weight_percent),
        ];
        for of in outcomes.iter().filter_map(|it| it.servers.get(n)) {
            row.push(format!("{:.1} %", of.share_percent));
            row.push(format!("{:.0} / {}", of.active_mean, of.active_peak));
        }
        all.push(row);
    }
    all
}

fn changes(outcomes: &[Outcome]) -> Vec<Row> {
    let mut all = vec![row("CLIENTS MOVED BY (had to / others)", outcomes, |it| {
        it.plugin.clone()
    })];
    let Some(first) = outcomes.first() else {
        return all;
    };
    for (n, change) in first.changes.iter().enumerate() {
        all.push(row(
            format!("{:.1} s: {}", change.at_seconds, change.what),
            outcomes,
            |it| {
                let moved = it.changes.get(n).and_then(|change| change.moved);
                moved.map_or_else(
                    || "no hash".to_owned(),
                    |it| {
                        format!(
                            "{:.1} % / {:.1} %",
                            it.with_reason_percent, it.others_percent
                        )
                    },
                )
            },
        ));
    }
    all
}

fn problems(outcomes: &[Outcome]) -> String {
    let problems = outcomes
        .iter()
        .filter_map(|it| it.problem.as_ref().map(|problem| (it, problem)));
    problems
        .map(|(it, problem)| format!("\n{} FAILED {problem}\n", it.plugin))
        .collect()
}

fn ms(time: f64) -> String {
    if time < 10.0 {
        format!("{time:.1}")
    } else {
        format!("{time:.0}")
    }
}

fn share(part: u64, all: u64) -> String {
    let tenths = (part * 1000).checked_div(all);
    tenths.map_or_else(|| "-".to_owned(), |it| format!("{}.{} %", it / 10, it % 10))
}

/// Rows in columns; the first one to the left, the others to the right.
fn rows(rows: &[Row]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (n, (cell, width)) in row.iter().zip(&widths).enumerate() {
            // Writing to a String does not fail.
            let _ = match n {
                0 => write!(line, "{cell:<width$}"),
                _ => write!(line, "   {cell:>width$}"),
            };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
