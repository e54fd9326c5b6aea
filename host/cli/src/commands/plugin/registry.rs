//! `evenkeel plugin push | pull`: plugins in OCI registries.

use std::path::Path;

use evenkeel_author::install::Source;
use evenkeel_oci::{About, Access, Artifact, Credentials, Place};
use evenkeel_runtime::facts::FileFacts;
use evenkeel_runtime::{MAX_PLUGIN, PluginRuntime as _, files, signature, text};

use super::runtime::runtime;
use crate::args::ship::RegistryArgs;
use crate::commands::print;
use crate::exit::{self, Failed};

/// The largest file with a password.
const MAX_PASSWORD: u64 = 16 << 10;
/// Characters kept of what a registry says.
const MAX_ANSWER: usize = 1000;

/// Puts a plugin into a registry.
///
/// # Errors
/// [`exit::CONFIG`] when it is no plugin, [`exit::FAILURE`] when the registry does not take it.
pub(super) fn push(file: &Path, to: &str, registry: &RegistryArgs) -> anyhow::Result<()> {
    let place = place(to)?;
    let source = Source::read(file)?;
    let runtime = runtime(evenkeel_config::parse("", "").daemon())?;
    let wrong = |error: evenkeel_runtime::LoadError| Failed::new(exit::CONFIG, error.to_string());
    let info = runtime
        .describe_content(file, &source.content)
        .map_err(wrong)?
        .info;
    let facts = FileFacts::of(file, &source.content).map_err(wrong)?;
    let about = About {
        name: info.manifest.name,
        version: info.manifest.version,
        summary: text::clean(&info.manifest.summary, MAX_ANSWER),
        imports: facts.imports,
        exports: facts.exports,
    };
    let signature = source.signature.map(String::from_utf8).transpose();
    let signature = signature.map_err(|_| {
        let file = text::path(&signature::file_of(file));
        Failed::new(exit::CONFIG, format!("{file} is no text"))
    })?;
    let signed = if signature.is_some() {
        "with its signature"
    } else {
        "unsigned"
    };
    let artifact = Artifact {
        content: source.content,
        signature,
    };
    let access = access(registry)?;
    let digest = evenkeel_oci::push(&place, &artifact, &about, &access).map_err(failed)?;
    Ok(print(&format!(
        "{place}: {} {}, {signed}\n{}\n",
        about.name,
        about.version,
        text::clean(&place.at(&digest), MAX_ANSWER)
    ))?)
}

/// Gets a plugin from a registry, and writes it.
///
/// # Errors
/// [`exit::FAILURE`] when it cannot be had or written.
pub(super) fn pull(from: &str, output: &Path, registry: &RegistryArgs) -> anyhow::Result<()> {
    let source = get(from, registry)?;
    let beside = signature::file_of(output);
    // First, as where it is installed: a daemon that looks at the directory finds it when the plugin comes.
    match &source.signature {
        Some(signature) => write(&beside, signature)?,
        None => match std::fs::remove_file(&beside) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                anyhow::bail!("cannot remove {}: {error}", text::path(&beside));
            }
            _ => {}
        },
    }
    write(output, &source.content)?;
    let signed = if source.signature.is_some() {
        "and its signature"
    } else {
        "unsigned"
    };
    Ok(print(&format!(
        "{}: {} bytes, {signed}\n",
        text::path(output),
        source.content.len()
    ))?)
}

fn write(file: &Path, content: &[u8]) -> anyhow::Result<()> {
    evenkeel_pack::write(file, content, |_| Ok::<(), std::io::Error>(()))
        .map_err(|error| anyhow::anyhow!("cannot write {}: {error}", text::path(file)))
}

/// What is to be installed, from a registry.
///
/// # Errors
/// When it cannot be had.
pub(super) fn get(from: &str, registry: &RegistryArgs) -> anyhow::Result<Source> {
    let place = place(from)?;
    let pulled = evenkeel_oci::pull(&place, &access(registry)?, MAX_PLUGIN).map_err(failed)?;
    Ok(Source {
        from: place.to_string().into(),
        content: pulled.content,
        signature: pulled.signature.map(String::into_bytes),
    })
}

fn place(written: &str) -> Result<Place, Failed> {
    let place = written.parse::<Place>();
    place.map_err(|error| Failed::new(exit::FAILURE, text::clean(&error.to_string(), MAX_ANSWER)))
}

fn failed(error: evenkeel_oci::RegistryError) -> Failed {
    Failed::new(exit::FAILURE, text::clean(&error.to_string(), MAX_ANSWER))
}

fn access(registry: &RegistryArgs) -> anyhow::Result<Access> {
    let given = registry
        .username
        .as_ref()
        .zip(registry.password_file.as_ref());
    let credentials = match given {
        None => Credentials::Found,
        Some((user, file)) => {
            let bytes = files::read(file, MAX_PASSWORD)
                .map_err(|error| anyhow::anyhow!("cannot read {}: {error}", text::path(file)))?;
            let lines = String::from_utf8_lossy(&bytes);
            Credentials::Given {
                user: user.clone(),
                password: lines.lines().next().unwrap_or_default().to_owned(),
            }
        }
    };
    Ok(Access {
        credentials,
        plain_http: registry.plain_http,
    })
}
