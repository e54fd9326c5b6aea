//! Pairs of keys in files.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use ct_codecs::{Base64, Decoder as _};
use evenkeel_runtime::files;
use evenkeel_runtime::signature::{MAX_FILE, PublicKey};
use minisign::{KeyPair, SecretKey, SecretKeyBox};

use crate::{Refused, refuse};

/// The password of a secret key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// It is asked for on the terminal.
    Ask,
    /// It is the first line of this file.
    File(PathBuf),
    /// A new key has none. One that is there is asked for if it has one.
    None,
}

impl Password {
    /// `None`: it is to be asked for.
    fn get(&self) -> Result<Option<String>, Refused> {
        let Self::File(file) = self else {
            return Ok(None);
        };
        let text = read_text(file)?;
        let line = text.lines().next().unwrap_or_default();
        if line.is_empty() {
            refuse!("the password in {} is empty", file.display());
        }
        Ok(Some(line.to_owned()))
    }
}

/// A new pair of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewKeys {
    /// The file with the secret key: only its owner can read it.
    pub secret: PathBuf,
    /// The file with the public key.
    pub public: PathBuf,
    /// That key.
    pub key: PublicKey,
}

/// Makes a pair of keys: `NAME.key`, which is secret, and `NAME.pub`. Neither may be there.
///
/// # Errors
/// [`Refused`]: one of them is there, no password can be had, or nothing can be written.
pub fn new_keys(name: &Path, password: &Password) -> Result<NewKeys, Refused> {
    let with = |extension: &str| {
        let mut name = name.as_os_str().to_owned();
        name.push(extension);
        PathBuf::from(name)
    };
    let (secret, public) = (with(".key"), with(".pub"));
    for file in [&secret, &public] {
        if file.symlink_metadata().is_ok() {
            refuse!(
                "{} is there already: a key is never overwritten",
                file.display()
            );
        }
    }
    let made = match password {
        Password::None => KeyPair::generate_unencrypted_keypair(),
        Password::Ask | Password::File(_) => KeyPair::generate_encrypted_keypair(password.get()?),
    };
    let boxes = made.and_then(|pair| {
        let key = pair.pk.to_base64();
        Ok((pair.sk.to_box(None)?, pair.pk.to_box()?, key))
    });
    let (secret_text, public_text, key) = match boxes {
        Ok((secret, public, key)) => (secret.into_string(), public.into_string(), key),
        Err(error) => refuse!("cannot make a key: {error}"),
    };
    let key = PublicKey::parse(&key).map_err(Refused)?;
    create(&secret, &secret_text, 0o600)?;
    if let Err(error) = create(&public, &public_text, 0o644) {
        // Half a pair is none.
        let _ = std::fs::remove_file(&secret);
        return Err(error);
    }
    Ok(NewKeys {
        secret,
        public,
        key,
    })
}

fn create(file: &Path, text: &str, mode: u32) -> Result<(), Refused> {
    let mut options = OpenOptions::new();
    let created = options.write(true).create_new(true).mode(mode).open(file);
    created
        .and_then(|mut created| {
            created.write_all(text.as_bytes())?;
            created.sync_all()
        })
        .map_err(|error| Refused::io("write", file, &error))
}

/// The bytes of a key that is not encrypted: two for its algorithm, and two zeros in the place of that of the password.
/// `minisign -W` writes no checksum into one, which the library wants; a damaged one makes signatures that do not fit, and
/// those are noticed.
fn without_password(text: &str) -> Option<Vec<u8>> {
    let bytes = Base64::decode_to_vec(text.lines().nth(1)?.trim(), None).ok()?;
    (bytes.get(2..4)? == [0, 0]).then_some(bytes)
}

/// The secret key in a file.
pub(super) fn read(file: &Path, password: &Password) -> Result<SecretKey, Refused> {
    let text = read_text(file)?;
    let read = match without_password(&text) {
        Some(bytes) => SecretKey::from_bytes(&bytes),
        None => SecretKey::from_box(SecretKeyBox::from(text), password.get()?),
    };
    match read {
        Ok(key) => Ok(key),
        Err(error) => refuse!(
            "the secret key {} cannot be used: {error}; it is the file that `evenkeel plugin keygen` or `minisign -G` has \
             written",
            file.display()
        ),
    }
}

/// The public key of a secret one.
pub(super) fn public(key: &SecretKey) -> Result<PublicKey, Refused> {
    match minisign::PublicKey::from_secret_key(key) {
        Ok(public) => PublicKey::parse(&public.to_base64()).map_err(Refused),
        Err(error) => refuse!("the key cannot be used: {error}"),
    }
}

fn read_text(file: &Path) -> Result<String, Refused> {
    let bytes = files::read(file, MAX_FILE).map_err(|error| Refused::io("read", file, &error))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => refuse!("{} is no text", file.display()),
    }
}
