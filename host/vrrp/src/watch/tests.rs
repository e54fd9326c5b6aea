use std::path::Path;
use std::process::{Child, Command};
use std::slice::from_ref;
use std::time::{Duration, Instant};

use evenkeel_core::model::{Announce, Checksum, Family, Notify, Track, VrrpInstance, VrrpVersion};

use super::*;

const LIMIT: Duration = Duration::from_secs(20);

fn config(tracked: &[Tracked], scripts: Vec<Script>) -> Vrrp {
    let instance = VrrpInstance {
        name: "V".to_owned(),
        interface: "eth0".to_owned(),
        router_id: 51,
        version: VrrpVersion::V3,
        family: Family::V4,
        priority: 100,
        advert_interval: Duration::from_secs(1),
        preempt: true,
        preempt_delay: Duration::ZERO,
        password: None,
        checksum: Checksum::PseudoHeader,
        source: None,
        peers: Vec::new(),
        addresses: Vec::new(),
        routes: Vec::new(),
        rules: Vec::new(),
        announce: Announce::default(),
        virtual_mac: None,
        address_lifetime: None,
        track: tracked
            .iter()
            .map(|what| Track {
                what: what.clone(),
                weight: 0,
                reverse: false,
            })
            .collect(),
        notify: Notify::default(),
    };
    Vrrp {
        instances: vec![instance],
        scripts,
        ..Vrrp::default()
    }
}

fn script(name: &str, text: &str, millis: u64) -> Script {
    Script {
        name: name.to_owned(),
        command: ["/bin/sh", "-c", text].map(str::to_owned).into(),
        interval: Duration::from_millis(millis),
        timeout: Duration::from_secs(10),
        rise: 1,
        fall: 1,
    }
}

struct Watching {
    watchers: Watchers,
    readings: mpsc::UnboundedReceiver<(Tracked, Reading)>,
}

impl Watching {
    fn new(config: &Vrrp) -> Self {
        let (sender, readings) = mpsc::unbounded_channel();
        let mut watchers = Watchers::start(sender);
        watchers.configure(config);
        Self { watchers, readings }
    }

    async fn next(&mut self) -> (Tracked, Reading) {
        let next = tokio::time::timeout(LIMIT, self.readings.recv()).await;
        next.expect("no reading").expect("watching has ended")
    }

    async fn expect(&mut self, tracked: &Tracked, reading: Reading) {
        assert_eq!(self.next().await, (tracked.clone(), reading));
    }

    async fn is_silent_for(&mut self, millis: u64) {
        let time = Duration::from_millis(millis);
        let next = tokio::time::timeout(time, self.readings.recv()).await;
        assert!(next.is_err(), "{next:?}");
    }
}

#[tokio::test]
async fn a_script_tells_how_it_is_at_once_and_when_that_changes() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("well");
    let tracked = Tracked::Script("check".to_owned());
    let check = script("check", &format!("test -e {}", file.display()), 50);
    let mut watching = Watching::new(&config(from_ref(&tracked), vec![check]));
    watching.expect(&tracked, Reading::Down).await;
    std::fs::write(&file, "").unwrap();
    watching.expect(&tracked, Reading::Up).await;
    watching.is_silent_for(200).await;
    std::fs::remove_file(&file).unwrap();
    watching.expect(&tracked, Reading::Down).await;
}

#[tokio::test]
async fn a_script_that_hangs_has_failed_is_ended_and_is_never_run_twice_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let tracked = Tracked::Script("stuck".to_owned());
    // It says so when another of it runs.
    let text = format!(
        "echo start >> {log}; mkdir {lock} || echo twice >> {log}; trap 'rmdir {lock}; exit' TERM; \
         while true; do sleep 0.05; done",
        log = log.display(),
        lock = directory.path().join("lock").display()
    );
    let mut stuck = script("stuck", &text, 50);
    stuck.timeout = Duration::from_millis(200);
    let mut watching = Watching::new(&config(from_ref(&tracked), vec![stuck]));
    watching.expect(&tracked, Reading::Down).await;
    watching.is_silent_for(1000).await;
    let lines = std::fs::read_to_string(&log).unwrap();
    assert!(lines.matches("start").count() >= 2, "{lines}");
    assert!(!lines.contains("twice"), "{lines}");
}

#[tokio::test]
async fn a_script_that_runs_ends_with_its_watching() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("number");
    let text = format!("echo $$ > {}; sleep 100", file.display());
    let tracked = Tracked::Script("long".to_owned());
    let watching = Watching::new(&config(&[tracked], vec![script("long", &text, 1000)]));
    let process = wait_for(|| {
        std::fs::read_to_string(&file)
            .ok()
            .filter(|it| it.ends_with('\n'))
    })
    .await;
    let process = format!("/proc/{}", process.trim());
    assert!(Path::new(&process).exists());

    drop(watching);

    wait_for(|| (!Path::new(&process).exists()).then_some(())).await;
}

#[tokio::test]
async fn a_reload_leaves_alone_what_stays_and_ends_what_goes() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let starts = || {
        std::fs::read_to_string(&log)
            .unwrap_or_default()
            .matches("once")
            .count()
    };
    let [stays, goes] = ["stays", "goes"].map(|name| Tracked::Script(name.to_owned()));
    // A long interval: run again only if it is started again.
    let once = script("stays", &format!("echo once >> {}", log.display()), 60_000);
    let scripts = vec![once.clone(), script("goes", "exit 1", 20)];
    let mut watching = Watching::new(&config(&[stays.clone(), goes.clone()], scripts));
    let mut first = vec![watching.next().await, watching.next().await];
    first.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(first, [(goes, Reading::Down), (stays.clone(), Reading::Up)]);

    watching
        .watchers
        .configure(&config(from_ref(&stays), vec![once.clone()]));
    watching.is_silent_for(200).await;
    assert_eq!(starts(), 1);

    let mut other = once;
    other.fall = 2;
    watching
        .watchers
        .configure(&config(from_ref(&stays), vec![other]));
    watching.expect(&stays, Reading::Up).await;
    assert_eq!(starts(), 2);
}

#[tokio::test]
async fn a_files_number_is_reported_and_soon_when_it_is_written_or_replaced_or_goes() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("number");
    let tracked = Tracked::File(file.clone());
    let mut watching = Watching::new(&config(from_ref(&tracked), Vec::new()));
    watching.expect(&tracked, Reading::Number(0)).await;

    let start = Instant::now();
    std::fs::write(&file, "-20\n").unwrap();
    watching.expect(&tracked, Reading::Number(-20)).await;
    let new = directory.path().join("new");
    std::fs::write(&new, "30").unwrap();
    std::fs::rename(&new, &file).unwrap();
    watching.expect(&tracked, Reading::Number(30)).await;
    std::fs::write(&file, "nonsense").unwrap();
    watching.expect(&tracked, Reading::Number(0)).await;
    std::fs::write(&file, "7").unwrap();
    watching.expect(&tracked, Reading::Number(7)).await;
    std::fs::remove_file(&file).unwrap();
    watching.expect(&tracked, Reading::Number(0)).await;
    // By looking each second alone it would take five.
    assert!(start.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_file_whose_directory_comes_later_is_read_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let later = directory.path().join("later");
    let file = later.join("number");
    let tracked = Tracked::File(file.clone());
    let mut watching = Watching::new(&config(from_ref(&tracked), Vec::new()));
    watching.expect(&tracked, Reading::Number(0)).await;
    std::fs::create_dir(&later).unwrap();
    std::fs::write(&file, "5").unwrap();
    watching.expect(&tracked, Reading::Number(5)).await;
    std::fs::remove_dir_all(&later).unwrap();
    watching.expect(&tracked, Reading::Number(0)).await;
    std::fs::create_dir(&later).unwrap();
    std::fs::write(&file, "6").unwrap();
    watching.expect(&tracked, Reading::Number(6)).await;
}

/// A process of that program.
fn process(program: &Path) -> Child {
    Command::new(program).arg("100").spawn().unwrap()
}

#[tokio::test]
async fn a_process_runs_as_long_as_one_of_its_name_does() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory
        .path()
        .join(format!("tracked-{}", std::process::id()));
    std::fs::copy("/bin/sleep", &program).unwrap();
    let name = program.file_name().unwrap().to_str().unwrap().to_owned();
    let by_name = Tracked::Process(name);
    let by_path = Tracked::Process(program.to_str().unwrap().to_owned());
    let mut children = [process(&program), process(&program)];
    let both = config(&[by_name.clone(), by_path.clone()], Vec::new());
    let mut watching = Watching::new(&both);
    watching.expect(&by_path, Reading::Up).await;
    watching.expect(&by_name, Reading::Up).await;

    children[0].kill().unwrap();
    children[0].wait().unwrap();
    watching.is_silent_for(1500).await;
    children[1].kill().unwrap();
    children[1].wait().unwrap();

    watching.expect(&by_path, Reading::Down).await;
    watching.expect(&by_name, Reading::Down).await;
}

async fn wait_for<T>(mut what: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + LIMIT;
    loop {
        if let Some(it) = what() {
            return it;
        }
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
