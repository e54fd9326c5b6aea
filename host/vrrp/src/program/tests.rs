use std::path::Path;
use std::time::Instant;

use nix::sys::signal::killpg;
use nix::unistd::Pid;

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
    assert!(
        run(&Place::default(), &sh("exit 0"), LONG, Abandoned::Ends)
            .await
            .well()
    );
    let failed = run(&Place::default(), &sh("exit 3"), LONG, Abandoned::Ends).await;
    assert!(!failed.well());
    assert_eq!(failed.to_string(), "exit status: 3");
    let killed = run(&Place::default(), &sh("kill -9 $$"), LONG, Abandoned::Ends).await;
    assert!(!killed.well());
    let missing = run(
        &Place::default(),
        &["/no/such/program".to_owned()],
        LONG,
        Abandoned::Ends,
    )
    .await;
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
    let ended = run(
        &Place::default(),
        &sh(&script),
        Duration::from_millis(300),
        Abandoned::GoesOn,
    )
    .await;
    assert!(matches!(ended, Ended::TooLong(_)), "{ended}");
    wait_for(|| told.exists().then_some(())).await;
    let child = number(&child).unwrap();
    wait_for(|| (!exists(child)).then_some(())).await;
}

#[tokio::test]
async fn the_verdict_comes_at_the_limit_and_what_does_not_end_when_asked_is_killed_later() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("number");
    let script = format!(
        "trap '' TERM; echo $$ > {}; while true; do sleep 0.1; done",
        file.display()
    );
    let (place, limit) = (Place::default(), Duration::from_secs(1));
    let start = Instant::now();
    let ended = run(&place, &sh(&script), limit, Abandoned::GoesOn).await;
    assert!(matches!(ended, Ended::TooLong(_)), "{ended}");
    let process = number(&file).unwrap();
    assert!(exists(process), "it has not been killed yet");
    assert_eq!(place.runs(), 1);
    wait_for(|| (!exists(process)).then_some(())).await;
    assert!(start.elapsed() >= limit + KILL_DELAY);
    wait_for(|| (place.runs() == 0).then_some(())).await;
}

#[tokio::test]
async fn an_abandoned_program_ends_or_goes_on_as_asked() {
    for (abandoned, goes_on) in [(Abandoned::Ends, false), (Abandoned::GoesOn, true)] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("number");
        let command = sh(&format!("echo $$ > {}; exec sleep 100", file.display()));
        let task =
            tokio::spawn(async move { run(&Place::default(), &command, LONG, abandoned).await });
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
    assert!(
        run(&Place::default(), &sh("! read line"), LONG, Abandoned::Ends)
            .await
            .well()
    );
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
    assert!(
        run(&Place::default(), &command, LONG, Abandoned::Ends)
            .await
            .well()
    );
    set(0o757);
    let ended = run(&Place::default(), &command, LONG, Abandoned::Ends).await;
    assert!(
        matches!(ended, Ended::Refused(Insecure::Writable(_))),
        "{ended}"
    );
}
