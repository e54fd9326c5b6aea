//! What a scheduler is told of its servers: connections in a minute, those that failed, and bytes.

use std::time::Duration;

use crate::support::{PATIENCE, Service, count, servers, tcp_backends};
use anyhow::Result;
use evenkeel_tests::{Article, Client, Evenkeel, Paths, isolated};
use serde_json::Value;

#[test]
fn a_scheduler_is_told_what_fails_and_how_much_is_sent() -> Result<()> {
    isolated(|| {
        let net = Article::new(3)?;
        let addresses = servers(&net, 80);
        // Nobody listens on the third, and nobody checks it.
        let _backends = tcp_backends(&net, &addresses[..2])?;
        net.director
            .sysctl("net.netfilter.nf_conntrack_acct", "1")?;
        let service = Service::new("web", net.vip(80)).with("scheduler = \"by-facts\"");
        let named = addresses.iter().zip(["a", "b", "c"]);
        let config = named
            .fold(service, |service, (server, name)| {
                service.server(*server, &format!("name = \"{name}\""))
            })
            .text();
        let mut evenkeel =
            Evenkeel::new(&net.director, &config)?.plugin_dir(Paths::default().test_plugins);
        evenkeel.start()?;
        let client = Client::new(&net.client).timeout(Duration::from_secs(2));
        let mut refused = 0;
        for _ in 0..30 {
            refused += usize::from(client.ask(net.vip(80)).is_err());
        }
        // The kernel forgets a refused connection at once: more than five, and the third gets no more.
        assert!((6..=10).contains(&refused), "{refused}");
        let gauge = |status: &Value, name: &str| {
            let gauges = &status["services"][0]["plugin"]["gauges"];
            gauges[name].as_f64().unwrap_or(0.0)
        };
        evenkeel.wait_status("it hears of failures", 2 * PATIENCE, |status| {
            gauge(status, "c-failed") > 5.0
        })?;
        evenkeel.wait_status("it hears of bytes", 2 * PATIENCE, |status| {
            gauge(status, "a-to-backend") > 200.0 && gauge(status, "a-to-clients") > 200.0
        })?;
        let status = evenkeel.status()?;
        assert_eq!(gauge(&status, "a-failed"), 0.0, "{status}");
        assert!(gauge(&status, "a-per-minute") > 0.0, "{status}");
        assert_eq!(status["services"][0]["slots"], 2, "{status}");
        let answers = client.ask_times(net.vip(80), 20)?;
        assert_eq!(count(&answers), [("0", 10), ("1", 10)].into());
        Ok(())
    })
}
