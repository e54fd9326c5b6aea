//! The same `keepalived.conf`, run by keepalived and by Evenkeel, comes to the same services and servers in IPVS.

mod table;

use std::time::Duration;

use anyhow::{Result, ensure};
use evenkeel_tests::{
    Article, Backend, Evenkeel, Keepalived, Node, on_uml, on_uml_with, wait_until,
};
use table::{CASES, Case};

/// keepalived's first check comes within the interval of checks, which is a second, and gives up after one more.
const PATIENCE: Duration = Duration::from_secs(20);

/// Three real servers of which the second does not listen.
fn network() -> Result<(Article, Vec<Backend>)> {
    let net = Article::without_virtual_addresses(3)?;
    let listening =
        [0, 2].map(|number| Backend::tcp(&net.servers[number], net.server(number, 80), "listens"));
    Ok((net, listening.into_iter().collect::<Result<_>>()?))
}

/// Waits until IPVS holds this and nothing else.
fn comes_to(node: &Node, case: &Case, rules: &[String], log: impl Fn() -> String) -> Result<()> {
    let mut seen = Vec::new();
    let what = format!("{}: what IPVS should hold", case.name);
    let waited = wait_until(&what, PATIENCE, || {
        seen = node.ipvs_rules()?;
        Ok(seen == rules)
    });
    waited.map_err(|error| {
        let found = format!("wanted {rules:#?}\nseen {seen:#?}");
        error.context(format!("{found}\n{}\n{}", case.config(), log()))
    })?;
    let thresholds = node.ipvs_thresholds()?;
    ensure!(
        thresholds == case.thresholds,
        "{}: thresholds {thresholds:?}, not {:?}",
        case.name,
        case.thresholds
    );
    Ok(())
}

#[test]
fn keepalived_comes_to_what_the_table_says() -> Result<()> {
    on_uml_with(&[Keepalived::PROGRAM], || {
        let (net, _backends) = network()?;
        for case in CASES {
            let mut keepalived = Keepalived::with_ipvs(&net.director, &case.config())?;
            keepalived.start()?;
            let rules: Vec<String> = case.rules.iter().map(|&rule| rule.to_owned()).collect();
            comes_to(&net.director, case, &rules, || keepalived.log())?;
            keepalived.sigterm()?;
            let left = net.director.ipvs_rules()?;
            ensure!(left.is_empty(), "keepalived has left {left:?}");
        }
        Ok(())
    })
}

#[test]
fn evenkeel_comes_to_the_same_as_keepalived() -> Result<()> {
    on_uml(|| {
        let (net, _backends) = network()?;
        for case in CASES {
            let config = case.config();
            let mut evenkeel =
                Evenkeel::with_file(&net.director, "keepalived.conf", config.as_bytes())?;
            evenkeel.start()?;
            comes_to(&net.director, case, &case.followed(), || evenkeel.log())?;
            evenkeel.kill9()?;
            // What the last one left is not the next one's: its services are others, or the same ones to be changed.
        }
        Ok(())
    })
}
