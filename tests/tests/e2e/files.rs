//! Files that are none: pipes, devices, links to them, and a disk that does not answer.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::support::{PATIENCE, Service, assert_repeats, servers, tcp_backends};
use anyhow::{Context as _, Result};
use evenkeel_tests::{Article, Client, Evenkeel, isolated};
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

/// A mounted disk that never answers: a FUSE file system without a program behind it.
struct DeadDisk {
    at: PathBuf,
    _nobody_reads_this: File,
}

impl DeadDisk {
    fn mount(at: PathBuf) -> Result<Self> {
        std::fs::create_dir(&at)?;
        let device = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .context("/dev/fuse")?;
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0",
            device.as_raw_fd()
        );
        mount(
            Some("dead"),
            &at,
            Some("fuse"),
            MsFlags::empty(),
            Some(options.as_str()),
        )?;
        Ok(Self {
            at,
            _nobody_reads_this: device,
        })
    }
}

/// Files that cannot be read to an end, as plugins.
fn strange_plugins(dir: &Path) -> Result<()> {
    std::fs::create_dir(dir)?;
    mkfifo(&dir.join("pipe.wasm"), Mode::S_IRWXU)?;
    symlink("/dev/zero", dir.join("endless.wasm"))?;
    symlink(dir.join("pipe.wasm"), dir.join("link.wasm"))?;
    File::create(dir.join("large.wasm"))?.set_len(1 << 40)?;
    Ok(())
}

#[test]
fn pipes_and_devices_in_a_plugin_directory_stop_neither_start_nor_reload_nor_end() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let addresses = servers(&net, 80);
        let _backends = tcp_backends(&net, &addresses)?;
        let strange = net.director.dir().join("strange");
        strange_plugins(&strange)?;
        let config = Service::new("web", net.vip(80)).servers(addresses.clone());
        let mut evenkeel =
            Evenkeel::new(&net.director, &config.text())?.plugin_dir(strange.clone());
        evenkeel.start()?;
        evenkeel.reload(&Service::new("web", net.vip(81)).servers(addresses).text())?;
        evenkeel.wait_status("the other port", PATIENCE, |status| {
            status["services"][0]["listen"] == net.vip(81).to_string() && status["settled"] == true
        })?;
        let client = Client::new(&net.client);
        assert_repeats(&client.ask_times(net.vip(81), 4)?, &["0", "1"]);

        // Who names one is told what it is.
        let named = format!("scheduler = {{ plugin = {:?} }}", strange.join("pipe.wasm"));
        let config = Service::new("web", net.vip(81)).with(&named);
        evenkeel.reload(&config.servers(servers(&net, 80)).text())?;
        evenkeel.wait_status("a refusal", PATIENCE, |status| {
            let problem = status["reload_problem"].as_str();
            problem.is_some_and(|problem| problem.contains("is no regular file"))
        })?;
        assert!(evenkeel.sigterm()?.success());
        Ok(())
    })
}

#[test]
fn a_configuration_that_is_a_pipe_is_refused_and_nobody_waits_for_it() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let _backends = tcp_backends(&net, &servers(&net, 80))?;
        let config = Service::new("web", net.vip(80)).servers(servers(&net, 80));
        let mut evenkeel = Evenkeel::new(&net.director, &config.text())?;
        evenkeel.start()?;
        std::fs::remove_file(evenkeel.config_file())?;
        mkfifo(evenkeel.config_file(), Mode::S_IRWXU)?;
        evenkeel
            .running()?
            .signal(nix::sys::signal::Signal::SIGHUP)?;
        evenkeel.wait_status("a refusal", PATIENCE, |status| {
            let problem = status["reload_problem"].as_str();
            problem.is_some_and(|problem| problem.contains("is no regular file"))
        })?;
        assert!(evenkeel.sigterm()?.success());
        Ok(())
    })
}

#[test]
fn a_reload_that_waits_for_a_disk_is_seen_in_status_and_the_daemon_ends_when_it_is_told()
-> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let _backends = tcp_backends(&net, &servers(&net, 80))?;
        let config = Service::new("web", net.vip(80)).servers(servers(&net, 80));
        let config = config.text();
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        let dead = DeadDisk::mount(net.director.dir().join("dead"))?;
        let lib = dead.at.join("lib.so");
        evenkeel.reload(&format!("native_plugins = [{lib:?}]\n{config}"))?;
        evenkeel.wait_status("a reload under way", PATIENCE, |status| {
            status["reload_seconds"].as_u64() >= Some(1)
        })?;
        assert!(
            evenkeel.status_table()?.contains("reload: under way for"),
            "{}",
            evenkeel.status_table()?
        );
        assert_eq!(Client::new(&net.client).ask(net.vip(80))?, "0");
        assert!(evenkeel.sigterm()?.success());

        // Nor does one that has just started keep it from ending.
        evenkeel.start_without_waiting()?;
        std::thread::sleep(Duration::from_secs(1));
        assert!(evenkeel.running()?.is_running()?);
        assert!(evenkeel.sigterm()?.success());
        Ok(())
    })
}
