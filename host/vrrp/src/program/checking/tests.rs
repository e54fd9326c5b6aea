use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::super::KILL_DELAY;
use super::*;

fn sh(script: &str) -> CheckProgram {
    CheckProgram {
        command: ["/bin/sh", "-c", script].map(str::to_owned).into(),
        user: None,
        environment: vec![("EVENKEEL_PORT".to_owned(), "80".into())],
    }
}

async fn run(script: &str) -> Result<CheckEnd, String> {
    // Whoever this is may stay it: a test need not be able to become nobody.
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap();
    let user = user.map(|it| it.name);
    let program = CheckProgram { user, ..sh(script) };
    program.run(Box::new(())).await
}

fn end(code: u8, output: &str) -> Result<CheckEnd, String> {
    Ok(CheckEnd {
        code: Some(code),
        output: output.into(),
    })
}

/// Tells that it was dropped.
struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

#[tokio::test]
async fn the_exit_code_and_what_was_written_are_told() {
    assert_eq!(run("exit 0").await, end(0, ""));
    assert_eq!(
        run("echo out; echo err >&2; exit 52").await,
        end(52, "out\nerr\n")
    );
    let signalled = run("kill -9 $$").await.unwrap();
    assert_eq!(signalled.code, None);
    let program = CheckProgram {
        command: vec!["/no/such/program".to_owned()],
        ..sh("")
    };
    let missing = program.run(Box::new(())).await.unwrap_err();
    assert!(
        missing.contains("cannot be started") || missing.contains("there is no"),
        "{missing}"
    );
}

#[tokio::test]
async fn the_environment_has_the_target_and_nothing_of_the_daemons() {
    let script = "echo $EVENKEEL_PORT; pwd; test -z \"$CARGO_MANIFEST_DIR\" && test -n \"$PATH\"";
    assert_eq!(run(script).await, end(0, "80\n/\n"));
}

#[tokio::test]
async fn who_writes_much_is_not_held_up_and_its_begin_is_kept() {
    let ended = run("head -c 1000000 /dev/zero; exit 3").await.unwrap();
    assert_eq!((ended.code, ended.output), (Some(3), vec![0; KEPT]));
}

#[tokio::test]
async fn a_child_that_goes_on_is_not_waited_for() {
    let began = Instant::now();
    assert_eq!(run("sleep 20 & echo done").await, end(0, "done\n"));
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_program_that_is_given_up_and_ignores_sigterm_is_killed_later_and_held_until_then() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("number");
    let script = format!(
        "trap '' TERM; echo $$ > {}; while true; do sleep 0.1; done",
        file.display()
    );
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).unwrap();
    let program = CheckProgram {
        user: user.map(|it| it.name),
        ..sh(&script)
    };
    let gone = Arc::new(AtomicBool::new(false));
    let held = Box::new(Held(Arc::clone(&gone)));
    let (began, limit) = (Instant::now(), Duration::from_secs(1));
    tokio::time::timeout(limit, program.run(held))
        .await
        .unwrap_err();
    let process = std::fs::read_to_string(&file).unwrap();
    let process = format!("/proc/{}", process.trim());
    assert!(Path::new(&process).exists() && !gone.load(Ordering::Acquire));
    while Path::new(&process).exists() || !gone.load(Ordering::Acquire) {
        assert!(began.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(began.elapsed() >= limit + KILL_DELAY);
}

#[tokio::test]
async fn a_user_that_is_not_there_is_named() {
    let program = CheckProgram {
        user: Some("no-such-user".to_owned()),
        ..sh("exit 0")
    };
    let error = program.run(Box::new(())).await.unwrap_err();
    assert_eq!(error, "cannot be started: there is no user no-such-user");
}

#[tokio::test]
async fn root_runs_it_as_nobody_without_roots_groups_unless_it_is_told_otherwise() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let ended = sh("id -un; id -G | wc -w").run(Box::new(())).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.output), "nobody\n1\n");
    assert_eq!(run("id -un").await, end(0, "root\n"));
}
