//! To a registry and back.

use std::time::Duration;

use jiff::Timestamp;
use oci_client::Client;
use oci_client::client::{ClientConfig, ClientProtocol};
use oci_client::errors::OciDistributionError;

use crate::artifact::{self, About, Artifact};
use crate::bounded::Bounded;
use crate::error::chain;
use crate::{Access, Place, RegistryError};

/// A registry that says nothing for so long is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Puts a plugin into a registry; returns the digest that its manifest has there, such as `sha256:...`. Blocks; call it
/// outside of an asynchronous runtime.
///
/// # Errors
/// [`RegistryError`].
pub fn push(
    place: &Place,
    plugin: &Artifact,
    about: &About,
    access: &Access,
) -> Result<String, RegistryError> {
    let auth = access.auth(place)?;
    let parts = plugin.parts(about, Timestamp::now());
    let reference = &place.reference;
    let layers = std::slice::from_ref(&parts.layer);
    run(place, async {
        let client = client(access);
        let manifest = Some(parts.manifest.clone());
        let pushed = client.push(reference, layers, parts.config, &auth, manifest);
        pushed.await.map_err(|error| refused(place, &error))?;
        let digest = client.fetch_manifest_digest(reference, &auth);
        digest.await.map_err(|error| refused(place, &error))
    })
}

/// Gets a plugin of at most `most` bytes from a registry. What comes is what its digest says. Blocks; call it outside of an
/// asynchronous runtime.
///
/// # Errors
/// [`RegistryError`].
pub fn pull(place: &Place, access: &Access, most: u64) -> Result<Artifact, RegistryError> {
    let auth = access.auth(place)?;
    let reference = &place.reference;
    let wrong = |reason: String| RegistryError::Artifact {
        place: place.to_string(),
        reason,
    };
    run(place, async {
        let client = client(access);
        let manifest = client.pull_image_manifest(reference, &auth);
        let (manifest, _) = manifest.await.map_err(|error| refused(place, &error))?;
        let (layer, signature) = artifact::plugin(&manifest).map_err(wrong)?;
        if u64::try_from(layer.size).map_or(true, |size| size > most) {
            let reason = format!("it has {} bytes, and a plugin at most {most}", layer.size);
            return Err(wrong(reason));
        }
        let mut content = Bounded::new(usize::try_from(most).unwrap_or(usize::MAX));
        let pulled = client.pull_blob(reference, layer, &mut content);
        pulled.await.map_err(|error| refused(place, &error))?;
        Ok(Artifact {
            content: content.into_bytes(),
            signature,
        })
    })
}

fn client(access: &Access) -> Client {
    // It stays what it is if another one has been chosen before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::new(ClientConfig {
        protocol: if access.plain_http {
            ClientProtocol::Http
        } else {
            ClientProtocol::Https
        },
        // A list of artifacts for several platforms is no plugin.
        platform_resolver: None,
        use_monolithic_push: true,
        read_timeout: Some(PATIENCE),
        connect_timeout: Some(PATIENCE),
        user_agent: concat!("evenkeel/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    })
}

fn refused(place: &Place, error: &OciDistributionError) -> RegistryError {
    RegistryError::Registry {
        place: place.to_string(),
        reason: chain(error),
    }
}

/// Does all of a task on this thread: connections are the business of the one that has opened them.
fn run<T>(
    place: &Place,
    task: impl Future<Output = Result<T, RegistryError>>,
) -> Result<T, RegistryError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| RegistryError::Registry {
            place: place.to_string(),
            reason: error.to_string(),
        })?;
    runtime.block_on(task)
}
