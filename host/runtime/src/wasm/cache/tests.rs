use std::fs::File;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;

fn open(directory: &Path) -> Result<Cache, String> {
    Cache::open(directory, Owner::Own, &Engine::default())
}

#[test]
fn a_directory_that_others_can_enter_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    for mode in [0o701, 0o710, 0o770, 0o777] {
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
        assert!(
            open(directory.path())
                .unwrap_err()
                .starts_with("is open to others")
        );
    }
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
    open(directory.path()).unwrap();
}

#[test]
fn a_link_to_a_directory_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let link = parent.path().join("link");
    symlink(parent.path(), &link).unwrap();
    assert!(open(&link).unwrap_err().contains("symbolic link"));
}

#[test]
fn a_directory_of_another_user_is_refused() {
    // Needs root to give the directory away; anyone else finds root's.
    let directory = tempfile::tempdir().unwrap();
    let path = if nix::unistd::geteuid().is_root() {
        nix::unistd::chown(directory.path(), Some(12_345.into()), None).unwrap();
        directory.path()
    } else {
        Path::new("/")
    };
    assert!(open(path).unwrap_err().starts_with("belongs to user"));
}

#[test]
fn a_directory_that_cannot_be_made_is_refused() {
    assert!(
        open(Path::new("/dev/null/cache"))
            .unwrap_err()
            .starts_with("cannot be made")
    );
}

#[test]
fn the_longest_unused_goes_first_and_unfinished_files_go_when_they_are_old() {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let cache = open(directory.path()).unwrap();
    let now = SystemTime::now();
    let make = |name: &str, age: Duration| {
        let path = directory.path().join(name);
        File::create(&path)
            .unwrap()
            .set_modified(now - age)
            .unwrap();
        path
    };
    let old = make("old.compiled", Duration::from_secs(9_000_000));
    let young = make("young.compiled", Duration::ZERO);
    for n in 0..KEPT - 1 {
        make(&format!("{n}.compiled"), Duration::from_secs(1000));
    }
    let stranger = make("notes.txt", Duration::from_secs(9_000_000));
    let crashed = make("1.new", UNFINISHED * 2);
    let under_way = make("2.new", Duration::ZERO);
    cache.prune().unwrap();
    assert_eq!([&old, &crashed].map(|p| p.exists()), [false; 2]);
    assert_eq!(
        [&young, &stranger, &under_way].map(|p| p.exists()),
        [true; 3]
    );
}

#[test]
fn a_borrowed_directory_is_not_made() {
    let parent = tempfile::tempdir().unwrap();
    let missing = parent.path().join("cache");
    let open = |owner| Cache::open(&missing, owner, &Engine::default());
    assert!(open(Owner::Borrowed).is_err());
    assert!(!missing.exists());
    open(Owner::Own).unwrap();
    open(Owner::Borrowed).unwrap();
}

#[test]
fn a_manifest_is_remembered_for_the_same_bytes_only_and_not_when_it_is_damaged() {
    let parent = tempfile::tempdir().unwrap();
    let cache = open(&parent.path().join("cache")).unwrap();
    let (wasm, other) = (Sha256::of(b"wasm"), Sha256::of(b"other"));
    cache.keep_manifest(&wasm, b"manifest");
    assert_eq!(cache.manifest(&wasm).unwrap(), b"manifest");
    assert!(cache.manifest(&other).is_none());
    let file = cache.manifest_file(&wasm);
    let mut bytes = fs::read(&file).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&file, bytes).unwrap();
    assert!(cache.manifest(&wasm).is_none());
}
