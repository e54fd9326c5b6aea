//! The commands that bring a plugin from its author to a director: signatures and plugin directories.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum ShipCommand {
    /// Make a pair of keys for signing plugins: NAME.key, which is secret, and NAME.pub.
    ///
    /// The files are those of minisign: `minisign -G` makes the same. The secret key is encrypted with a password, which is
    /// asked for. Neither file may be there. Directors get the public key: `trust` in `[plugins]` of their configuration.
    Keygen {
        /// The files' name without its extension, with or without a directory before it.
        name: PathBuf,
        #[command(flatten)]
        password: NewPasswordArgs,
    },

    /// Sign a plugin: write FILE.minisig beside it.
    ///
    /// The signature says the plugin's name and version and the file's SHA-256. It is one of minisign: `minisign -V` checks it,
    /// and one that `minisign -S` has made is as good. Sign what `plugin build` and `plugin test` have left, last of all: a
    /// file that changes afterwards is refused wherever the key is trusted.
    Sign {
        /// The plugin file: .wasm, or .so of a native plugin.
        file: PathBuf,
        /// The file with the secret key.
        #[arg(short, long, value_name = "SECRET")]
        key: PathBuf,
        /// The file whose first line is the key's password; without it, the password is asked for.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },

    /// Check the signature of a plugin.
    ///
    /// The signature is FILE.minisig. It has to be by one of the keys that are given, or that the configuration trusts. Ends with 3
    /// if it is not.
    Verify {
        /// The plugin file.
        file: PathBuf,
        /// A public key: 56 characters that begin with RW, or a .pub file. May be given several times.
        #[arg(short, long, value_name = "KEY", conflicts_with = "config")]
        key: Vec<String>,
        /// The configuration whose `[plugins] trust` is meant.
        #[arg(short, long, value_name = "FILE", default_value = super::DEFAULT_CONFIG)]
        config: PathBuf,
    },

    /// Put a plugin into a plugin directory, where the daemon takes it at once.
    ///
    /// First it is tried, as `plugin test` does, and its signature is judged by the configuration. Then it takes the place of the
    /// file that has a plugin of its name, or becomes NAME.wasm: as a whole, or not at all. An older version, another kind of
    /// plugin, or a file with something else in it is replaced with --force only.
    Install {
        #[command(flatten)]
        source: SourceArgs,
        /// The plugin directory; without it, the first of the configuration's `plugin_dirs`.
        #[arg(long, value_name = "DIR")]
        into: Option<PathBuf>,
        /// The configuration, which also says whose signatures count. Without a configuration there, the default directory is
        /// meant, and no key is trusted.
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// Replace an older version, and what is no plugin of this name, too.
        #[arg(long)]
        force: bool,
    },

    /// Put a plugin, with its signature, into an OCI registry.
    ///
    /// It becomes an artifact of the kind that the CNCF's TAG Runtime describes for WebAssembly (one layer of type
    /// application/wasm); the signature is an annotation of it. Credentials are those of `docker login`, or --username.
    #[cfg(feature = "oci")]
    Push {
        /// The plugin file. FILE.minisig goes with it, if it is there.
        file: PathBuf,
        /// Where: oci://REGISTRY/REPOSITORY:TAG.
        to: String,
        #[command(flatten)]
        registry: RegistryArgs,
    },

    /// Get a plugin, with its signature, from an OCI registry.
    ///
    /// What is written is FILE, and FILE.minisig if the plugin is signed. Nothing is tried, and no signature judged: `plugin
    /// install oci://...` does that.
    #[cfg(feature = "oci")]
    Pull {
        /// From where: oci://REGISTRY/REPOSITORY:TAG, or @sha256:... in the place of :TAG.
        from: String,
        /// The plugin file that is written.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        #[command(flatten)]
        registry: RegistryArgs,
    },
}

/// The password of a new key.
#[derive(Debug, Args)]
pub(crate) struct NewPasswordArgs {
    /// The file whose first line is to be the password.
    #[arg(long, value_name = "FILE", conflicts_with = "no_password")]
    pub(crate) password_file: Option<PathBuf>,
    /// The secret key is not encrypted: for machines that sign by themselves. Who can read the file can sign.
    #[arg(long)]
    pub(crate) no_password: bool,
}

/// Where a plugin comes from.
#[derive(Debug, Args)]
pub(crate) struct SourceArgs {
    /// The plugin file, with FILE.minisig beside it if it is signed; or oci://REGISTRY/REPOSITORY:TAG.
    #[arg(value_name = "FILE|oci://...")]
    pub(crate) source: String,
    #[cfg(feature = "oci")]
    #[command(flatten)]
    pub(crate) registry: RegistryArgs,
}

/// How a registry is spoken to.
#[cfg(feature = "oci")]
#[derive(Debug, Args)]
pub(crate) struct RegistryArgs {
    /// The user; without it, what `docker login` has left in ~/.docker/config.json, or nobody.
    #[arg(long, requires = "password_file")]
    pub(crate) username: Option<String>,
    /// The file whose first line is the user's password or token.
    #[arg(long, value_name = "FILE", requires = "username")]
    pub(crate) password_file: Option<PathBuf>,
    /// Speak HTTP without TLS: for a registry on this machine. Passwords and plugins can be read and changed on the way.
    #[arg(long)]
    pub(crate) plain_http: bool,
}
