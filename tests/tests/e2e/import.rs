//! `evenkeel import`, and `check` of a keepalived.conf.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, Result};
use evenkeel_tests::Paths;

const CONFIG: &str = "\
vrrp_instance VI_1 {
    state MASTER
    interface eth0   # outside
    virtual_router_id 51
    include addresses/*.conf
    @spare priority 50
    @^spare priority 100
}
virtual_server 192.0.2.10 80 {
    delay_loop 6
    lb_algo wlc
    lb_kind NAT
    protocol TCP
    real_server 10.0.0.1 80 {
        weight 2
        TCP_CHECK {
            connect_timeout 3
            retry 3
            delay_before_retry 3
        }
    }
}
";

/// The configuration in a directory of its own, with the file that it includes.
fn written(config: &str) -> Result<(tempfile::TempDir, PathBuf)> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("keepalived.conf");
    fs::write(&file, config)?;
    fs::create_dir(dir.path().join("addresses"))?;
    let addresses = "virtual_ipaddress {\n    192.0.2.10/24\n}\nsmtp_alert\n";
    fs::write(dir.path().join("addresses/a.conf"), addresses)?;
    Ok((dir, file))
}

fn evenkeel(args: &[&str], file: &Path) -> Result<Output> {
    let mut command = Command::new(Paths::default().binary);
    Ok(command.args(args).arg(file).output()?)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn check(file: &Path) -> Result<Output> {
    let plugins = Paths::default().plugins;
    let plugins = plugins.to_str().context("a path in UTF-8")?;
    let args = [
        "check",
        "--no-preflight",
        "--plugin-dir",
        plugins,
        "--config",
    ];
    evenkeel(&args, file)
}

#[test]
fn import_prints_toml_that_check_takes_and_lists_the_rest_by_line() -> Result<()> {
    let (dir, file) = written(CONFIG)?;
    let output = evenkeel(&["import"], &file)?;
    let (toml, list) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{list}");
    for line in [
        "interface = \"eth0\" # outside",
        "priority = 100",
        "    \"192.0.2.10/24\",",
        "scheduler = \"wlc\"",
        "interval = \"6s\"",
    ] {
        assert!(toml.lines().any(|other| other == line), "{line}\n{toml}");
    }
    let at = |name: &str, line: usize| format!("{}:{line}: ", dir.path().join(name).display());
    for place in [
        at("keepalived.conf", 2) + "state: not carried over",
        at("addresses/a.conf", 4) + "smtp_alert: not carried over",
        at("keepalived.conf", 6) + "@spare: not carried over",
    ] {
        assert!(
            list.lines().any(|line| line.starts_with(&place)),
            "{place}\n{list}"
        );
    }
    assert_eq!(list.lines().count(), 3, "{list}");

    let imported = dir.path().join("evenkeel.toml");
    fs::write(&imported, toml)?;
    let output = check(&imported)?;
    assert!(output.status.success(), "{}", text(&output.stderr));
    Ok(())
}

#[test]
fn import_writes_a_file_and_chooses_lines_by_the_directors_name() -> Result<()> {
    let (dir, file) = written(CONFIG)?;
    let out = dir.path().join("out.toml");
    let name = out.to_str().context("a path in UTF-8")?;
    let output = evenkeel(&["import", "--config-id", "spare", "--output", name], &file)?;
    assert!(output.status.success() && output.stdout.is_empty());
    assert!(fs::read_to_string(&out)?.contains("\npriority = 50\n"));
    Ok(())
}

#[test]
fn a_configuration_that_cannot_be_understood_is_imported_as_far_as_it_can_be_and_not_run()
-> Result<()> {
    let broken = CONFIG.replacen("}\nvirtual_server", "virtual_server", 1);
    let (_dir, file) = written(&broken)?;
    let wanted = format!(
        "{}:1: vrrp_instance: error: the block that begins here is not closed",
        file.display()
    );
    let output = evenkeel(&["import"], &file)?;
    assert_eq!(output.status.code(), Some(3));
    assert!(
        text(&output.stderr).contains(&wanted),
        "{}",
        text(&output.stderr)
    );
    assert!(text(&output.stdout).contains("[[service]]"));
    let output = check(&file)?;
    assert_eq!(output.status.code(), Some(3));
    assert!(
        text(&output.stderr).contains(&wanted),
        "{}",
        text(&output.stderr)
    );
    Ok(())
}

#[test]
fn mistakes_in_a_keepalived_conf_are_reported_with_its_own_lines() -> Result<()> {
    let (_dir, file) = written(CONFIG)?;
    let output = check(&file)?;
    assert!(output.status.success(), "{}", text(&output.stderr));
    let (_dir, file) = written(&CONFIG.replace("weight 2", "weight 70000"))?;
    let output = check(&file)?;
    assert_eq!(output.status.code(), Some(3));
    let wanted = format!("{}:15: weight = 70000: ", file.display());
    assert!(
        text(&output.stderr).contains(&wanted),
        "{}",
        text(&output.stderr)
    );
    Ok(())
}

#[test]
fn a_file_that_is_not_there_is_said() -> Result<()> {
    let output = evenkeel(&["import"], Path::new("/nowhere/keepalived.conf"))?;
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot read /nowhere/keepalived.conf"));
    Ok(())
}
