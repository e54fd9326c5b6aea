//! Checks that look at the director itself: commands and files, as far as the configuration grants them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use crate::support::{PATIENCE, Service};
use anyhow::{Context as _, Result, ensure};
use evenkeel_tests::{Article, Evenkeel, isolated, wait_until};
use serde_json::Value;

/// Times of a check that is made often, of something that a busy machine does not do at once.
const OFTEN: &str =
    r#"interval = "300ms", timeout = "2s", retries = 0, rise = 1, warmup = "1ms", alpha = true"#;

/// A directory that everybody may look into.
fn open_directory() -> Result<tempfile::TempDir> {
    let directory = tempfile::tempdir()?;
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
    Ok(directory)
}

fn service(net: &Article, plugin: &str, settings: &str, times: &str) -> String {
    Service::new(plugin, net.vip(80))
        .with(&format!(
            "check = {{ plugin = \"{plugin}\", {times}, settings = {{ {settings} }} }}"
        ))
        .text()
        + &format!(
            "[[service.server]]\naddress = \"{}\"\nweight = 100\n",
            net.server(0, 5000)
        )
}

fn server(status: &Value) -> &Value {
    &status["services"][0]["servers"][0]
}

fn has_reason(status: &Value, health: &str, part: &str) -> bool {
    let found = server(status);
    let reason = found["reason"].as_str().unwrap_or_default();
    found["health"] == health && reason.contains(part)
}

fn wait_for(evenkeel: &Evenkeel, what: &str, is: impl Fn(&Value) -> bool) -> Result<()> {
    evenkeel
        .wait_status(what, PATIENCE, is)
        .with_context(|| format!("{:#?}\n{}", evenkeel.status(), evenkeel.log()))?;
    Ok(())
}

#[test]
fn a_command_says_by_its_exit_code_whether_a_server_is_well_and_what_it_weighs() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let directory = open_directory()?;
        let (script, code) = (
            directory.path().join("check"),
            directory.path().join("code"),
        );
        // Without `user` it is nobody who runs it.
        let text = format!(
            "#!/bin/sh\necho \"$EVENKEEL_SERVER $EVENKEEL_ADDRESS $EVENKEEL_PORT $1 $(id -un)\"\nexit $(cat {})\n",
            code.display()
        );
        fs::write(&script, text)?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        fs::write(&code, "0")?;
        let words = format!("[\"{}\", \"two words\"]", script.display());
        let config = format!(
            "[plugins.grants]\nscript = {{ commands = [{words}] }}\n{}",
            service(
                &net,
                "script",
                &format!("command = {words}, dynamic-weight = true"),
                OFTEN
            )
        );
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        wait_for(&evenkeel, "exit code 0", |it| server(it)["health"] == "up")?;
        fs::write(&code, "1")?;
        let address = net.server(0, 5000);
        let reason = format!(
            "exit code 1: {address} {} {} two words nobody",
            address.ip(),
            address.port()
        );
        wait_for(&evenkeel, &reason, |it| has_reason(it, "down", &reason))?;
        fs::write(&code, "52")?;
        wait_for(&evenkeel, "half of its weight", |it| {
            has_reason(it, "up", "exit code 52") && server(it)["effective_weight"] == 50
        })?;
        fs::write(&code, "0")?;
        wait_for(&evenkeel, "all of its weight", |it| {
            server(it)["health"] == "up" && server(it)["effective_weight"] == 100
        })?;
        Ok(())
    })
}

#[test]
fn a_command_that_ignores_sigterm_fails_its_check_and_is_killed_and_holds_up_no_other() -> Result<()>
{
    isolated(|| {
        let net = Article::new(1)?;
        let directory = open_directory()?;
        let (script, number) = (
            directory.path().join("stuck"),
            directory.path().join("number"),
        );
        let text = format!(
            "#!/bin/sh\ntrap '' TERM\necho $$ >> {}\nwhile true; do sleep 0.1; done\n",
            number.display()
        );
        fs::write(&script, text)?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        let load = directory.path().join("load");
        fs::write(&load, "0\n")?;
        let command = format!("command = [\"{}\"]", script.display());
        let other = Service::new("other", net.vip(81))
            .with(&format!(
                "check = {{ plugin = \"file\", {OFTEN}, settings = {{ path = \"{}\" }} }}",
                load.display()
            ))
            .servers([net.server(0, 5001)])
            .text();
        let config = format!(
            "[plugins.grants]\nscript = {{ commands = [\"{}\"], user = \"root\" }}\nfile = {{ files = [\"{}\"] }}\n{}{other}",
            script.display(),
            load.display(),
            service(
                &net,
                "script",
                &command,
                r#"interval = "1m", timeout = "1s", retries = 0, warmup = "1ms", alpha = true"#
            )
        );
        let mut evenkeel = Evenkeel::new(&net.director, &config)?;
        evenkeel.start()?;
        wait_for(&evenkeel, "its time is over", |it| {
            has_reason(it, "down", "timed out after 1s waiting for the command")
        })?;
        let stuck = fs::read_to_string(&number)?;
        let process = format!("/proc/{}", stuck.trim());
        ensure!(Path::new(&process).exists(), "{process} got SIGTERM alone");
        fs::write(&load, "1\n")?;
        let second = |it: &Value| it["services"][1]["servers"][0]["health"] == "down";
        wait_for(&evenkeel, "the other check goes on", second)?;
        wait_until("it is killed", Duration::from_secs(10), || {
            Ok(!Path::new(&process).exists())
        })?;
        Ok(())
    })
}

#[test]
fn a_number_in_a_file_says_whether_a_server_is_well_or_what_it_weighs() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let directory = open_directory()?;
        let file = directory.path().join("load");
        fs::write(&file, "0\n")?;
        let path = format!("path = \"{}\"", file.display());
        let config = |more: &str| {
            format!(
                "[plugins.grants]\nfile = {{ files = [\"{}\"] }}\n{}",
                file.display(),
                service(&net, "file", &format!("{path}{more}"), OFTEN)
            )
        };
        let mut evenkeel = Evenkeel::new(&net.director, &config(""))?;
        evenkeel.start()?;
        wait_for(&evenkeel, "0", |it| server(it)["health"] == "up")?;
        fs::write(&file, "7")?;
        wait_for(&evenkeel, "7", |it| has_reason(it, "down", "7 in "))?;
        fs::write(&file, "0")?;
        wait_for(&evenkeel, "0 again", |it| server(it)["health"] == "up")?;
        fs::remove_file(&file)?;
        nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU)?;
        wait_for(&evenkeel, "a pipe", |it| {
            has_reason(it, "down", "no regular file")
        })?;
        fs::remove_file(&file)?;
        wait_for(&evenkeel, "no file", |it| {
            has_reason(it, "down", "No such file")
        })?;

        fs::write(&file, "30")?;
        evenkeel.reload(&config(", means = \"weight\""))?;
        wait_for(&evenkeel, "30 %", |it| {
            has_reason(it, "up", "30 in ") && server(it)["effective_weight"] == 30
        })?;
        Ok(())
    })
}

#[test]
fn what_is_not_granted_is_refused_by_check_and_reload_with_the_line_that_would_grant_it()
-> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let plain = service(&net, "script", r#"command = ["/bin/true"]"#, OFTEN);
        let granted =
            |words: &str| format!("[plugins.grants]\nscript = {{ commands = [{words}] }}\n{plain}");
        let mut evenkeel = Evenkeel::new(&net.director, &plain)?;
        let refused = evenkeel.check()?;
        let shown = String::from_utf8_lossy(&refused.stderr).into_owned();
        ensure!(!refused.status.success(), "{shown}");
        let line = r#"script = { commands = [["/bin/true"]] }"#;
        ensure!(shown.contains(line), "{shown}");

        evenkeel.configure(&granted(r#"["/bin/true"]"#))?;
        evenkeel.start()?;
        wait_for(&evenkeel, "it runs", |it| server(it)["health"] == "up")?;
        evenkeel.reload(&granted(r#"["/bin/true", "-v"]"#))?;
        evenkeel.wait_log("plugin script is not granted this command", PATIENCE)?;
        let up = server(&evenkeel.status()?)["health"] == "up";
        ensure!(up, "{:#?}", evenkeel.status());
        Ok(())
    })
}

#[test]
fn a_keepalived_conf_grants_the_command_of_its_misc_check_itself() -> Result<()> {
    isolated(|| {
        let net = Article::new(1)?;
        let directory = open_directory()?;
        let code = directory.path().join("code");
        fs::write(&code, "0")?;
        let (vip, address) = (net.vip(80), net.server(0, 5000));
        let text = format!(
            "virtual_server {} {} {{\n delay_loop 1\n lb_algo rr\n lb_kind NAT\n protocol TCP\n real_server {} {} {{\n weight 10\n MISC_CHECK {{\n misc_path \"/bin/sh -c 'exit $(cat {})'\"\n misc_timeout 5\n misc_dynamic\n }}\n }}\n}}\n",
            vip.ip(),
            vip.port(),
            address.ip(),
            address.port(),
            code.display()
        );
        let mut evenkeel = Evenkeel::with_file(&net.director, "keepalived.conf", text.as_bytes())?;
        evenkeel.start()?;
        wait_for(&evenkeel, "exit code 0", |it| server(it)["health"] == "up")?;
        fs::write(&code, "7")?;
        wait_for(&evenkeel, "half of its weight", |it| {
            server(it)["effective_weight"] == 5
        })?;
        fs::write(&code, "1")?;
        wait_for(&evenkeel, "it fails", |it| {
            has_reason(it, "down", "exit code 1")
        })?;
        Ok(())
    })
}
