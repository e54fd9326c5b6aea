//! What is known of one plugin file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::signature::{Signature, Trust};
use crate::{Described, Plugin, PluginInfo, PluginRuntime, Sha256};

/// One plugin file.
#[derive(Clone)]
pub struct Entry {
    /// The file.
    pub file: PathBuf,
    /// What it says about itself, or the reason why it is no plugin.
    info: Result<PluginInfo, String>,
    /// The plugin once it has been loaded, or the reason why that failed.
    plugin: Option<Result<Arc<dyn Plugin>, String>>,
    /// Of the file's content; `None` if it could not be read.
    sha256: Option<Sha256>,
    /// The file's length in bytes; 0 if it could not be read.
    size: u64,
    /// Who has signed it.
    signature: Signature,
}

impl Entry {
    /// What a file with this content says; nothing is loaded that need not be, and nothing looked at whose signature is
    /// not right.
    pub(super) fn describe(
        runtime: &dyn PluginRuntime,
        trust: &Trust,
        file: &Path,
        content: &[u8],
    ) -> Self {
        let judged = trust.judge(file, content);
        let described = judged.and_then(|signature| {
            let described = runtime.describe_content(file, content);
            Ok((described.map_err(|error| error.reason)?, signature))
        });
        let mut entry = Self {
            file: file.to_owned(),
            info: Err(String::new()),
            plugin: None,
            signature: Signature::None,
            sha256: Some(Sha256::of(content)),
            size: u64::try_from(content.len()).unwrap_or(u64::MAX),
        };
        match described {
            Ok((Described { info, plugin }, signature)) => {
                entry.info = Ok(info);
                entry.plugin = plugin.map(Ok);
                entry.signature = signature;
            }
            Err(reason) => entry.info = Err(reason),
        }
        entry
    }

    /// A file that cannot be read.
    pub(super) fn unreadable(file: &Path, reason: String) -> Self {
        Self {
            file: file.to_owned(),
            info: Err(reason),
            plugin: None,
            signature: Signature::None,
            sha256: None,
            size: 0,
        }
    }

    /// The same content, with the signature that it has now.
    pub(super) fn judged_again(&self, trust: &Trust, content: &[u8]) -> Self {
        let mut entry = self.clone();
        match trust.judge(&self.file, content) {
            Ok(signature) => entry.signature = signature,
            Err(reason) => entry.info = Err(reason),
        }
        entry
    }

    /// A native plugin stays loaded when its file changes: then it has the signature that it was loaded with, which
    /// `before` knows, and not that of the file.
    pub(super) fn signed_as_loaded<'a>(
        mut self,
        trust: &Trust,
        before: impl IntoIterator<Item = &'a Self>,
    ) -> Self {
        let loaded = self.plugin().and_then(|plugin| plugin.sha256());
        if loaded.is_none() || loaded == self.sha256 {
            return self;
        }
        let mut before = before.into_iter();
        let same = before.find(|it| it.file == self.file && it.sha256 == loaded);
        self.signature = same.map_or(Signature::None, |it| it.signature.clone());
        self.sha256 = loaded;
        if let Err(reason) = trust.permit(&self.signature) {
            self.info = Err(format!(
                "what is loaded of it {reason}; its file has changed since: restart the daemon to load it"
            ));
        }
        self
    }

    /// What it says about itself, if it can be used as far as is known.
    ///
    /// # Errors
    /// The reason why it cannot be used.
    pub fn info(&self) -> Result<&PluginInfo, &str> {
        match (&self.info, &self.plugin) {
            (Err(reason), _) | (_, Some(Err(reason))) => Err(reason),
            (Ok(info), _) => Ok(info),
        }
    }

    /// The plugin, if it has been loaded.
    #[must_use]
    pub fn plugin(&self) -> Option<&Arc<dyn Plugin>> {
        self.plugin.as_ref()?.as_ref().ok()
    }

    /// Who has signed the file; of one that cannot be used it tells nothing.
    #[must_use]
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Of the file's content; `None` if it could not be read.
    #[must_use]
    pub fn sha256(&self) -> Option<Sha256> {
        self.sha256
    }

    /// The file's length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether it gives itself this name, usable or not.
    pub(super) fn is_named(&self, name: &str) -> bool {
        self.info.as_ref().is_ok_and(|it| it.manifest.name == name)
    }

    /// Whether it is a plugin as far as its file tells, and has not been loaded yet.
    pub(super) fn is_unloaded(&self) -> bool {
        self.info.is_ok() && self.plugin.is_none()
    }

    /// Whether another one, or a later catalogue, can use it again for a file with this content. One that failed is
    /// tried again.
    pub(super) fn is_still(&self, file: &Path, content: Sha256) -> bool {
        self.file == file && self.sha256 == Some(content) && self.info().is_ok()
    }

    /// Takes over what loading the file came to.
    pub(super) fn set_loaded(&mut self, loaded: &Loaded) {
        match loaded {
            Ok((plugin, signature)) => {
                // The file may have changed since it was described.
                self.info = Ok(Described::loaded(Arc::clone(plugin)).info);
                self.sha256 = plugin.sha256().or(self.sha256);
                self.signature = signature.clone();
                self.plugin = Some(Ok(Arc::clone(plugin)));
            }
            Err(reason) => self.plugin = Some(Err(reason.clone())),
        }
    }
}

/// What loading a file came to: the plugin, with the signature of what was loaded.
pub(super) type Loaded = Result<(Arc<dyn Plugin>, Signature), String>;

/// Loads a file, if its signature is right.
pub(super) fn load(runtime: &dyn PluginRuntime, trust: &Trust, file: &Path) -> Loaded {
    let content = runtime.read(file).map_err(|error| error.reason)?;
    let signature = trust.judge(file, &content)?;
    let plugin = runtime.load_content(file, &content);
    Ok((plugin.map_err(|error| error.reason)?, signature))
}
