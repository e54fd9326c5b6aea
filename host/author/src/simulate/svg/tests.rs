use super::super::outcome::{Change, Imbalance, ServerOutcome};
use super::*;

fn outcome(name: &str, servers: usize) -> Outcome {
    let server = |n: usize| ServerOutcome {
        name: format!("{name}{n}"),
        weight: 1,
        connections: 10,
        share_percent: 25.0,
        by_weight_percent: 25.0,
        active_mean: 5.0,
        active_peak: 10,
        failed: 0,
        lost: 0,
    };
    let sample = |n: u32| Sample {
        active: vec![n % 10; servers],
        imbalance: (n != 3).then_some(Imbalance {
            max_over_mean: 9.0,
            variation: 0.1,
        }),
    };
    Outcome {
        plugin: "p".into(),
        version: "1".into(),
        decision: "plan".into(),
        seconds: 10.0,
        seed: 1,
        connections: 40,
        refused: 0,
        failed: 0,
        lost: 0,
        servers: (0..servers).map(server).collect(),
        imbalance: None,
        waiting: None,
        response: None,
        returning: 0,
        returned_to_same: 0,
        runs: 1,
        kernel_changes: 1,
        picks: 0,
        problem: None,
        changes: vec![Change {
            at_seconds: 5.0,
            what: "a & b".into(),
            moved: None,
        }],
        sample_seconds: 1.0,
        samples: (0..10).map(sample).collect(),
    }
}

#[test]
fn what_a_workload_calls_its_servers_stays_text() {
    let svg = chart(&[outcome("<i>\u{1b}&\"", 1)]);
    assert!(svg.contains("&lt;i&gt;&amp;"), "{svg}");
    assert!(svg.contains("<title>a &amp; b</title>"));
    assert!(!svg.contains("<i>") && !svg.contains('\u{1b}') && !svg.contains("script"));
}

#[test]
fn a_line_has_gaps_where_nothing_is_known_and_stays_in_its_frame() {
    let svg = chart(&[outcome("s", 1)]);
    let path = svg
        .lines()
        .find(|line| line.contains("class=\"l i\""))
        .unwrap();
    assert_eq!(path.matches('M').count(), 2, "{path}");
    let top = TOP + LOADS + GAP;
    assert!(path.contains(&format!("M{LEFT} {top}l")), "{path}");
}

#[test]
fn many_servers_are_named_as_a_number() {
    let svg = chart(&[outcome("s", 20)]);
    assert!(svg.contains("and 12 more"), "{svg}");
    assert_eq!(svg.matches("<path class=\"l c").count(), 2 * LINES);
}

#[test]
fn two_plugins_are_beside_each_other_on_one_scale() {
    let svg = chart(&[outcome("s", 1), outcome("s", 1)]);
    assert!(
        svg.contains(&format!("viewBox=\"0 0 {} ", 2 * WIDTH)),
        "{svg}"
    );
    assert!(svg.contains(&format!("translate({WIDTH} 0)")));
}
