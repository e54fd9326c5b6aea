//! What the commands print and how they exit.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use crate::support::{PATIENCE, Service};
use anyhow::Result;
use evenkeel_tests::{Article, Evenkeel, Paths, isolated};

fn evenkeel(args: &[&str]) -> Result<Output> {
    Ok(Command::new(Paths::default().binary).args(args).output()?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn plugin_list_names_what_a_directory_holds_with_kind_and_version() -> Result<()> {
    let dir = Paths::default().plugins;
    let output = evenkeel(&["plugin", "list", "--plugin-dir", &dir.display().to_string()])?;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let list = text(&output.stdout);
    for (name, kind) in [
        ("http", "checker"),
        ("rr", "scheduler"),
        ("tcp", "checker"),
        ("wrr", "scheduler"),
    ] {
        let line = list
            .lines()
            .find(|line| line.starts_with(&format!("{name} ")));
        assert!(
            line.is_some_and(|line| line.contains(kind) && line.contains("0.1.0")),
            "{list}"
        );
    }
    Ok(())
}

#[test]
fn plugin_list_shows_the_good_ones_beside_a_broken_file_and_fails() -> Result<()> {
    let dir = tempfile::tempdir()?;
    std::fs::copy(
        Paths::default().plugins.join("rr.wasm"),
        dir.path().join("rr.wasm"),
    )?;
    std::fs::write(dir.path().join("broken.wasm"), b"not wasm")?;
    let output = evenkeel(&[
        "plugin",
        "list",
        "--plugin-dir",
        &dir.path().display().to_string(),
    ])?;
    assert_eq!(output.status.code(), Some(3));
    assert!(
        text(&output.stdout).contains("rr "),
        "{}",
        text(&output.stdout)
    );
    assert!(
        text(&output.stderr).contains("broken.wasm"),
        "{}",
        text(&output.stderr)
    );
    Ok(())
}

#[test]
fn plugin_inspect_shows_the_settings_with_defaults_and_docs() -> Result<()> {
    let file = Paths::default().plugins.join("http.wasm");
    let output = evenkeel(&["plugin", "inspect", &file.display().to_string()])?;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    for part in [
        "http 0.1.0 (checker, contract 0.2.0)",
        "path = ",
        "status = ",
        "contains = ",
    ] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    Ok(())
}

#[test]
fn a_status_without_a_daemon_says_so_and_exits_5() -> Result<()> {
    let output = evenkeel(&["status", "--socket", "/nonexistent/evenkeel.sock"])?;
    assert_eq!(output.status.code(), Some(5));
    assert!(
        text(&output.stderr).contains("evenkeel run"),
        "{}",
        text(&output.stderr)
    );
    Ok(())
}

#[test]
fn check_finds_what_this_machine_lacks_says_what_to_do_and_exits_4() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        // The article's slip: the director has the address of real server 1.
        net.director.add_address("eth1", "172.16.50.157/24")?;
        net.director.sysctl("net.ipv4.ip_forward", "0")?;
        let service = Service::new("web", net.vip(80)).servers(crate::support::servers(&net, 80));
        let evenkeel = Evenkeel::new(&net.director, &service.text())?;
        let output = evenkeel.check()?;
        let printed = text(&output.stdout);
        assert_eq!(
            output.status.code(),
            Some(4),
            "{printed}{}",
            text(&output.stderr)
        );
        assert!(
            printed.contains("sysctl -w net.ipv4.ip_forward=1"),
            "{printed}"
        );
        let own = printed.lines().find(|line| line.contains("172.16.50.157"));
        assert!(
            own.is_some_and(|line| line.starts_with("error")),
            "{printed}"
        );
        let tables = net.director.run("nft", &["list", "tables"])?;
        assert_eq!(tables.trim(), "", "nothing is touched");
        Ok(())
    })
}

#[test]
fn check_without_the_right_to_change_the_network_says_ok_to_no_data_plane() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let service = Service::new("web", net.vip(80)).servers([net.server(0, 80)]);
        let evenkeel = Evenkeel::new(&net.director, &service.text())?;
        let mut command = Command::new("setpriv");
        command
            .args(["--bounding-set=-net_admin", "--inh-caps=-net_admin"])
            .arg(Paths::default().binary)
            .args(["check", "--plugin-dir"])
            .arg(Paths::default().plugins)
            .arg("--config")
            .arg(evenkeel.config_file());
        let output = net.director.output(command)?;
        let printed = text(&output.stdout);
        let told = format!("{printed}{}", text(&output.stderr));
        assert_eq!(output.status.code(), Some(4), "{told}");
        assert!(printed.contains("CAP_NET_ADMIN"), "{told}");
        let plane: Vec<&str> = printed
            .lines()
            .filter(|line| line.contains("data plane"))
            .collect();
        assert!(!plane.is_empty(), "{told}");
        assert!(plane.iter().all(|line| line.starts_with("error")), "{told}");
        Ok(())
    })
}

#[test]
fn check_refuses_a_tracked_script_that_run_would_not_run() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let script = net.director.dir().join("check.sh");
        std::fs::write(&script, "#!/bin/sh\n")?;
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o777))?;
        let config = format!(
            "{}[[script]]\nname = \"s\"\ncommand = {script:?}\n[[vrrp]]\nname = \"a\"\ninterface = \"eth0\"\n\
             router_id = 51\naddress = \"10.10.54.199/24\"\ntrack = {{ script = \"s\" }}\n",
            Service::new("web", net.vip(80))
                .servers([net.server(0, 80)])
                .text()
        );
        let output = Evenkeel::new(&net.director, &config)?.check()?;
        let printed = text(&output.stdout);
        assert_eq!(output.status.code(), Some(4), "{printed}");
        let line = printed.lines().find(|line| line.contains("script s:"));
        assert!(
            line.is_some_and(|line| line.starts_with("error") && line.contains("may write to")),
            "{printed}"
        );
        Ok(())
    })
}

#[test]
fn a_missing_plugin_directory_is_named() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let service = Service::new("web", net.vip(80)).servers([net.server(0, 80)]);
        let evenkeel = Evenkeel::new(&net.director, &service.text())?
            .no_plugin_dirs()
            .plugin_dir("/nowhere/plugins");
        let output = evenkeel.check()?;
        assert_eq!(output.status.code(), Some(3));
        let told = text(&output.stderr);
        assert!(
            told.contains("/nowhere/plugins (there is no such directory)"),
            "{told}"
        );
        Ok(())
    })
}

#[test]
fn status_and_log_say_when_this_machine_does_not_forward() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let service = Service::new("web", net.vip(80)).servers([net.server(0, 80)]);
        let mut evenkeel = Evenkeel::new(&net.director, &service.text())?;
        evenkeel.start()?;
        assert!(evenkeel.status()?["forwarding_problem"].is_null());
        net.director.sysctl("net.ipv4.ip_forward", "0")?;
        evenkeel.wait_status("the problem", PATIENCE, |status| {
            let problem = status["forwarding_problem"].as_str();
            problem.is_some_and(|it| it.contains("sysctl -w net.ipv4.ip_forward=1"))
        })?;
        assert!(evenkeel.log().contains("does not forward IPv4"));
        assert!(
            evenkeel
                .status_table()?
                .contains("forwarding: this machine")
        );
        net.director.sysctl("net.ipv4.ip_forward", "1")?;
        evenkeel.wait_status("no problem", PATIENCE, |status| {
            status["forwarding_problem"].is_null()
        })?;
        Ok(())
    })
}

#[test]
fn check_of_a_machine_that_is_ready_exits_0() -> Result<()> {
    isolated(|| {
        let net = Article::new(2)?;
        let service = Service::new("web", net.vip(80)).servers(crate::support::servers(&net, 80));
        let output = Evenkeel::new(&net.director, &service.text())?.check()?;
        assert!(
            output.status.success(),
            "{}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        Ok(())
    })
}

#[test]
fn a_second_daemon_on_the_same_socket_is_refused_with_exit_code_6() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let service = Service::new("web", net.vip(80)).servers([net.server(0, 80)]);
        let mut first = Evenkeel::new(&net.director, &service.text())?;
        first.start()?;
        let mut command = first.command("run");
        command.args(["--config", &first.config_file().display().to_string()]);
        command.args([
            "--plugin-dir",
            &Paths::default().plugins.display().to_string(),
        ]);
        let second = net.director.output(command)?;
        assert_eq!(second.status.code(), Some(6), "{}", text(&second.stderr));
        Ok(())
    })
}

#[test]
fn the_control_socket_is_for_its_owner_only() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    isolated(|| {
        let net = Article::new(1)?;
        let service = Service::new("web", net.vip(80)).servers([net.server(0, 80)]);
        let mut daemon = Evenkeel::new(&net.director, &service.text())?;
        daemon.start()?;
        let mode = std::fs::metadata(daemon.socket())?.permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        Ok(())
    })
}

#[test]
fn the_examples_configurations_are_valid() -> Result<()> {
    let examples = Paths::workspace().join("examples");
    for (file, dirs) in [
        ("evenkeel.toml", vec![Paths::default().plugins]),
        ("direct-routing.toml", vec![Paths::default().plugins]),
        ("ipvs-pair.toml", vec![Paths::default().plugins]),
        (
            "sticky.toml",
            vec![Paths::default().plugins, Paths::default().examples],
        ),
    ] {
        let mut command = Command::new(Paths::default().binary);
        command
            .arg("check")
            .arg("--no-preflight")
            .arg("--config")
            .arg(examples.join(file));
        for dir in dirs {
            command.arg("--plugin-dir").arg(dir);
        }
        let output = command.output()?;
        assert!(output.status.success(), "{file}: {}", text(&output.stderr));
    }
    Ok(())
}

#[test]
fn explain_asks_the_scheduler_and_prints_what_real_servers_need() -> Result<()> {
    let explain = |service: &str| {
        Command::new(Paths::default().binary)
            .arg("explain")
            .arg(service)
            .arg("--config")
            .arg(Paths::workspace().join("examples/direct-routing.toml"))
            .arg("--plugin-dir")
            .arg(Paths::default().plugins)
            .output()
    };
    let output = explain("web")?;
    let said = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for part in [
        "IPVS follows that by its scheduler wrr with the weights server1 2, server2 1",
        "  ip addr add 192.0.2.10/32 dev lo\n",
        "On this machine, as far as can be seen from here\n",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let output = explain("wob")?;
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("there is no service \"wob\""));
    Ok(())
}
