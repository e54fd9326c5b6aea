//! A plugin as an artifact.

use std::collections::BTreeMap;

use ct_codecs::{Base64, Decoder as _, Encoder as _};
use jiff::Timestamp;
use oci_client::client::{Config, ImageLayer};
use oci_client::manifest::{OciDescriptor, OciImageManifest};
use serde_json::json;

/// Types of the CNCF's layout for WebAssembly.
const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
const LAYER_TYPE: &str = "application/wasm";
/// Of the layer: the content of the `.minisig`, in Base64: it has lines, and the canonical JSON of manifests none in texts.
const SIGNATURE: &str = "evenkeel.plugin.minisig";
/// Of the manifest (OCI image specification, "Pre-Defined Annotation Keys").
const TITLE: &str = "org.opencontainers.image.title";
const VERSION: &str = "org.opencontainers.image.version";
const DESCRIPTION: &str = "org.opencontainers.image.description";

/// A plugin file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// Its content.
    pub content: Vec<u8>,
    /// The content of its `.minisig`, if it is signed.
    pub signature: Option<String>,
}

/// What a registry shows about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// The plugin's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is for.
    pub summary: String,
    /// The interfaces that it wants of its host.
    pub imports: Vec<String>,
    /// The interfaces that it offers.
    pub exports: Vec<String>,
}

/// All that is put into a registry.
pub(crate) struct Parts {
    pub(crate) layer: ImageLayer,
    pub(crate) config: Config,
    pub(crate) manifest: OciImageManifest,
}

impl Artifact {
    pub(crate) fn parts(&self, about: &About, now: Timestamp) -> Parts {
        let signature = self.signature.as_ref();
        // Base64 of what is in memory does not fail.
        let signature = signature.and_then(|it| Base64::encode_to_string(it).ok());
        let annotations = signature.map(|it| BTreeMap::from([(SIGNATURE.to_owned(), it)]));
        let layer = ImageLayer::new(self.content.clone(), LAYER_TYPE.to_owned(), annotations);
        let config = json!({
            "created": now.to_string(),
            "architecture": "wasm",
            // What the layout calls every component.
            "os": "wasip2",
            "layerDigests": [layer.sha256_digest()],
            "component": { "exports": about.exports, "imports": about.imports, "target": null },
        });
        let config = Config::new(config.to_string(), CONFIG_TYPE.to_owned(), None);
        let annotations = [
            (TITLE, &about.name),
            (VERSION, &about.version),
            (DESCRIPTION, &about.summary),
        ];
        let annotations = annotations.map(|(key, value)| (key.to_owned(), value.clone()));
        let layers = std::slice::from_ref(&layer);
        let manifest = OciImageManifest::build(layers, &config, Some(annotations.into()));
        Parts {
            layer,
            config,
            manifest,
        }
    }
}

/// The layer with the plugin, and its signature.
pub(crate) fn plugin(
    manifest: &OciImageManifest,
) -> Result<(&OciDescriptor, Option<String>), String> {
    if manifest.config.media_type != CONFIG_TYPE {
        return Err(format!(
            "it is of type {}, and a plugin of {CONFIG_TYPE}",
            manifest.config.media_type
        ));
    }
    let [layer] = manifest.layers.as_slice() else {
        return Err(format!("it has {} layers, not one", manifest.layers.len()));
    };
    if layer.media_type != LAYER_TYPE {
        return Err(format!("its layer is of type {}", layer.media_type));
    }
    let annotations = layer.annotations.as_ref();
    let signature = annotations.and_then(|it| it.get(SIGNATURE)).map(|it| {
        let bytes = Base64::decode_to_vec(it, None).ok()?;
        String::from_utf8(bytes).ok()
    });
    match signature {
        Some(None) => Err("its signature is no text in Base64".to_owned()),
        Some(signature) => Ok((layer, signature)),
        None => Ok((layer, None)),
    }
}
