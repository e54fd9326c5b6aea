//! What each connection and each byte costs on its way.

use anyhow::Result;
use serde_json::json;

use super::rounds::{self, Measure, Rounds};
use super::stage::{Stage, Way};

/// Connections under way at once.
const AT_ONCE: usize = 256;

pub(crate) fn run(options: &rounds::Options, as_json: bool) -> Result<()> {
    let stage = Stage::set(&Way::ALL)?;
    let rounds = Rounds::measure(&stage, &Way::ALL, Measure::TCP, options, AT_ONCE)?;
    if let Some(evenkeel) = stage.evenkeel(Way::Evenkeel) {
        println!("\nEvenkeel's own view:\n{}", evenkeel.status_table()?);
    }
    rounds.table();
    let throughput = rounds.ratio(Measure::Stream, Way::Evenkeel, Way::Routing);
    let connections = rounds.ratio(Measure::Connections, Way::Evenkeel, Way::HaProxy);
    println!(
        "\nthroughput, offloads on: Evenkeel / plain routing = {throughput:.2} (aim: 0.9 or more)"
    );
    println!("new connections/s: Evenkeel / HAProxy = {connections:.2} (aim: 1.6 or more)");
    if as_json {
        let report = json!({
            "ways": rounds.report(),
            "throughput_x_routing": throughput,
            "connections_x_haproxy": connections,
        });
        println!("{report}");
    }
    Ok(())
}
