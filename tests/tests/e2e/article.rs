//! The article that this project began from, end to end: its two `keepalived.conf`, as they were pasted from a web
//! page, run by Evenkeel.

use std::fs;
use std::time::Duration;

use crate::support::vrrp::{connect, cut_off};
use crate::support::{PATIENCE, assert_repeats, servers, tcp_backends};
use anyhow::{Result, ensure};
use evenkeel_tests::{
    Article, Backend, Client, Evenkeel, Node, Paths, Watch, isolated, wait_holder, wait_until,
};

const MASTER: usize = 0;
const BACKUP: usize = 1;

/// The article's network, and both directors with their files.
struct Setup {
    net: Article,
    nodes: Vec<Node>,
    directors: Vec<Evenkeel>,
    _backends: Vec<Backend>,
}

fn setup() -> Result<Setup> {
    let net = Article::pair(2)?;
    let nodes = net.directors();
    let mut directors = Vec::new();
    for (node, file) in nodes
        .iter()
        .zip(["keepalived-master.conf", "keepalived-backup.conf"])
    {
        let path = Paths::workspace().join("tests/fixtures/article").join(file);
        let content = fs::read(path)?;
        let quirk = "\u{a0}".as_bytes();
        ensure!(
            content.windows(quirk.len()).any(|bytes| bytes == quirk),
            "{file} has lost its no-break spaces"
        );
        directors.push(Evenkeel::with_file(node, "keepalived.conf", &content)?);
    }
    Ok(Setup {
        _backends: tcp_backends(&net, &servers(&net, 80))?,
        net,
        nodes,
        directors,
    })
}

#[test]
fn both_files_of_the_article_make_a_pair_that_balances_takes_over_and_returns() -> Result<()> {
    isolated(|| {
        let mut set = setup()?;
        for director in &mut set.directors {
            director.start()?;
        }
        let wait = |set: &Setup, which: usize| {
            let waited = wait_holder(&set.nodes, &Article::VIRTUAL, which, PATIENCE);
            waited.map_err(|error| error.context(set.directors[MASTER].log()))
        };
        let client = Client::new(&set.net.client);
        let spread = |set: &Setup| -> Result<()> {
            let answers = client.ask_times(set.net.vip(80), 20)?;
            assert_repeats(&answers, &["0", "1"]);
            Ok(())
        };
        wait(&set, MASTER)?;
        for (address, label) in Article::VIRTUAL.into_iter().zip(["eth0:1", "eth1:1"]) {
            let shown = set.nodes[MASTER].address(address)?.unwrap();
            assert_eq!(shown["label"], label);
            assert_eq!(shown["prefixlen"], 24);
        }
        spread(&set)?;
        let status = set.directors[MASTER].status()?;
        let instance = &status["vrrp"]["instances"][0];
        assert_eq!(instance["name"], "VI_1");
        assert_eq!(instance["router_id"], 51);
        assert_eq!(instance["version"], 2);
        assert_eq!(instance["priority"], 100);
        assert_eq!(
            set.directors[BACKUP].status()?["vrrp"]["instances"][0]["priority"],
            80
        );

        let watch = Watch::start(&set.nodes, &Article::VIRTUAL)?;
        set.directors[MASTER].kill9()?;
        cut_off(&set.nodes[MASTER])?;
        wait_until("the backup takes over", PATIENCE, || {
            let all = set.nodes[BACKUP].addresses()?;
            Ok(Article::VIRTUAL.iter().all(|it| all.contains(it)))
        })?;
        spread(&set)?;
        connect(&set.nodes[MASTER])?;
        set.directors[MASTER].start()?;
        wait(&set, MASTER)?;
        spread(&set)?;
        let seen = watch.stop()?;
        assert!(
            seen.divided() < Duration::from_millis(500),
            "{:?}",
            seen.divided()
        );
        set.directors[MASTER].sigterm()?;
        wait(&set, BACKUP)?;
        spread(&set)
    })
}

#[test]
fn the_articles_files_pass_the_check_and_their_no_break_spaces_are_told() -> Result<()> {
    isolated(|| {
        let set = setup()?;
        for director in &set.directors {
            let output = director.check()?;
            let told = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{told}");
            assert!(told.contains("break"), "{told}");
            assert!(told.contains("notification_email"), "{told}");
        }
        Ok(())
    })
}
