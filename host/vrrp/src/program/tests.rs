use std::path::Path;
use std::time::Instant;

use super::*;

const LONG: Duration = Duration::from_secs(30);

fn sh(script: &str) -> Vec<String> {
    ["/bin/sh", "-c", script].map(str::to_owned).into()
}

fn exists(process: i32) -> bool {
    Path::new(&format!("/proc/{process}")).exists()
}

fn number(file: &Path) -> Option<i32> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

async fn wait_for<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LONG;
    loop {
        if let Some(it) = what() {
            return it;
        }
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn exit_status_0_is_well_and_all_else_is_not() {
    assert!(run(&sh("exit 0"), LONG, Abandoned::Ends).await.well());
    let failed = run(&sh("exit 3"), LONG, Abandoned::Ends).await;
    assert!(!failed.well());
    assert_eq!(failed.to_string(), "exit status: 3");
    let killed = run(&sh("kill -9 $$"), LONG, Abandoned::Ends).await;
    assert!(!killed.well());
    let missing = run(&["/no/such/program".to_owned()], LONG, Abandoned::Ends).await;
    assert!(!missing.well());
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_asked_to_end_with_its_children() {
    let directory = tempfile::tempdir().unwrap();
    let told = directory.path().join("told");
    let child = directory.path().join("child");
    let script = format!(
        "trap 'echo > {}; exit 0' TERM; sleep 100 & echo $! > {}; wait",
        told.display(),
        child.display()
    );
    let ended = run(&sh(&script), Duration::from_millis(300), Abandoned::Ends).await;
    assert!(matches!(ended, Ended::TooLong(_)), "{ended}");
    assert!(told.exists());
    let child = number(&child).unwrap();
    wait_for(|| (!exists(child)).then_some(())).await;
}

#[tokio::test]
async fn a_program_that_does_not_end_when_asked_is_killed_two_seconds_later() {
    let start = Instant::now();
    let script = "trap '' TERM; while true; do sleep 0.1; done";
    let ended = run(&sh(script), Duration::from_millis(100), Abandoned::Ends).await;
    assert!(matches!(ended, Ended::TooLong(_)), "{ended}");
    assert!(start.elapsed() >= Duration::from_millis(2100));
}

#[tokio::test]
async fn an_abandoned_program_ends_or_goes_on_as_asked() {
    for (abandoned, goes_on) in [(Abandoned::Ends, false), (Abandoned::GoesOn, true)] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("number");
        let command = sh(&format!("echo $$ > {}; exec sleep 100", file.display()));
        let task = tokio::spawn(async move { run(&command, LONG, abandoned).await });
        let process = wait_for(|| number(&file)).await;
        // So that what is written is not the shell any more.
        wait_for(|| {
            let name = std::fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
            (name.trim() == "sleep").then_some(())
        })
        .await;

        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());

        if goes_on {
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert!(exists(process));
            killpg(Pid::from_raw(process), Signal::SIGKILL).unwrap();
        }
        wait_for(|| (!exists(process)).then_some(())).await;
    }
}

#[tokio::test]
async fn a_program_has_nothing_to_read() {
    assert!(run(&sh("! read line"), LONG, Abandoned::Ends).await.well());
}

#[tokio::test]
async fn a_program_that_others_can_change_is_not_run_by_root() {
    use std::os::unix::fs::PermissionsExt;
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    std::fs::write(&program, "#!/bin/sh\nexit 0\n").unwrap();
    let command = [program.to_str().unwrap().to_owned()];
    let set = |mode| std::fs::set_permissions(&program, PermissionsExt::from_mode(mode)).unwrap();
    set(0o755);
    assert!(run(&command, LONG, Abandoned::Ends).await.well());
    set(0o757);
    let ended = run(&command, LONG, Abandoned::Ends).await;
    assert!(
        matches!(ended, Ended::Refused(Insecure::Writable(_))),
        "{ended}"
    );
}
