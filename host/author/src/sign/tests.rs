use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use evenkeel_runtime::signature::Signature;
use tempfile::TempDir;

use super::*;

/// A shared object as far as its name tells: it can be signed without being a plugin.
fn file(directory: &TempDir) -> PathBuf {
    let file = directory.path().join("p.so");
    fs::write(&file, "content").unwrap();
    file
}

fn pair(directory: &TempDir, name: &str) -> NewKeys {
    new_keys(&directory.path().join(name), &Password::None).unwrap()
}

#[test]
fn what_is_signed_with_a_key_is_verified_with_its_other_half_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (file, keys, others) = (
        file(&directory),
        pair(&directory, "own"),
        pair(&directory, "other"),
    );
    let signed = sign(&file, &keys.secret, &Password::Ask).unwrap();
    assert_eq!(signed.file, directory.path().join("p.so.minisig"));
    let sum = Sha256::of(b"content");
    assert_eq!(signed.comment, format!("p.so sha256:{sum}"));
    let read = PublicKey::read(&keys.public).unwrap();
    assert_eq!((&signed.key, &read), (&keys.key, &keys.key));
    let signature = verify(&file, &Trust::new(vec![read], true)).unwrap();
    assert!(matches!(signature, Signature::Valid { comment, .. } if comment == signed.comment));
    assert!(verify(&file, &Trust::new(vec![others.key], true)).is_err());
    fs::write(&file, "another content").unwrap();
    let trust = Trust::new(vec![keys.key], true);
    let error = verify(&file, &trust).unwrap_err().to_string();
    assert!(error.contains("does not fit"), "{error}");
}

#[test]
fn a_secret_key_is_its_owners_alone_and_no_key_is_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let keys = pair(&directory, "own");
    let mode = keys.secret.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = fs::read(&keys.secret).unwrap();
    for gone in [None, Some(&keys.public)] {
        if let Some(gone) = gone {
            fs::remove_file(gone).unwrap();
        }
        let error = new_keys(&directory.path().join("own"), &Password::None).unwrap_err();
        assert!(error.to_string().contains("is there already"), "{error}");
        assert_eq!(fs::read(&keys.secret).unwrap(), before);
    }
    fs::rename(&keys.secret, &keys.public).unwrap();
    assert!(new_keys(&directory.path().join("own"), &Password::None).is_err());
    assert!(!keys.secret.exists(), "half a pair");
}

#[test]
fn a_key_with_a_password_signs_with_that_and_with_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let file = file(&directory);
    let password = |name: &str, text: &str| {
        let file = directory.path().join(name);
        fs::write(&file, text).unwrap();
        Password::File(file)
    };
    let right = password("right", "two words\n");
    let keys = new_keys(&directory.path().join("own"), &right).unwrap();
    sign(&file, &keys.secret, &right).unwrap();
    let signature = fs::read(signature::file_of(&file)).unwrap();
    for (wrong, wanted) in [
        (password("wrong", "two word\n"), "Wrong password"),
        (password("empty", "\n"), "is empty"),
        (Password::File(directory.path().join("none")), "cannot read"),
    ] {
        let error = sign(&file, &keys.secret, &wrong).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
        assert!(!error.contains("two word"), "{error}");
    }
    assert_eq!(fs::read(signature::file_of(&file)).unwrap(), signature);
}

#[test]
fn what_is_no_key_or_no_plugin_is_refused_and_nothing_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let (file, keys) = (file(&directory), pair(&directory, "own"));
    // A key of which some bytes are others.
    let text = fs::read_to_string(&keys.secret).unwrap();
    let damaged = directory.path().join("damaged.key");
    let line = text.lines().nth(1).unwrap();
    let other = if &line[100..104] == "AAAA" {
        "BBBB"
    } else {
        "AAAA"
    };
    let changed = format!("{}{other}{}", &line[..100], &line[104..]);
    fs::write(&damaged, text.replace(line, &changed)).unwrap();
    for key in [
        &damaged,
        &keys.public,
        &file,
        Path::new("/dev/zero"),
        Path::new("/"),
    ] {
        assert!(
            sign(&file, key, &Password::Ask).is_err(),
            "{}",
            key.display()
        );
    }
    let wasm = directory.path().join("p.wasm");
    fs::write(&wasm, "no plugin").unwrap();
    let error = sign(&wasm, &keys.secret, &Password::Ask).unwrap_err();
    assert!(error.to_string().contains("is no WebAssembly"), "{error}");
    let left = fs::read_dir(directory.path()).unwrap();
    let left = left.filter(|it| {
        it.as_ref()
            .unwrap()
            .path()
            .extension()
            .is_some_and(|it| it == "minisig")
    });
    assert_eq!(left.count(), 0);
}

/// Debian's minisign; `None`, and a word about it, where it is not installed.
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn minisign(directory: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("minisign")
        .args(arguments)
        .current_dir(directory)
        .output();
    let Ok(output) = output else {
        eprintln!("SKIPPED: minisign is not installed (Debian: apt install minisign)");
        return None;
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(output.status.success(), "{arguments:?}: {text}");
    Some(text)
}

#[test]
fn the_program_minisign_takes_our_signatures_and_keys_and_we_take_its() {
    let directory = tempfile::tempdir().unwrap();
    let (file, ours) = (file(&directory), pair(&directory, "own"));
    let run = |arguments: &[&str]| minisign(directory.path(), arguments);
    sign(&file, &ours.secret, &Password::Ask).unwrap();
    let Some(told) = run(&["-V", "-m", "p.so", "-p", "own.pub"]) else {
        return;
    };
    assert!(told.contains("p.so sha256:"), "{told}");
    // It signs with our secret key...
    run(&["-S", "-m", "p.so", "-s", "own.key", "-t", "by hand"]);
    let signature = verify(&file, &Trust::new(vec![ours.key], true)).unwrap();
    assert!(signature.to_string().ends_with("(by hand)"), "{signature}");
    // ...and we with its.
    run(&["-G", "-W", "-p", "its.pub", "-s", "its.key"]);
    let its = directory.path().join("its.key");
    let signed = sign(&file, &its, &Password::Ask).unwrap();
    run(&["-V", "-m", "p.so", "-p", "its.pub"]);
    let public = fs::read_to_string(directory.path().join("its.pub")).unwrap();
    assert!(public.contains(&signed.key.id.to_string()), "{public}");
    // Its old form is not taken.
    run(&["-S", "-l", "-m", "p.so", "-s", "its.key"]);
    let error = verify(&file, &Trust::new(vec![signed.key], false)).unwrap_err();
    assert!(error.to_string().contains("old form"), "{error}");
}
