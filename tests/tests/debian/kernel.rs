//! On Debian's kernel, which has nftables and IPVS: which of them is taken, and that each does the work.
//! `cargo xtask test --all` runs these in one start of that kernel.

use crate::support::{Service, assert_repeats, servers, tcp_backends};
use anyhow::{Result, ensure};
use evenkeel_tests::{Article, Client, Evenkeel, on_debian_kernel};

/// A service that serves, with this line before it; what has been taken for it, and why.
fn serves(line: &str) -> Result<(Article, String, String)> {
    let net = Article::new(2)?;
    let _backends = tcp_backends(&net, &servers(&net, 80))?;
    let web = Service::new("web", net.vip(80)).servers(servers(&net, 80));
    let mut evenkeel = Evenkeel::new(&net.director, &format!("{line}\n{}", web.text()))?;
    evenkeel.start()?;
    let status = evenkeel.status()?;
    let word = |key: &str| status[key].as_str().unwrap_or_default().to_owned();
    let answers = Client::new(&net.client).ask_times(net.vip(80), 10)?;
    assert_repeats(&answers, &["0", "1"]);
    Ok((net, word("dataplane"), word("dataplane_why")))
}

#[test]
#[ignore = "needs Debian's kernel: cargo xtask test --all"]
fn nftables_is_taken_where_both_work_and_ipvs_stays_empty() -> Result<()> {
    on_debian_kernel(|| {
        let (net, taken, why) = serves("")?;
        assert_eq!(taken, "nftables");
        ensure!(why.contains("it works on this machine"), "{why}");
        ensure!(
            net.director
                .run("nft", &["list", "tables"])?
                .contains("evenkeel")
        );
        ensure!(net.director.ipvs_rules()?.is_empty());
        Ok(())
    })
}

#[test]
#[ignore = "needs Debian's kernel: cargo xtask test --all"]
fn ipvs_is_taken_where_the_configuration_names_it_and_nftables_stays_empty() -> Result<()> {
    on_debian_kernel(|| {
        let (net, taken, why) = serves("dataplane = \"ipvs\"")?;
        assert_eq!(taken, "ipvs");
        ensure!(why.contains("the configuration names it"), "{why}");
        ensure!(
            !net.director
                .run("nft", &["list", "tables"])?
                .contains("evenkeel")
        );
        assert_eq!(net.director.ipvs_rules()?.len(), 3);
        Ok(())
    })
}

#[test]
#[ignore = "needs Debian's kernel: cargo xtask test --all"]
fn ipvs_is_taken_for_what_only_ipvs_does() -> Result<()> {
    on_debian_kernel(|| {
        let net = Article::new(2)?;
        let web = Service::new("web", net.vip(80)).with("forward = \"tun\"");
        let config = web.servers(servers(&net, 80)).text();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        let status = evenkeel.status()?;
        assert_eq!(status["dataplane"], "ipvs");
        let why = status["dataplane_why"].as_str().unwrap_or_default();
        ensure!(why.contains("forward = \"tun\""), "{why}");
        Ok(())
    })
}
