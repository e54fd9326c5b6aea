//! What hangs, and what goes on all the same: a log that nobody reads, a main loop that does not move, scripts on a
//! file system that does not answer.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::pair::{BACKUP, MASTER, Pair, checked_web};
use crate::support::vrrp::Instance;
use crate::support::{PATIENCE, Service, servers, tcp_backends};
use anyhow::Result;
use evenkeel_tests::{
    Article, Client, Evenkeel, FrozenThread, Node, Record, Watch, eventually, isolated,
};
use nix::libc::O_NONBLOCK;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;

/// From one attempt to connect to the next.
const PACE: Duration = Duration::from_millis(20);

/// A reader of the daemon's log that does not read.
struct Reader {
    pipe: File,
    path: PathBuf,
}

impl Reader {
    /// With a pipe that is full already.
    fn stopped(node: &Node) -> Result<Self> {
        let path = node.dir().join("log.fifo");
        nix::unistd::mkfifo(&path, Mode::S_IRUSR | Mode::S_IWUSR)?;
        let mut pipe = File::options()
            .read(true)
            .write(true)
            .custom_flags(O_NONBLOCK)
            .open(&path)?;
        loop {
            match pipe.write(&[b'.'; 4096]) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self { pipe, path })
    }

    /// Reads until this text has come.
    fn reads_until(&mut self, text: &str) -> Result<()> {
        let mut read: Vec<u8> = Vec::new();
        eventually(&format!("the log says {text:?}"), PATIENCE, || {
            let mut some = [0; 1 << 16];
            match self.pipe.read(&mut some) {
                Ok(length) => read.extend(&some[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            let found = read.windows(text.len()).any(|it| it == text.as_bytes());
            Ok(found.then_some(()))
        })
    }
}

/// The daemon with two checked servers, which logs to this file.
fn checked(net: &Article, log: &Path) -> Result<(Evenkeel, String)> {
    let config = Service::new("web", net.vip(80))
        .checked()
        .servers(servers(net, 80))
        .text();
    let mut evenkeel = Evenkeel::new(&net.director, &config)?.stderr(log);
    evenkeel.start()?;
    Ok((evenkeel, config))
}

/// A configuration with so many mistakes that their list is a long line of the log.
fn mistakes() -> String {
    (0..1000).map(|n| format!("mistake{n} = 1\n")).collect()
}

fn dropped(evenkeel: &Evenkeel) -> Result<bool> {
    Ok(evenkeel.status()?["log_dropped"].as_u64() > Some(0))
}

#[test]
fn a_log_that_nobody_reads_holds_nothing_up_and_what_is_dropped_is_told() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let mut backends = tcp_backends(&net, &servers(&net, 80))?;
        let mut reader = Reader::stopped(&net.director)?;
        let (mut evenkeel, config) = checked(&net, &reader.path)?;
        evenkeel.wait_health("web", "172.16.50.159:80", "up", PATIENCE)?;
        eventually("lines are dropped", 2 * PATIENCE, || {
            evenkeel.reload(&mistakes())?;
            evenkeel.wait_status("it is refused", PATIENCE, |status| {
                status["reload_problem"].is_string()
            })?;
            evenkeel.reload(&config)?;
            evenkeel.wait_status("it is in force", PATIENCE, |status| {
                status["reload_problem"].is_null()
            })?;
            Ok(dropped(&evenkeel)?.then_some(()))
        })?;
        drop(backends.remove(1));
        evenkeel.wait_health("web", "172.16.50.159:80", "down", PATIENCE)?;
        let answers = Client::new(&net.client).ask_times(net.vip(80), 10)?;
        assert!(answers.iter().all(|it| it == "0"), "{answers:?}");
        assert!(evenkeel.status_table()?.contains("lines dropped"));

        reader.reads_until("log lines were dropped")?;
        evenkeel.reload(&config)?;
        reader.reads_until("the new configuration is in force")?;
        // And once more with nobody who reads the last lines.
        evenkeel.reload(&mistakes())?;
        assert!(evenkeel.sigterm()?.success());
        Ok(())
    })
}

#[test]
fn a_log_whose_reader_has_gone_ends_nothing() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let mut backends = tcp_backends(&net, &servers(&net, 80))?;
        let reader = Reader::stopped(&net.director)?;
        let (mut evenkeel, config) = checked(&net, &reader.path)?;
        evenkeel.wait_health("web", "172.16.50.159:80", "up", PATIENCE)?;
        drop(reader);
        evenkeel.reload(&config)?;
        drop(backends.remove(1));
        evenkeel.wait_health("web", "172.16.50.159:80", "down", PATIENCE)?;
        assert!(dropped(&evenkeel)?);
        assert!(evenkeel.sigterm()?.success());
        Ok(())
    })
}

#[test]
fn a_master_whose_main_loop_hangs_hands_over_without_a_lost_connection_attempt() -> Result<()> {
    isolated(|| {
        let mut pair = Pair::of(Instance::v3)?;
        let stream = Client::new(&pair.net.client).keep_connecting(pair.net.vip(80), PACE)?;
        let master = pair.directors[MASTER].running()?.pid();
        let frozen = FrozenThread::first_of(master)?;
        // It says so itself, although the thread that hangs is the one that has the last word on everything.
        let said = "the daemon's main loop has not moved for 10 s";
        pair.directors[MASTER].wait_log(said, PATIENCE)?;
        pair.wait(BACKUP)?;
        assert!(pair.directors[MASTER].status().is_err());
        drop(frozen);
        pair.wait(MASTER)?;
        pair.directors[MASTER].wait_log("main loop moves again", PATIENCE)?;
        pair.directors[MASTER].status()?;
        served(&stream.stop()?, &pair);
        Ok(())
    })
}

#[test]
fn alone_a_master_whose_main_loop_hangs_goes_on() -> Result<()> {
    isolated(|| {
        let mut pair = Pair::of(Instance::v3)?;
        pair.directors[BACKUP].sigterm()?;
        let stream = Client::new(&pair.net.client).keep_connecting(pair.net.vip(80), PACE)?;
        let master = pair.directors[MASTER].running()?.pid();
        let _frozen = FrozenThread::first_of(master)?;
        let watch = Watch::start(&pair.nodes, &pair.addresses)?;
        let said = "no other router has taken over";
        pair.directors[MASTER].wait_log(said, PATIENCE)?;
        pair.serves(5)?;
        assert_eq!(watch.stop()?.missing(), Duration::ZERO, "{}", pair.logs());
        served(&stream.stop()?, &pair);
        Ok(())
    })
}

/// No attempt to connect has failed, or was so long that a packet of it was lost.
fn served(record: &Record, pair: &Pair) {
    let failed = record.failures().next();
    assert!(failed.is_none(), "{failed:?}\n{}", pair.logs());
    let longest = record.longest();
    assert!(longest < Duration::from_millis(900), "{longest:?}");
    assert!(record.answers.len() > 100);
}

/// A file system whose server never answers, as a network share's whose server has died: whoever looks at something in
/// it hangs.
struct DeadMount {
    directory: PathBuf,
    /// The server's end.
    _device: File,
}

impl DeadMount {
    /// `None`: this machine has no such file systems (FUSE).
    fn new(node: &Node) -> Result<Option<Self>> {
        let device = File::options().read(true).write(true).open("/dev/fuse");
        let device = match device {
            Ok(device) => device,
            Err(error) => {
                writeln!(std::io::stderr(), "SKIPPED: /dev/fuse: {error}")?;
                return Ok(None);
            }
        };
        let directory = node.dir().join("dead");
        std::fs::create_dir(&directory)?;
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0",
            device.as_raw_fd()
        );
        let none = MsFlags::empty();
        mount(
            Some("dead"),
            &directory,
            Some("fuse"),
            none,
            Some(&*options),
        )?;
        Ok(Some(Self {
            directory,
            _device: device,
        }))
    }
}

impl Drop for DeadMount {
    fn drop(&mut self) {
        // Before anyone looks for what is to be removed.
        let _ = umount2(&self.directory, MntFlags::MNT_DETACH);
    }
}

/// How many threads of a process run, or try to run, a program.
fn programs(pid: u32) -> Result<usize> {
    let mut count = 0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // It may have ended.
        let name = std::fs::read_to_string(thread?.path().join("comm")).unwrap_or_default();
        count += usize::from(name.trim() == "program");
    }
    Ok(count)
}

#[test]
fn scripts_on_a_file_system_that_does_not_answer_have_failed_and_hold_nothing_up() -> Result<()> {
    isolated(|| {
        let net = Article::pair(2)?;
        let mut backends = tcp_backends(&net, &servers(&net, 80))?;
        let Some(dead) = DeadMount::new(&net.director)? else {
            return Ok(());
        };
        let script = dead.directory.join("check");
        let script = script.display();
        let config = Instance::v3(120)
            .table("[[vrrp.track]]\nscript = \"dead\"\nweight = -30\n")
            .table(&format!(
                "[[vrrp.track]]\nfile = \"{}/number\"\nweight = 1\n",
                dead.directory.display()
            ))
            .table(&format!("[vrrp.notify]\nmaster = \"{script}\"\n"))
            .table(&format!(
                "[[script]]\nname = \"dead\"\ncommand = \"{script}\"\ninterval = \"200ms\"\ntimeout = \"500ms\"\n"
            ))
            .toml()
            + &checked_web(&net).servers(servers(&net, 80)).text();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        evenkeel.wait_status("the script has failed", PATIENCE, |status| {
            let instance = &status["vrrp"]["instances"][0];
            instance["state"] == "master" && instance["priority"] == 90
        })?;
        evenkeel.wait_health("web", "172.16.50.159:80", "up", PATIENCE)?;
        drop(backends.remove(1));
        evenkeel.wait_health("web", "172.16.50.159:80", "down", PATIENCE)?;
        // Many intervals later there is still one of each.
        std::thread::sleep(Duration::from_secs(3));
        let pid = evenkeel.running()?.pid();
        assert_eq!(programs(pid)?, 2, "{}", evenkeel.log());
        assert!(evenkeel.log().contains("did not end within 500ms"));
        assert!(evenkeel.sigterm()?.success());
        Ok(())
    })
}
