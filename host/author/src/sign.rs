//! Signing a plugin: minisign signatures, as the program `minisign` makes them, too.

mod keys;

use std::fs;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};

use evenkeel_runtime::native::NativeRuntime;
use evenkeel_runtime::signature::{self, PublicKey, Trust};
use evenkeel_runtime::{PluginRuntime, Sha256};
use minisign::SecretKey;

pub use keys::{NewKeys, Password, new_keys};

use crate::{Refused, described, refuse};

/// What a signature was made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The file with the signature.
    pub file: PathBuf,
    /// The key that fits it.
    pub key: PublicKey,
    /// What it says beside: the plugin's name and version, and the file's SHA-256.
    pub comment: String,
}

/// Writes the signature of a plugin file beside it. What is no plugin is not signed. A shared object is signed as a file:
/// its code is not run to ask it for its name.
///
/// # Errors
/// [`Refused`]: the file is no plugin, the key cannot be read or its password is wrong, or nothing can be written.
pub fn sign(file: &Path, key: &Path, password: &Password) -> Result<Signed, Refused> {
    let native = file.extension().is_some_and(|it| it == "so");
    let (content, name) = if native {
        let content = NativeRuntime::trusting_everyone()
            .read(file)
            .map_err(|error| Refused(error.to_string()))?;
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        (content, name.into_owned())
    } else {
        let (content, info) = described::read(file)?;
        let manifest = info.manifest;
        (content, format!("{} {}", manifest.name, manifest.version))
    };
    let key = keys::read(key, password)?;
    let comment = format!(
        "{} sha256:{}",
        evenkeel_runtime::text::clean(&name, 200),
        Sha256::of(&content)
    );
    let public = keys::public(&key)?;
    let text = sign_content(&content, &key, &comment)?;
    let path = signature::file_of(file);
    let trust = Trust::new(vec![public.clone()], true);
    evenkeel_pack::write(&path, text.as_bytes(), |written| {
        // It is read back as the daemon reads it.
        let made = fs::read(written)?;
        let judged = trust.judge_with(&path, &made, &content);
        judged.map(drop).map_err(io::Error::other)
    })
    .map_err(|error| Refused::io("write", &path, &error))?;
    Ok(Signed {
        file: path,
        key: public,
        comment,
    })
}

fn sign_content(content: &[u8], key: &SecretKey, comment: &str) -> Result<String, Refused> {
    let made = minisign::sign(
        None,
        key,
        Cursor::new(content),
        Some(comment),
        Some("signature of a plugin of Evenkeel"),
    );
    match made {
        Ok(signature) => Ok(signature.into_string()),
        Err(error) => refuse!("cannot sign: {error}"),
    }
}

/// Judges the signature beside a file by these keys.
///
/// # Errors
/// [`Refused`]: the file cannot be read, is not signed, or not by one of these keys, or the signature is of another
/// content.
pub fn verify(file: &Path, trust: &Trust) -> Result<signature::Signature, Refused> {
    let content = NativeRuntime::trusting_everyone()
        .read(file)
        .map_err(|error| Refused(error.to_string()))?;
    trust
        .judge(file, &content)
        .map_err(|reason| Refused(format!("{}: {reason}", evenkeel_runtime::text::path(file))))
}

#[cfg(test)]
mod tests;
