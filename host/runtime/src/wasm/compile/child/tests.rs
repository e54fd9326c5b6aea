use super::*;

const LIMITS: Limits = Limits {
    processor: 30,
    clock: std::time::Duration::from_secs(120),
    memory: 1 << 30,
    code: 16 << 20,
};

/// A child that ended with this status of `wait(2)`.
fn ended(status: Option<i32>, said: &str) -> Result<(), String> {
    let outcome = Outcome {
        status: status.map(ExitStatus::from_raw),
        said: said.to_owned(),
        code: memory("test").map_err(|error| error.to_string())?,
    };
    judge(&outcome, &LIMITS)
}

#[test]
fn each_end_of_the_compiler_is_called_by_its_name() {
    let exit = |code: i32| code << 8;
    assert_eq!(ended(Some(exit(0)), "a warning"), Ok(()));
    let abort = Signal::SIGABRT as i32;
    for (status, said, reason) in [
        (None, "", "is not compiled: that takes more than 120 s"),
        (
            Some(Signal::SIGXCPU as i32),
            "",
            "is not compiled: that takes more than 30 s of processor time",
        ),
        (
            Some(Signal::SIGXFSZ as i32),
            "",
            "is not compiled: that takes more than 16 MiB of machine code",
        ),
        (
            Some(abort),
            "memory allocation of 4096 bytes failed\n",
            "is not compiled: that takes more than 1024 MiB of memory",
        ),
        (
            Some(exit(1)),
            "mmap: Cannot allocate memory (os error 12)",
            "is not compiled: that takes more than 1024 MiB of memory",
        ),
        (
            Some(abort),
            "thread 'main' has overflowed its stack",
            "is not compiled: it overflows the compiler's stack",
        ),
        (
            Some(Signal::SIGSEGV as i32),
            "",
            "is not compiled: the compiler crashes on it (SIGSEGV)",
        ),
        (
            Some(exit(1)),
            "type mismatch\n",
            "cannot be compiled: type mismatch",
        ),
        (
            Some(exit(101)),
            "panicked",
            "cannot be compiled: the compiler's process ended with exit status: 101: panicked",
        ),
    ] {
        assert_eq!(ended(status, said), Err(reason.to_owned()));
    }
    let killed = ended(Some(Signal::SIGKILL as i32), "").unwrap_err();
    assert!(killed.contains("killed from outside"), "{killed}");
}

#[test]
fn a_program_that_does_not_end_is_ended_and_leaves_no_process() {
    let mut child = Reaped(
        Command::new("sleep")
            .arg("600")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let id = child.0.id();
    let stderr = child.0.stderr.take().unwrap();
    let soon = Instant::now() + std::time::Duration::from_millis(50);
    assert!(!listen(stderr, soon, &mut Vec::new()).unwrap());
    drop(child);
    assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
}

#[test]
fn what_a_child_says_is_heard_and_bounded() {
    let mut child = Reaped(
        Command::new("sh")
            .args(["-c", "head -c 100000 /dev/zero >&2"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let stderr = child.0.stderr.take().unwrap();
    let late = Instant::now() + std::time::Duration::from_secs(60);
    let mut said = Vec::new();
    assert!(listen(stderr, late, &mut said).unwrap());
    assert_eq!(said.len(), SAID);
}
