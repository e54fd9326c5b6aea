use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use evenkeel_core::ids::{Numbered, Numbers};
use evenkeel_core::model::{Protocol, ServiceKey};
use nix::sys::stat::Mode;

use super::*;

fn id(n: u32) -> BackendId {
    BackendId::new(n).unwrap()
}

fn numbers(n: u32) -> Numbers {
    let server = Numbered {
        service: ServiceKey {
            addr: [192, 0, 2, 1].into(),
            port: 80,
            protocol: Protocol::Tcp,
        },
        server: ([10, 0, 0, 1], 80).into(),
        id: id(n),
    };
    Numbers {
        last: n,
        servers: vec![server],
    }
}

/// Keeps numbers and counts in the directory, and ends.
async fn keep(directory: &Path, n: u32) {
    let (keeper, _) = Keeper::start(directory);
    keeper.keep(News::Numbers(numbers(n)));
    keeper.taker()([(id(n), 7)].into());
    keeper.finish().await;
}

/// What is there for the next start.
fn kept(directory: &Path) -> (Numbers, u64) {
    let (_, kept) = Keeper::start(directory);
    let counts = kept.counts.values().map(|it| it.beyond).sum();
    (kept.numbers, counts)
}

fn directory() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("made/by/it");
    (dir, path)
}

#[tokio::test]
async fn what_is_kept_is_there_at_the_next_start_and_for_root_alone() {
    let (_dir, path) = directory();
    assert_eq!(kept(&path), (Numbers::default(), 0));
    keep(&path, 3).await;
    assert_eq!(kept(&path), (numbers(3), 7));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&path), mode(&path.join("servers.json"))),
        (0o700, 0o600)
    );
    keep(&path, 4).await;
    assert_eq!(kept(&path), (numbers(4), 7));
    assert_eq!(
        fs::read_dir(&path).unwrap().count(),
        1,
        "nothing is left over"
    );
}

#[tokio::test]
async fn whatever_is_in_the_file_s_place_is_told_and_replaced() {
    let (_dir, path) = directory();
    keep(&path, 3).await;
    let file = path.join("servers.json");
    let whole = fs::read(&file).unwrap();
    let other = path.join("other");
    type Damage<'a> = Box<dyn Fn() + 'a>;
    let damages: [(&str, Damage<'_>); 6] = [
        ("empty", Box::new(|| fs::write(&file, "").unwrap())),
        (
            "cut off",
            Box::new(|| fs::write(&file, &whole[..whole.len() / 2]).unwrap()),
        ),
        (
            "foreign",
            Box::new(|| fs::write(&file, [0xff, 0, 7]).unwrap()),
        ),
        (
            "a FIFO",
            Box::new(|| nix::unistd::mkfifo(&file, Mode::S_IRWXU).unwrap()),
        ),
        ("a link", Box::new(|| symlink(&other, &file).unwrap())),
        (
            "a device",
            Box::new(|| symlink("/dev/zero", &file).unwrap()),
        ),
    ];
    for (what, damage) in damages {
        fs::remove_file(&file).unwrap();
        damage();
        assert_eq!(kept(&path), (Numbers::default(), 0), "{what}");
        assert!(
            KeptFile::new(&path, NAME).read(form::read).is_err(),
            "{what}"
        );
        keep(&path, 5).await;
        assert_eq!(kept(&path), (numbers(5), 7), "{what}");
        assert!(!other.exists(), "a link is not followed");
    }
}

#[tokio::test]
async fn an_unfinished_write_leaves_the_old_file_and_is_no_hindrance() {
    let (_dir, path) = directory();
    keep(&path, 3).await;
    fs::write(path.join("servers.json.new"), "half a fi").unwrap();
    assert_eq!(kept(&path), (numbers(3), 7));
    keep(&path, 4).await;
    assert_eq!(kept(&path), (numbers(4), 7));
}

#[tokio::test]
async fn where_nothing_can_be_written_the_daemon_goes_on_and_the_next_write_is_tried() {
    let (_dir, path) = directory();
    // Root may write anywhere, but not below a file.
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, "in the way").unwrap();
    assert!(KeptFile::new(&path, NAME).write(b"{}").is_err());
    keep(&path, 3).await;
    assert_eq!(kept(&path), (Numbers::default(), 0));
    fs::remove_file(&path).unwrap();
    keep(&path, 4).await;
    assert_eq!(kept(&path), (numbers(4), 7));
}

#[test]
fn counts_are_kept_a_while_after_the_kernel_changed() {
    let (_dir, path) = directory();
    let (mut keeper, _) = Keeper::start(&path);
    let now = Instant::now();
    assert_eq!(keeper.poll_at(), None);
    keeper.kernel_changed(now);
    keeper.kernel_changed(now + Duration::from_secs(1));
    assert_eq!(keeper.poll_at(), Some(now + GATHER_DELAY));
    assert!(!keeper.due(now + Duration::from_secs(1)));
    assert!(keeper.due(now + GATHER_DELAY));
    assert_eq!(keeper.poll_at(), None);
}
