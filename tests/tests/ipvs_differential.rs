//! The same `keepalived.conf`, run by keepalived and by Evenkeel, comes to the same services and servers in IPVS.

mod support;

use anyhow::{Result, ensure};
use evenkeel_tests::{Article, Keepalived, Node, on_uml, wait_until};
use support::PATIENCE;

/// One row of the table.
struct Case {
    name: &'static str,
    config: &'static str,
    /// What `ipvsadm -Sn` prints then, sorted.
    rules: &'static [&'static str],
}

const CASES: &[Case] = &[Case {
    name: "the article's service",
    config: "
virtual_server 10.10.54.151 80 {
    delay_loop 6
    lb_algo rr
    lb_kind NAT
    protocol TCP
    real_server 172.16.50.157 80 {
        weight 1
    }
    real_server 172.16.50.159 80 {
        weight 1
    }
}
",
    rules: &[
        "-A -t 10.10.54.151:80 -s rr",
        "-a -t 10.10.54.151:80 -r 172.16.50.157:80 -m -w 1",
        "-a -t 10.10.54.151:80 -r 172.16.50.159:80 -m -w 1",
    ],
}];

fn comes_to(node: &Node, case: &Case, log: impl Fn() -> String) -> Result<()> {
    let mut seen = Vec::new();
    let what = format!("{}: what IPVS should hold", case.name);
    wait_until(&what, PATIENCE, || {
        seen = node.ipvs_rules()?;
        Ok(seen == case.rules)
    })
    .map(drop)
    .map_err(|error| {
        error.context(format!(
            "wanted {:#?}\nseen {seen:#?}\n{}",
            case.rules,
            log()
        ))
    })
}

#[test]
fn keepalived_comes_to_what_the_table_says() -> Result<()> {
    on_uml(|| {
        let net = Article::without_virtual_addresses(2)?;
        for case in CASES {
            let mut keepalived = Keepalived::with_ipvs(&net.director, case.config)?;
            keepalived.start()?;
            comes_to(&net.director, case, || keepalived.log())?;
            keepalived.sigterm()?;
            ensure!(
                net.director.ipvs_rules()?.is_empty(),
                "keepalived has left something"
            );
        }
        Ok(())
    })
}
