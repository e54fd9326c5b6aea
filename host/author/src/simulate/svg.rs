//! Outcomes as a chart: connections of each server and how even they are, over time; one column for each plugin.
//!
//! No script, no font and no link: a picture that can be put into any page, readable on light and on dark ones.

use std::fmt::Write as _;

use super::outcome::{Outcome, Sample};

/// Of one column, in pixels.
const WIDTH: u32 = 440;
const LEFT: u32 = 46;
const PLOT: u32 = 300;
const TOP: u32 = 44;
const LOADS: u32 = 150;
const GAP: u32 = 34;
const EVEN: u32 = 70;
const BELOW: u32 = 46;
/// So many characters fit below.
const FIT: usize = 66;
/// So many servers are drawn.
const LINES: usize = 8;
/// The worst imbalance that is drawn.
const MOST: f64 = 3.0;

/// Colours that also those can tell apart who do not see all (Okabe and Ito).
const STYLE: &str = "text{font:11px sans-serif;fill:#24292f}.h{font-weight:bold;font-size:13px}.e{text-anchor:end}\
.b{fill:#fff}.g{stroke:#d0d7de;fill:none}.x{stroke:#57606a;stroke-dasharray:2 2}.l{fill:none;stroke-width:1.5}\
.i{stroke:#57606a}.c0{stroke:#0072b2}.c1{stroke:#d55e00}.c2{stroke:#009e73}.c3{stroke:#cc79a7}\
.c4{stroke:#e69f00}.c5{stroke:#56b4e9}.c6{stroke:#8c6d31}.c7{stroke:#7f7f7f}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.b{fill:#0d1117}.g{stroke:#30363d}.x,.i{stroke:#9198a1}\
.c0{stroke:#4aa8e0}}";

/// A chart of one outcome, or of several of the same workload, as SVG.
#[must_use]
pub fn chart(outcomes: &[Outcome]) -> String {
    let columns = u32::try_from(outcomes.len()).unwrap_or(1).max(1);
    let (width, height) = (WIDTH * columns, TOP + LOADS + GAP + EVEN + BELOW);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\" role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n\
         <rect class=\"b\" width=\"{width}\" height=\"{height}\"/>\n",
        escaped(&title(outcomes))
    );
    // The same scale for all: otherwise two could not be compared.
    let most = outcomes.iter().map(most_active).max().unwrap_or(1).max(1);
    for (column, outcome) in (0..).zip(outcomes) {
        // Writing to a String does not fail.
        let _ = writeln!(svg, "<g transform=\"translate({} 0)\">", column * WIDTH);
        draw(&mut svg, outcome, most);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn title(outcomes: &[Outcome]) -> String {
    let names = outcomes
        .iter()
        .map(|it| format!("{} {}", it.plugin, it.version));
    format!("simulation of {}", names.collect::<Vec<_>>().join(" and "))
}

fn most_active(outcome: &Outcome) -> u32 {
    outcome
        .servers
        .iter()
        .map(|server| server.active_peak)
        .max()
        .unwrap_or(0)
}

fn draw(svg: &mut String, outcome: &Outcome, most: u32) {
    let head = format!(
        "{} {} ({})",
        outcome.plugin, outcome.version, outcome.decision
    );
    text(svg, "h", LEFT, 18, &head);
    text(svg, "", LEFT, 36, "open connections of each server");
    frame(svg, TOP, LOADS);
    text(svg, "e", LEFT - 4, TOP + 9, &most.to_string());
    text(svg, "e", LEFT - 4, TOP + LOADS, "0");
    marks(svg, outcome, TOP, LOADS);
    for n in 0..outcome.servers.len().min(LINES) {
        let height = |sample: &Sample| {
            let active = sample.active.get(n)?;
            Some(f64::from(*active) / f64::from(most))
        };
        line(svg, &format!("c{n}"), TOP, LOADS, outcome, height);
    }
    legend(svg, outcome);
    let top = TOP + LOADS + GAP;
    text(
        svg,
        "",
        LEFT,
        top - 8,
        "greatest load for the mean (1 is even)",
    );
    frame(svg, top, EVEN);
    text(svg, "e", LEFT - 4, top + 9, &format!("{MOST}"));
    text(svg, "e", LEFT - 4, top + EVEN, "1");
    marks(svg, outcome, top, EVEN);
    line(svg, "i", top, EVEN, outcome, |sample| {
        let imbalance = sample.imbalance?;
        Some(((imbalance.max_over_mean - 1.0) / (MOST - 1.0)).min(1.0))
    });
    let bottom = top + EVEN + 16;
    text(svg, "", LEFT, bottom, "0 s");
    text(
        svg,
        "e",
        LEFT + PLOT,
        bottom,
        &format!("{} s", outcome.seconds),
    );
    let changes = outcome.changes.iter();
    let changes = changes.map(|it| format!("{:.0} s: {}", it.at_seconds, it.what));
    let changes = changes.collect::<Vec<_>>().join(", ");
    text(svg, "", LEFT, bottom + 16, &cut(&changes, FIT));
}

fn text(svg: &mut String, class: &str, x: u32, y: u32, words: &str) {
    let class = if class.is_empty() {
        String::new()
    } else {
        format!(" class=\"{class}\"")
    };
    // Writing to a String does not fail.
    let _ = writeln!(
        svg,
        "<text{class} x=\"{x}\" y=\"{y}\">{}</text>",
        escaped(words)
    );
}

fn frame(svg: &mut String, top: u32, height: u32) {
    // Writing to a String does not fail.
    let _ = writeln!(
        svg,
        "<rect class=\"g\" x=\"{LEFT}\" y=\"{top}\" width=\"{PLOT}\" height=\"{height}\"/>"
    );
}

/// Where servers change, with what happens as a hint of the picture's own.
fn marks(svg: &mut String, outcome: &Outcome, top: u32, height: u32) {
    for change in &outcome.changes {
        let x = f64::from(LEFT) + f64::from(PLOT) * change.at_seconds / outcome.seconds;
        // Writing to a String does not fail.
        let _ = writeln!(
            svg,
            "<path class=\"x\" d=\"M{x:.0} {top}v{height}\"><title>{}</title></path>",
            escaped(&change.what)
        );
    }
}

/// A line over time, of heights from 0 to 1; with gaps where there is none.
fn line(
    svg: &mut String,
    class: &str,
    top: u32,
    height: u32,
    outcome: &Outcome,
    of: impl Fn(&Sample) -> Option<f64>,
) {
    let mut path = String::new();
    let mut last = None;
    for (n, sample) in (0_u32..).zip(&outcome.samples) {
        let seconds = f64::from(n) * outcome.sample_seconds;
        let x = (f64::from(LEFT) + f64::from(PLOT) * seconds / outcome.seconds).round();
        let point = of(sample).map(|part| {
            let y = f64::from(top) + f64::from(height) * (1.0 - part.clamp(0.0, 1.0));
            (x, y.round())
        });
        // Writing to a String does not fail. Steps from point to point are short.
        let _ = match (last, point) {
            (_, None) => Ok(()),
            (None, Some((x, y))) => write!(path, "M{x} {y}l"),
            (Some((from, above)), Some((x, y))) => write!(path, "{} {} ", x - from, y - above),
        };
        last = point;
    }
    let _ = writeln!(
        svg,
        "<path class=\"l {class}\" d=\"{}\"/>",
        path.replace(" -", "-").trim_end()
    );
}

fn legend(svg: &mut String, outcome: &Outcome) {
    let x = LEFT + PLOT + 8;
    text(svg, "", x, 36, "share (due)");
    for (n, server) in (0_u32..).zip(outcome.servers.iter().take(LINES)) {
        let y = TOP + 10 + 18 * n;
        // Writing to a String does not fail.
        let _ = writeln!(svg, "<path class=\"l c{n}\" d=\"M{x} {}h12\"/>", y - 4);
        let name = cut(&server.name, 5);
        let words = format!(
            "{name} {:.0} % ({:.0})",
            server.share_percent, server.by_weight_percent
        );
        text(svg, "", x + 16, y, &words);
    }
    if let Some(more) = outcome
        .servers
        .len()
        .checked_sub(LINES)
        .filter(|more| *more > 0)
    {
        text(svg, "", x, TOP + LOADS, &format!("and {more} more"));
    }
}

/// At most so many characters, and a sign for those that are left out.
fn cut(text: &str, most: usize) -> String {
    let mut cut: String = text.chars().take(most).collect();
    if cut.len() < text.len() {
        cut.push('\u{2026}');
    }
    cut
}

/// Text that cannot end its element or begin another one. Control characters, which XML has none of, are left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars().filter(|it| !it.is_control()) {
        match character {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
