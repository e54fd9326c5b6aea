//! What happens in the demo.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use evenkeel_tests::{
    Article, Client, Download, DownloadServer, Evenkeel, Nginx, Paths, Record, Stream, eventually,
    http_get,
};

use super::tell::{Teller, seconds};

const SERVERS: usize = 4;
/// The configuration's times, shorter than one would choose, so that the demo is.
const INTERVAL: Duration = Duration::from_millis(500);
const TIMEOUT: Duration = Duration::from_millis(300);
const RETRIES: u32 = 2;
const RETRY_DELAY: Duration = Duration::from_millis(300);
/// What a busy machine may add to the promised times.
const SLACK: Duration = Duration::from_millis(500);
/// How long anything may take before the demo gives up.
const LIMIT: Duration = Duration::from_secs(20);

const DOWNLOAD: usize = 4_000_000;
const DOWNLOAD_TIME: Duration = Duration::from_secs(6);

/// All that is on the stage.
struct Stage {
    teller: Teller,
    net: Article,
    client: Client,
    web: SocketAddr,
    nginx: Vec<Option<Nginx>>,
    evenkeel: Evenkeel,
}

/// Tells the story; an error if a promise was broken.
pub(crate) fn tell(paths: Paths) -> Result<()> {
    let mut stage = Stage::set(paths)?;
    let told = stage.play();
    if told.is_err() {
        stage.teller.say("The daemon's log:");
        stage.teller.quote(&stage.evenkeel.log());
    }
    told?;
    stage.teller.end()
}

/// A configuration like examples/evenkeel.toml, with these weights.
fn config(weights: [u32; SERVERS]) -> String {
    let check = format!(
        "interval = \"{}ms\", timeout = \"{}ms\", retries = {RETRIES}, retry_delay = \"{}ms\"",
        INTERVAL.as_millis(),
        TIMEOUT.as_millis(),
        RETRY_DELAY.as_millis()
    );
    let servers = |port: u16| {
        weights.iter().enumerate().fold(String::new(), |text, (number, weight)| {
            let host = 157 + 2 * number;
            text + &format!(
                "\n[[service.server]]\nname = \"server{}\"\naddress = \"172.16.50.{host}:{port}\"\nweight = {weight}\n",
                number + 1
            )
        })
    };
    format!(
        "[[service]]\nname = \"web\"\nlisten = \"{vip}:80\"\nprotocol = \"tcp\"\nscheduler = {{ plugin = \"wrr\" }}\n\
         check = {{ plugin = \"http\", {check} }}\n{}\n\
         [[service]]\nname = \"files\"\nlisten = \"{vip}:8080\"\nscheduler = {{ plugin = \"rr\" }}\n\
         check = {{ plugin = \"tcp\", {check} }}\n{}",
        servers(80),
        servers(8080),
        vip = Article::VIP,
    )
}

impl Stage {
    fn set(paths: Paths) -> Result<Self> {
        let mut teller = Teller::new();
        teller.chapter("The network");
        let net = Article::new(SERVERS)?;
        teller.quote(&format!(
            "client            10.10.54.10\n    │\n    ├─ 10.10.54.0/24 ─ service address {}\n    │\n\
             director          10.10.54.155 / 172.16.50.155\n    │\n    ├─ 172.16.50.0/24 ─ gateway {}\n    │\n\
             server1 … server{SERVERS} 172.16.50.157, .159, .161, .163",
            Article::VIP,
            Article::GATEWAY
        ));
        let evenkeel = Evenkeel::with_paths(&net.director, &config([1; SERVERS]), paths)?;
        let client = Client::new(&net.client).timeout(Duration::from_secs(1));
        let web = net.vip(80);
        let mut stage = Self {
            teller,
            net,
            client,
            web,
            nginx: Vec::new(),
            evenkeel,
        };
        for number in 0..SERVERS {
            let nginx = stage.start_nginx(number)?;
            stage.nginx.push(Some(nginx));
        }
        stage
            .teller
            .say(&format!("{SERVERS} real servers run nginx"));
        Ok(stage)
    }

    fn start_nginx(&self, number: usize) -> Result<Nginx> {
        let node = &self.net.servers[number];
        Nginx::start(node, &[self.net.server(number, 80)], node.name())
    }

    fn play(&mut self) -> Result<()> {
        let files = (0..SERVERS).map(|number| {
            let node = &self.net.servers[number];
            let address = self.net.server(number, 8080);
            DownloadServer::new(node, address, node.name(), DOWNLOAD, DOWNLOAD_TIME)
        });
        let files = files.collect::<Result<Vec<_>>>()?;
        self.check()?;
        self.begin()?;
        self.in_turn()?;
        self.a_server_fails()?;
        self.it_returns()?;
        self.other_weights()?;
        self.the_daemon_is_killed()?;
        drop(files);
        self.finish()
    }

    fn check(&mut self) -> Result<()> {
        self.teller
            .chapter("evenkeel check: the configuration and the machine");
        self.teller.quote(
            &config([1; SERVERS])
                .lines()
                .take(11)
                .collect::<Vec<_>>()
                .join("\n"),
        );
        self.teller
            .quote("... (3 more servers, and a service for downloads)");
        let output = self.evenkeel.check()?;
        self.teller.quote(&String::from_utf8_lossy(
            &[output.stdout, output.stderr].concat(),
        ));
        self.teller
            .promise(output.status.success(), "nothing is in the way");
        Ok(())
    }

    fn begin(&mut self) -> Result<()> {
        self.teller.chapter("evenkeel run");
        let start = Instant::now();
        self.evenkeel.start()?;
        self.teller.say(&format!(
            "the daemon answers after {}",
            seconds(start.elapsed())
        ));
        self.wait_all_up()?;
        self.status()
    }

    fn in_turn(&mut self) -> Result<()> {
        self.teller.chapter("400 requests, weights 1:1:1:1");
        let spread = self.ask(400)?;
        self.teller.spread(&spread);
        let even = spread.len() == SERVERS && spread.values().all(|count| *count == 100);
        self.teller
            .promise(even, "every server has answered exactly 100");
        Ok(())
    }

    fn a_server_fails(&mut self) -> Result<()> {
        self.teller
            .chapter("A server fails while clients go on asking");
        let stream = self.keep_asking()?;
        std::thread::sleep(Duration::from_millis(300));
        self.teller.say("killing nginx on server2");
        let killed = Instant::now();
        self.nginx[1] = None;
        self.evenkeel.wait_health("web", "server2", "down", LIMIT)?;
        let out = killed.elapsed();
        self.status()?;
        std::thread::sleep(Duration::from_millis(700));
        let record = stream.stop()?;
        let bound = INTERVAL + RETRIES * RETRY_DELAY + TIMEOUT;
        self.teller.promise(
            out <= bound + SLACK,
            &format!(
                "out after {} (interval + {RETRIES} x retry_delay + timeout = {})",
                seconds(out),
                seconds(bound)
            ),
        );
        self.tell_record(&record);
        let late = record
            .failures()
            .filter(|answer| answer.at > killed + out + SLACK / 5)
            .count();
        self.teller
            .promise(late == 0, "no request has failed since");
        Ok(())
    }

    fn it_returns(&mut self) -> Result<()> {
        self.teller.chapter("The server returns");
        let start = Instant::now();
        self.nginx[1] = Some(self.start_nginx(1)?);
        self.evenkeel.wait_health("web", "server2", "up", LIMIT)?;
        self.teller.say(&format!(
            "server2 is up again after {}",
            seconds(start.elapsed())
        ));
        self.settle()?;
        let spread = self.ask(80)?;
        self.teller.spread(&spread);
        let even = spread.len() == SERVERS && spread.values().all(|count| *count == 20);
        self.teller.promise(even, "it has its share again");
        Ok(())
    }

    fn other_weights(&mut self) -> Result<()> {
        self.teller
            .chapter("A reload (SIGHUP) with weights 5:1:1:1, during a download");
        let download = self.download()?;
        let stream = self.keep_asking()?;
        std::thread::sleep(Duration::from_millis(300));
        self.evenkeel.reload(&config([5, 1, 1, 1]))?;
        self.evenkeel
            .wait_status("the new weights are in force", LIMIT, |status| {
                status["settled"] == true && status["services"][0]["servers"][0]["weight"] == 5
            })?;
        let record = stream.stop()?;
        self.tell_record(&record);
        self.teller
            .promise(record.failures().count() == 0, "no request has failed");
        let spread = self.ask(400)?;
        self.teller.spread(&spread);
        let counts: Vec<usize> = spread.values().copied().collect();
        self.teller
            .promise(counts == [250, 50, 50, 50], "400 requests: 250, 50, 50, 50");
        self.whole(download)
    }

    fn the_daemon_is_killed(&mut self) -> Result<()> {
        self.teller
            .chapter("kill -9 of the daemon, during requests and a download");
        let download = self.download()?;
        let stream = self.keep_asking()?;
        std::thread::sleep(Duration::from_millis(300));
        self.evenkeel.kill9()?;
        self.teller.say("the daemon is gone; the kernel goes on");
        std::thread::sleep(Duration::from_millis(800));
        self.evenkeel.start()?;
        self.teller.say("a new one has taken over what it found");
        self.wait_all_up()?;
        std::thread::sleep(Duration::from_millis(300));
        let record = stream.stop()?;
        self.tell_record(&record);
        self.teller
            .promise(record.failures().count() == 0, "no request has failed");
        self.whole(download)
    }

    fn finish(&mut self) -> Result<()> {
        self.teller.chapter("The end: SIGTERM, and evenkeel flush");
        self.status()?;
        let status = self.evenkeel.sigterm()?;
        self.teller
            .promise(status.success(), "the daemon ends at SIGTERM");
        let answer = http_get(&self.client, self.web, "/");
        self.teller.promise(
            answer.is_ok(),
            "its rules stay: requests are still answered",
        );
        let output = self.evenkeel.flush()?;
        self.teller.quote(&String::from_utf8_lossy(
            &[output.stdout, output.stderr].concat(),
        ));
        let tables = self.net.director.run("nft", &["list", "tables"])?;
        let gone = output.status.success() && tables.trim().is_empty();
        self.teller
            .promise(gone, "nothing of Evenkeel's is left in the kernel");
        Ok(())
    }

    /// Asks over and over.
    fn keep_asking(&self) -> Result<Stream> {
        let (client, web) = (self.client.clone(), self.web);
        self.client.keep(Duration::from_millis(5), move || {
            http_get(&client, web, "/")
        })
    }

    /// Requests one after the other: who answered how many.
    fn ask(&self, times: usize) -> Result<BTreeMap<String, usize>> {
        let mut spread = BTreeMap::new();
        for _ in 0..times {
            let name = http_get(&self.client, self.web, "/")
                .with_context(|| format!("a request to {}", self.web))?;
            *spread.entry(name).or_default() += 1;
        }
        Ok(spread)
    }

    fn download(&mut self) -> Result<Download> {
        let download = Download::start(&self.client, self.net.vip(8080), DOWNLOAD)?;
        self.teller.say(&format!(
            "a download of {DOWNLOAD} bytes from {} is under way",
            download.from()
        ));
        Ok(download)
    }

    fn whole(&mut self, download: Download) -> Result<()> {
        self.teller.say("waiting for the download's end");
        let result = download.finish();
        if let Err(error) = &result {
            self.teller.quote(&format!("{error:#}"));
        }
        self.teller
            .promise(result.is_ok(), "the download is whole, every byte of it");
        Ok(())
    }

    fn tell_record(&self, record: &Record) {
        let failed = record.failures().count();
        self.teller.say(&format!(
            "{} requests meanwhile, {failed} failed{}",
            record.answers.len(),
            if failed == 0 {
                String::new()
            } else {
                format!(", within {}", seconds(record.outage()))
            }
        ));
        self.teller.spread(&record.spread());
    }

    fn status(&self) -> Result<()> {
        self.teller.say("evenkeel status");
        self.teller.quote(&self.evenkeel.status_table()?);
        Ok(())
    }

    fn wait_all_up(&mut self) -> Result<()> {
        let took = self
            .evenkeel
            .wait_status("every server is up", LIMIT, |status| {
                let services = status["services"].as_array().into_iter().flatten();
                let mut servers = services.filter_map(|it| it["servers"].as_array()).flatten();
                status["settled"] == true
                    && servers.all(|server| {
                        let checks = server["checks"].as_array().into_iter().flatten();
                        server["health"] == "up" && checks.into_iter().all(|it| it["checks"] != 0)
                    })
            })?;
        self.teller.say(&format!(
            "every server has passed a check after {}",
            seconds(took)
        ));
        Ok(())
    }

    /// Waits until the kernel holds what the daemon wants.
    fn settle(&self) -> Result<()> {
        eventually("the kernel is in sync", LIMIT, || {
            let status = self.evenkeel.status()?;
            if status["reload_problem"].is_string() {
                bail!("the reload was refused: {}", status["reload_problem"]);
            }
            Ok((status["settled"] == true).then_some(()))
        })
    }
}
