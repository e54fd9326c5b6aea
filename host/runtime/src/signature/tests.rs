use std::fs;
use std::io::Cursor;
use std::os::unix::fs::symlink;

use minisign::{KeyPair, PublicKey as MadeKey};
use tempfile::TempDir;

use super::*;

/// A pair of keys of minisign's own making.
struct Keys(KeyPair);

impl Keys {
    fn new() -> Self {
        Self(KeyPair::generate_unencrypted_keypair().unwrap())
    }

    fn public(&self) -> PublicKey {
        PublicKey::parse(&MadeKey::to_base64(&self.0.pk)).unwrap()
    }

    fn trusted(&self, required: bool) -> Trust {
        Trust::new(vec![self.public()], required)
    }

    fn sign(&self, content: &[u8], comment: &str) -> String {
        let content = Cursor::new(content);
        minisign::sign(Some(&self.0.pk), &self.0.sk, content, Some(comment), None)
            .unwrap()
            .into_string()
    }
}

/// A directory with a file and, if there is one, its signature.
fn signed(content: &[u8], signature: Option<&str>) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.wasm");
    fs::write(&file, content).unwrap();
    if let Some(signature) = signature {
        fs::write(file_of(&file), signature).unwrap();
    }
    (directory, file)
}

#[test]
fn a_signature_by_a_trusted_key_tells_the_key_and_the_comment() {
    let keys = Keys::new();
    let (_directory, file) = signed(b"code", Some(&keys.sign(b"code", "rr 0.1.0\u{202e}x")));
    let signature = keys.trusted(true).judge(&file, b"code").unwrap();
    let (key, comment) = signature.signer().unwrap();
    assert_eq!((key, comment), (&keys.public(), "rr 0.1.0\\u{202e}x"));
    let shown = signature.to_string();
    assert_eq!(shown, format!("signed by {} ({comment})", key.id));
}

#[test]
fn a_keys_number_is_printed_as_minisign_prints_it() {
    // The key of minisign's own releases.
    let key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let key = PublicKey::parse(&format!("untrusted comment: any\n{key}\n\n")).unwrap();
    assert_eq!(key.id.to_string(), "E7620F1842B4E81F");
}

#[test]
fn one_that_is_not_of_this_content_is_refused_with_both_facts_signed_or_not_required() {
    let keys = Keys::new();
    let (_directory, file) = signed(b"other", Some(&keys.sign(b"code", "rr 0.1.0")));
    for required in [false, true] {
        let reason = keys.trusted(required).judge(&file, b"other").unwrap_err();
        let sum = Sha256::of(b"other").to_string();
        let id = keys.public().id.to_string();
        for part in ["p.wasm.minisig", "rr 0.1.0", &sum, &id] {
            assert!(reason.contains(part), "{part} in {reason}");
        }
    }
}

#[test]
fn a_forged_comment_a_changed_signature_and_the_old_form_are_refused() {
    let keys = Keys::new();
    let good = keys.sign(b"code", "rr 0.1.0");
    let trust = keys.trusted(false);
    let judge = |signature: &str| trust.judge_with(Path::new("s"), signature.as_bytes(), b"code");
    assert!(judge(&good).is_ok());
    assert!(judge(&good.replace("rr 0.1.0", "rr 0.2.0")).is_err());
    let lines: Vec<&str> = good.lines().collect();
    let changed = |at: usize, bits: u8| {
        let mut bytes = Base64::decode_to_vec(lines[1], None).unwrap();
        bytes[at] ^= bits;
        let written = <Base64 as ct_codecs::Encoder>::encode_to_string(&bytes).unwrap();
        judge(&good.replace(lines[1], &written))
    };
    // The algorithm ED becomes Ed.
    let reason = changed(1, b'D' ^ b'd').unwrap_err();
    assert!(reason.contains("old form"), "{reason}");
    for at in 10..74 {
        assert!(changed(at, 1).is_err(), "byte {at}");
    }
    for cut in 0..good.len() - 1 {
        let outcome = judge(&good[..cut]);
        assert!(
            !matches!(outcome, Ok(Signature::Valid { .. })),
            "cut at {cut}"
        );
    }
}

#[test]
fn without_a_signature_or_with_a_strangers_a_file_is_used_unless_one_is_required() {
    let (keys, stranger) = (Keys::new(), Keys::new());
    let id = stranger.public().id;
    let written = stranger.sign(b"code", "");
    for (signature, what, shown) in [
        (None, "is not signed", "unsigned".to_owned()),
        (
            Some(&*written),
            "is signed by key",
            format!("signed by {id}, which is not trusted"),
        ),
    ] {
        let (_directory, file) = signed(b"code", signature);
        let judged = keys.trusted(false).judge(&file, b"code").unwrap();
        assert_eq!(judged.to_string(), shown);
        assert!(judged.signer().is_none());
        let reason = keys.trusted(true).judge(&file, b"code").unwrap_err();
        assert!(reason.contains(what), "{reason}");
        assert!(reason.contains(&keys.public().id.to_string()), "{reason}");
        let none = Trust::new(Vec::new(), true).judge(&file, b"code");
        assert!(none.unwrap_err().contains("no key is trusted"));
    }
}

#[test]
fn a_stranger_with_the_number_of_a_trusted_key_gets_nothing_by_it() {
    let (keys, mut stranger) = (Keys::new(), Keys::new());
    let mut bytes = stranger.0.sk.to_bytes();
    // Algorithms and the salt of a password stand before the number.
    let at = bytes
        .windows(8)
        .position(|it| it == stranger.0.pk.keynum())
        .unwrap();
    bytes[at..at + 8].copy_from_slice(keys.0.pk.keynum());
    stranger.0.sk = minisign::SecretKey::from_bytes(&bytes).unwrap();
    let content = Cursor::new(b"code");
    let forged = minisign::sign(None, &stranger.0.sk, content, Some(""), None)
        .unwrap()
        .into_string();
    let reason = keys
        .trusted(false)
        .judge_with(Path::new("s"), forged.as_bytes(), b"code")
        .unwrap_err();
    assert!(reason.contains("does not fit"), "{reason}");
}

#[test]
fn a_file_in_the_place_of_a_signature_that_is_none_is_an_error_and_nobody_waits_for_it() {
    let keys = Keys::new();
    let trust = keys.trusted(false);
    let (directory, file) = signed(b"code", None);
    let path = file_of(&file);
    let large = vec![b'x'; 20_000];
    let cases: [(&str, &dyn Fn()); 8] = [
        ("is none of minisign", &|| fs::write(&path, "").unwrap()),
        ("is none of minisign", &|| {
            fs::write(&path, "\x1b[2J\n\n\n\n").unwrap();
        }),
        ("is no text", &|| fs::write(&path, [0xff; 300]).unwrap()),
        ("is larger than 16 KiB", &|| {
            fs::write(&path, &large).unwrap()
        }),
        ("is no regular file", &|| {
            nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        }),
        ("is no regular file", &|| {
            symlink("/dev/zero", &path).unwrap()
        }),
        ("is no regular file", &|| {
            symlink(directory.path(), &path).unwrap();
        }),
        ("No such file", &|| symlink("/nowhere/x", &path).unwrap()),
    ];
    for (wanted, make) in cases {
        let _ = fs::remove_file(&path);
        make();
        let reason = trust.judge(&file, b"code").unwrap_err();
        assert!(reason.contains(wanted), "{wanted}: {reason}");
        assert!(!reason.contains('\x1b'), "{reason:?}");
    }
}

#[test]
fn what_was_signed_by_a_key_that_is_trusted_no_more_is_not_permitted_where_that_is_required() {
    let (keys, other) = (Keys::new(), Keys::new());
    let (_directory, file) = signed(b"code", Some(&keys.sign(b"code", "")));
    let signature = keys.trusted(true).judge(&file, b"code").unwrap();
    assert!(keys.trusted(true).permit(&signature).is_ok());
    assert!(other.trusted(true).permit(&signature).is_err());
    assert!(other.trusted(false).permit(&signature).is_ok());
}
