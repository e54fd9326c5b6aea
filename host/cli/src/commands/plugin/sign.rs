//! `evenkeel plugin keygen | sign | verify`.

use std::path::{Path, PathBuf};

use evenkeel_author::sign::{self, Password};
use evenkeel_daemon::prepare::{read, trust_of};
use evenkeel_runtime::signature::{PublicKey, Trust};
use evenkeel_runtime::text;

use crate::args::ship::NewPasswordArgs;
use crate::commands::print;
use crate::exit::{self, Failed};

/// Makes a pair of keys.
///
/// # Errors
/// When it cannot.
pub(super) fn keygen(name: &Path, password: NewPasswordArgs) -> anyhow::Result<()> {
    let password = match password.password_file {
        Some(file) => Password::File(file),
        None if password.no_password => Password::None,
        None => Password::Ask,
    };
    let keys = sign::new_keys(name, &password)?;
    let (secret, public) = (text::path(&keys.secret), text::path(&keys.public));
    Ok(print(&format!(
        "{secret}: the secret key {}; keep it where only you can read it\n\
         {public}: the public key. For directors that are to trust it:\n\n    \
         [plugins]\n    trust = [\"{}\"]\n",
        keys.key.id, keys.key.text
    ))?)
}

/// Signs a plugin.
///
/// # Errors
/// When it cannot.
pub(super) fn sign(file: &Path, key: &Path, password: Option<PathBuf>) -> anyhow::Result<()> {
    let password = password.map_or(Password::Ask, Password::File);
    let signed = sign::sign(file, key, &password)?;
    Ok(print(&format!(
        "{}: signed by {} ({})\n",
        text::path(&signed.file),
        signed.key.id,
        signed.comment
    ))?)
}

/// Checks a plugin's signature.
///
/// # Errors
/// [`exit::CONFIG`] when it is not signed by one of these keys.
pub(super) fn verify(file: &Path, keys: &[String], config: &Path) -> anyhow::Result<()> {
    let keys: Vec<PublicKey> = if keys.is_empty() {
        let parsed = read(config)?;
        trust_of(&parsed.daemon().plugin_trust, false)?
            .keys()
            .to_vec()
    } else {
        let keys = keys.iter().map(|key| one(key));
        let keys: Result<_, String> = keys.collect();
        keys.map_err(|error| Failed::new(exit::CONFIG, error))?
    };
    if keys.is_empty() {
        let config = text::path(config);
        let message = format!("{config}: [plugins] trust has no key; give one with --key");
        return Err(Failed::new(exit::CONFIG, message).into());
    }
    let signature = sign::verify(file, &Trust::new(keys, true))
        .map_err(|error| Failed::new(exit::CONFIG, error.to_string()))?;
    Ok(print(&format!("{}: {signature}\n", text::path(file)))?)
}

/// A key, or a file with one.
fn one(key: &str) -> Result<PublicKey, String> {
    let file = Path::new(key);
    if file.extension().is_some_and(|it| it == "pub") || key.contains('/') && file.is_file() {
        PublicKey::read(file)
    } else {
        PublicKey::parse(key)
    }
}
