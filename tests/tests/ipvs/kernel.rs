//! What is in the kernel is what counts: IPVS's entries are adopted, repaired, removed when they are ours, and left
//! alone when they are not.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::support::{
    PATIENCE, QUICK, Service, assert_repeats, count, hold, holding_backends, servers, tcp_backends,
};
use anyhow::{Context as _, Result, ensure};
use evenkeel_tests::{
    Article, Backend, Client, Download, DownloadServer, Evenkeel, Node, on_uml, wait_until,
};

const LENGTH: usize = 5_000_000;
const TIME: Duration = Duration::from_secs(20);

const RULES: [&str; 3] = [
    "-A -t 10.10.54.151:80 -s rr",
    "-a -t 10.10.54.151:80 -r 172.16.50.157:80 -m -w 1",
    "-a -t 10.10.54.151:80 -r 172.16.50.159:80 -m -w 1",
];

/// A service that somebody else has made.
const THEIRS: [&str; 2] = [
    "-A -t 10.10.54.151:99 -s wlc",
    "-a -t 10.10.54.151:99 -r 172.16.50.157:99 -m -w 7",
];

fn holds(node: &Node, rules: &[&str], evenkeel: &Evenkeel) -> Result<()> {
    let what = format!("{}'s IPVS holds {rules:#?}", node.name());
    wait_until(&what, PATIENCE, || Ok(node.ipvs_rules()? == rules))
        .map(drop)
        .with_context(|| format!("{:#?}\n{}", node.ipvs_rules(), evenkeel.log()))
}

fn web(net: &Article) -> Service {
    Service::new("web", net.vip(80))
}

/// Words of a command.
fn ipvsadm(node: &Node, command: &str) -> Result<()> {
    let words: Vec<&str> = command.split(' ').collect();
    node.ipvsadm(&words).map(drop)
}

#[test]
fn entries_deleted_or_changed_behind_our_back_are_repaired() -> Result<()> {
    on_uml(|| {
        let net = Article::new(2)?;
        let _backends = tcp_backends(&net, &servers(&net, 80))?;
        let config = web(&net).servers(servers(&net, 80)).text();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        holds(&net.director, &RULES, &evenkeel)?;
        for vandalism in [
            "-D -t 10.10.54.151:80",
            "-d -t 10.10.54.151:80 -r 172.16.50.159:80",
            "-e -t 10.10.54.151:80 -r 172.16.50.157:80 -m -w 9",
            "-e -t 10.10.54.151:80 -r 172.16.50.157:80 -g -w 1",
            "-a -t 10.10.54.151:80 -r 172.16.50.170:80 -m -w 1",
            "-E -t 10.10.54.151:80 -s wlc",
            "-C",
        ] {
            ipvsadm(&net.director, vandalism)?;
            holds(&net.director, &RULES, &evenkeel).with_context(|| vandalism.to_owned())?;
        }
        let answers = Client::new(&net.client).ask_times(net.vip(80), 10)?;
        assert_repeats(&answers, &["0", "1"]);
        Ok(())
    })
}

#[test]
fn times_are_set_repaired_and_left_when_they_are_no_longer_configured() -> Result<()> {
    on_uml(|| {
        let net = Article::new(2)?;
        let web = web(&net).servers(servers(&net, 80)).text();
        let mut evenkeel = Evenkeel::new(
            &net.director,
            &format!("{web}[ipvs_timeouts]\ntcp = \"2h\"\nudp = \"30s\"\n"),
        )?;
        evenkeel.start()?;
        let holds = |times: &str, evenkeel: &Evenkeel| {
            let now = || net.director.ipvsadm(&["-L", "--timeout"]);
            wait_until(times, PATIENCE, || Ok(now()?.trim_end().ends_with(times)))
                .with_context(|| format!("{:?}\n{}", now(), evenkeel.log()))
        };
        holds("7200 120 30", &evenkeel)?;
        // Another program sets all of them. What is not configured is its business.
        ipvsadm(&net.director, "--set 60 61 62")?;
        holds("7200 61 30", &evenkeel)?;
        evenkeel.kill9()?;
        ipvsadm(&net.director, "--set 60 0 0")?;
        evenkeel.start()?;
        holds("7200 61 30", &evenkeel)?;
        evenkeel.reload(&format!("{web}[ipvs_timeouts]\ntcp_fin = \"1m\"\n"))?;
        holds("7200 60 30", &evenkeel)?;
        evenkeel.reload(&web)?;
        ipvsadm(&net.director, "--set 900 0 0")?;
        // Longer than it takes to look at IPVS again.
        std::thread::sleep(Duration::from_secs(6));
        holds("900 60 30", &evenkeel)?;
        Ok(())
    })
}

#[test]
fn what_others_have_in_ipvs_is_left_alone_and_flush_removes_ours_only() -> Result<()> {
    on_uml(|| {
        let net = Article::new(2)?;
        for rule in THEIRS {
            ipvsadm(&net.director, rule)?;
        }
        ipvsadm(
            &net.director,
            "--start-daemon backup --mcast-interface eth1 --syncid 7",
        )?;
        let sync = net.director.ipvs_sync()?;
        ensure!(!sync.is_empty());
        let mut both: Vec<&str> = RULES.iter().chain(&THEIRS).copied().collect();
        both.sort_unstable();
        let config = web(&net)
            .with(&format!("check = {{ plugin = \"tcp\", {QUICK} }}"))
            .servers(servers(&net, 80))
            .text();
        let backends = tcp_backends(&net, &servers(&net, 80))?;
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        holds(&net.director, &both, &evenkeel)?;
        // A change, another configuration, and a start that finds both.
        drop(backends);
        holds(&net.director, &[RULES[0], THEIRS[0], THEIRS[1]], &evenkeel)?;
        let _backends = tcp_backends(&net, &servers(&net, 80))?;
        holds(&net.director, &both, &evenkeel)?;
        evenkeel.kill9()?;
        evenkeel.start()?;
        holds(&net.director, &both, &evenkeel)?;
        evenkeel.sigterm()?;
        holds(&net.director, &both, &evenkeel)?;
        let output = evenkeel.flush()?;
        ensure!(output.status.success(), "{output:?}");
        holds(&net.director, &THEIRS, &evenkeel)?;
        ensure!(net.director.ipvs_sync()? == sync, "{sync:?}");
        for program in ["iptables-legacy-save", "ip6tables-legacy-save"] {
            let left = net.director.run(program, &[])?;
            let rules = left.lines().find(|line| line.starts_with("-A"));
            ensure!(rules.is_none(), "{left}");
        }
        Ok(())
    })
}

#[test]
fn a_daemon_that_was_killed_adopts_what_it_finds_and_no_connection_is_lost() -> Result<()> {
    on_uml(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _servers = addresses
            .iter()
            .zip(&net.servers)
            .map(|(address, node)| DownloadServer::new(node, *address, node.name(), LENGTH, TIME))
            .collect::<Result<Vec<_>>>()?;
        let mut evenkeel = Evenkeel::new(&net.director, &web(&net).servers(addresses).text())?;
        evenkeel.start()?;
        holds(&net.director, &RULES, &evenkeel)?;
        let client = Client::new(&net.client);
        let downloads = [0; 2].map(|_| Download::start(&client, net.vip(80), LENGTH));
        // The kernel adds its counters up every two seconds. A service that was made anew would begin to count anew.
        let two_connections = |net: &Article| -> Result<()> {
            wait_until("IPVS counts two connections", PATIENCE, || {
                let table = net.director.ipvsadm(&["-L", "-n", "--stats", "--exact"])?;
                let line = table.lines().find(|line| line.contains("10.10.54.151:80"));
                let words = line.context("the service")?.split_whitespace();
                Ok(words.into_iter().nth(2) == Some("2"))
            })
            .map(drop)
        };
        two_connections(&net)?;
        evenkeel.kill9()?;
        holds(&net.director, &RULES, &evenkeel)?;
        evenkeel.start()?;
        holds(&net.director, &RULES, &evenkeel)?;
        two_connections(&net)?;
        evenkeel.wait_status("one connection each", PATIENCE, |status| {
            status["services"][0]["servers"]
                .as_array()
                .is_some_and(|servers| servers.iter().all(|it| it["connections"] == 1))
        })?;
        for download in downloads {
            download?.finish()?;
        }
        Ok(())
    })
}

#[test]
fn a_data_plane_that_this_kernel_lacks_is_an_error_that_changes_nothing() -> Result<()> {
    on_uml(|| {
        let net = Article::new(2)?;
        let config = web(&net).servers(servers(&net, 80)).text();
        let impossible = format!("dataplane = \"nftables\"\n{config}");
        let mut evenkeel = Evenkeel::new(&net.director, &impossible)?;
        evenkeel.start_without_waiting()?;
        let status = evenkeel.wait(Duration::from_secs(60))?;
        ensure!(!status.success());
        let log = evenkeel.log();
        ensure!(
            log.contains("dataplane") && log.contains("nftables"),
            "{log}"
        );
        ensure!(net.director.ipvs_rules()?.is_empty());

        evenkeel.configure(&config)?;
        evenkeel.start()?;
        holds(&net.director, &RULES, &evenkeel)?;
        evenkeel.reload(&impossible.replace("rr", "wrr"))?;
        evenkeel.wait_log("restart evenkeel", PATIENCE)?;
        holds(&net.director, &RULES, &evenkeel)
    })
}

#[test]
fn an_inhibited_server_keeps_its_connections_when_it_has_failed() -> Result<()> {
    on_uml(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _servers = addresses
            .iter()
            .zip(&net.servers)
            .map(|(address, node)| DownloadServer::new(node, *address, node.name(), LENGTH, TIME))
            .collect::<Result<Vec<_>>>()?;
        // What is checked is another port: the downloads go on while it is closed.
        let mut health = net
            .servers
            .iter()
            .enumerate()
            .map(|(number, node)| Backend::tcp(node, net.server(number, 81), "checked"))
            .collect::<Result<Vec<_>>>()?;
        let config = web(&net)
            .with("inhibit_on_failure = true")
            .with(&format!(
                "check = {{ plugin = \"tcp\", port = 81, {QUICK} }}"
            ))
            .servers(addresses.iter().copied())
            .text();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        let downloads = [0; 2].map(|_| Download::start(&client, net.vip(80), LENGTH));
        drop(health.pop());
        evenkeel.wait_health("web", &addresses[1].to_string(), "down", PATIENCE)?;
        let weightless = "-a -t 10.10.54.151:80 -r 172.16.50.159:80 -m -w 0";
        holds(&net.director, &[RULES[0], RULES[1], weightless], &evenkeel)?;
        for download in downloads {
            download?.finish()?;
        }
        Ok(())
    })
}

#[test]
fn marked_packets_are_one_service_whatever_their_port() -> Result<()> {
    on_uml(|| {
        let net = Article::new(2)?;
        let _web = tcp_backends(&net, &servers(&net, 80))?;
        let _tls = tcp_backends(&net, &servers(&net, 443))?;
        for port in ["80", "443"] {
            let rule =
                "-t mangle -A PREROUTING -d 10.10.54.151 -p tcp -j MARK --set-mark 7 --dport";
            let words: Vec<&str> = rule.split(' ').chain([port]).collect();
            net.director.run("iptables-legacy", &words)?;
        }
        let config = |persistence: &str| {
            format!(
                "[[service]]\nname = \"both\"\nfwmark = 7\n{persistence}\n\
                 [[service.server]]\naddress = \"172.16.50.157\"\n[[service.server]]\naddress = \"172.16.50.159\"\n"
            )
        };
        let mut evenkeel = Evenkeel::new(&net.director, &config(""))?;
        evenkeel.start()?;
        let from = |last: u8| {
            Client::new(&net.client).from_address(Ipv4Addr::new(10, 10, 54, last).into())
        };
        for port in [80, 443] {
            let answers = from(10).ask_times(net.vip(port), 10)?;
            assert_repeats(&answers, &["0", "1"]);
        }
        // Persistence is over all ports together.
        evenkeel.reload(&config("persistence = \"5m\""))?;
        evenkeel.wait_status("persistence", PATIENCE, |_| {
            net.director
                .ipvs_rules()
                .is_ok_and(|rules| rules.iter().any(|rule| rule.contains("-p 300")))
        })?;
        let mut firsts = Vec::new();
        for last in 11..17 {
            let answers = [80, 443, 80, 443].map(|port| from(last).ask(net.vip(port)));
            let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
            ensure!(answers.iter().all(|it| *it == answers[0]), "{answers:?}");
            firsts.push(answers[0].clone());
        }
        assert_eq!(count(&firsts).len(), 2);
        Ok(())
    })
}

#[test]
fn tables_of_hashing_schedulers_keep_each_client_at_its_server() -> Result<()> {
    on_uml(|| {
        let net = Article::new(4)?;
        let _backends = tcp_backends(&net, &servers(&net, 80))?;
        let mut text = String::new();
        for (number, (name, kernel)) in [("sh", "sh"), ("maglev", "mh"), ("mh", "mh")]
            .into_iter()
            .enumerate()
        {
            let port = 80 + u16::try_from(number)?;
            text += &Service::new(&format!("{name}-{kernel}"), net.vip(port))
                .with(&format!("scheduler = \"{name}\""))
                .servers(servers(&net, 80))
                .text();
        }
        let mut evenkeel = Evenkeel::new(&net.director, &text)?;
        evenkeel.start()?;
        let rules = net.director.ipvs_rules()?;
        for port in 80..83 {
            let kernel = if port == 80 { "sh" } else { "mh" };
            let wanted = format!("-A -t 10.10.54.151:{port} -s {kernel}");
            ensure!(rules.contains(&wanted), "{wanted}: {rules:#?}");
            let mut seen = Vec::new();
            for last in 10..20 {
                let client =
                    Client::new(&net.client).from_address(Ipv4Addr::new(10, 10, 54, last).into());
                let answers = client.ask_times(net.vip(port), 3)?;
                ensure!(answers.iter().all(|it| *it == answers[0]), "{answers:?}");
                seen.push(answers[0].clone());
            }
            ensure!(count(&seen).len() > 1, "{seen:?}");
        }
        Ok(())
    })
}

#[test]
fn least_connections_go_where_there_are_fewest() -> Result<()> {
    on_uml(|| {
        let net = Article::new(3)?;
        let addresses = servers(&net, 80);
        let _backends = holding_backends(&net, &addresses)?;
        let config = web(&net)
            .with("scheduler = \"lc\"")
            .servers(addresses)
            .text();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        let client = Client::new(&net.client);
        // Two of three servers get all of their connections back.
        let mut held = hold(&client, net.vip(80), 12)?;
        held.retain(|(name, _)| name == "0");
        let before = held.len();
        ensure!(before > 0);
        evenkeel.wait_status("the counts", PATIENCE, |status| {
            let servers = status["services"][0]["servers"].as_array();
            let active = |it: &serde_json::Value| it["active"].as_u64();
            servers.is_some_and(|all| all.iter().skip(1).all(|it| active(it) == Some(0)))
        })?;
        std::thread::sleep(Duration::from_secs(1));
        let more = hold(&client, net.vip(80), 2 * before)?;
        let first = more.iter().filter(|(name, _)| name == "0").count();
        ensure!(
            first <= before / 2,
            "{first} of {} at the server with {before}",
            more.len()
        );
        Ok(())
    })
}

#[test]
fn a_service_that_the_kernel_refuses_holds_up_no_other_and_is_named_with_the_reason() -> Result<()>
{
    on_uml(|| {
        let net = Article::new(2)?;
        ipvsadm(&net.director, THEIRS[0])?;
        let checked = |service: Service| {
            let check = format!("check = {{ plugin = \"tcp\", {QUICK} }}");
            service.with(&check).servers(servers(&net, 80)).text()
        };
        let config = checked(web(&net)) + &checked(Service::new("taken", net.vip(99)));
        let mut backends = tcp_backends(&net, &servers(&net, 80))?;
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        // It begins with such a file.
        evenkeel.start_without_waiting()?;
        evenkeel.wait_log("ready", PATIENCE)?;
        let mut both: Vec<&str> = RULES.iter().chain(&THEIRS[..1]).copied().collect();
        both.sort_unstable();
        holds(&net.director, &both, &evenkeel)?;
        let named = |status: &serde_json::Value| {
            let taken = status["services"][1]["kernel_problem"].as_str();
            taken.is_some_and(|it| it.contains("another program's IPVS service"))
                && status["services"][0]["kernel_problem"].is_null()
                && status["settled"] == false
        };
        evenkeel.wait_status("the refused service is named", PATIENCE, named)?;
        evenkeel.wait_log("service=\"taken\"", PATIENCE)?;
        // A dead server leaves, and comes back.
        drop(backends);
        let dead = "-a -t 10.10.54.151:80 -r 172.16.50.159:80 -m -w 1";
        backends = tcp_backends(&net, &servers(&net, 80)[..1])?;
        let without: Vec<&str> = both.iter().filter(|it| **it != dead).copied().collect();
        holds(&net.director, &without, &evenkeel)?;
        drop(backends);
        backends = tcp_backends(&net, &servers(&net, 80))?;
        holds(&net.director, &both, &evenkeel)?;
        // Long enough for its waits to have grown; then its address is free, and a reload tries it at once.
        std::thread::sleep(Duration::from_secs(5));
        ipvsadm(&net.director, "-D -t 10.10.54.151:99")?;
        evenkeel.reload(&config)?;
        let settled = |status: &serde_json::Value| {
            status["settled"] == true && status["services"][1]["kernel_problem"].is_null()
        };
        evenkeel.wait_status("it is taken", PATIENCE, settled)?;
        let ours = RULES.map(|it| it.replace(":80 -s", ":99 -s").replace(":80 -r", ":99 -r"));
        let mut all: Vec<&str> = RULES
            .into_iter()
            .chain(ours.iter().map(String::as_str))
            .collect();
        all.sort_unstable();
        holds(&net.director, &all, &evenkeel)?;
        drop(backends);
        Ok(())
    })
}
