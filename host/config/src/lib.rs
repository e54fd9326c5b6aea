//! The configuration file: from text to [`evenkeel_core::model::Model`], with every mistake reported at once.
//!
//! In two steps, because the file says where the plugins are and the plugins say what settings they take: [`parse`] reads the
//! text, [`Parsed::resolve`] checks it as a whole once the plugins that it names are loaded.

mod address;
mod catalogue;
mod command;
mod dataplane;
mod forward;
mod grants;
mod kept;
mod key;
mod labels;
mod machine;
mod mixed;
mod named;
mod network;
mod optional;
mod percent;
mod plugin;
mod pool;
mod probe;
mod reader;
mod reference;
mod report;
mod resolve;
mod sandbox;
mod schema;
mod second;
mod secrets;
mod servers;
mod settings;
mod signature;
mod spread;
mod sync;
mod syntax;
mod timeouts;
mod timing;
mod tree;
mod trust;
mod unique;
mod units;
mod uses;
mod value;
mod vrrp;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_core::model::{Daemon, Model, PluginRef};

pub use catalogue::{Found, PluginCatalogue};
pub use machine::{AnyMachine, MachineSupport, SecretSource};
pub use reader::suggest;
use reader::{Reader, Table as _};
pub use reference::reference;
use report::Source;
pub use report::{Diagnostic, Origin, Report, Severity};
use schema::File;
pub use secrets::is_secret;
use uses::{Allowed, Uses};

/// A configuration as far as it can be understood without its plugins.
#[derive(Debug)]
pub struct Parsed {
    reader: Reader,
    file: File,
    daemon: Daemon,
    /// Where relative paths start.
    dir: PathBuf,
}

/// Reads a configuration. Never fails: what could be understood is kept, with what is wrong.
///
/// `file` is the file's name as errors are to show it; relative paths in the configuration start from its directory.
#[must_use]
pub fn parse(file: &str, text: &str) -> Parsed {
    read(
        file,
        Reader::new(Arc::new(Source::new(file, text)), schema::explain),
    )
}

/// [`parse`] for a file as it was read: one that is not UTF-8 gets an error with its place, too.
#[must_use]
pub fn parse_bytes(file: &str, bytes: &[u8]) -> Parsed {
    let text = String::from_utf8_lossy(bytes);
    let mut reader = Reader::new(Arc::new(Source::new(file, &text)), schema::explain);
    if let Err(error) = std::str::from_utf8(bytes) {
        let at = error.valid_up_to();
        let help = "save the file as UTF-8".to_owned();
        reader.syntax_error(&(at..at), "not UTF-8".to_owned(), Some(help));
    }
    read(file, reader)
}

/// [`parse`] for TOML that was made from files in another language: diagnostics name those, and show the TOML as an excerpt.
///
/// `file` is the main one of them: relative paths start from its directory, and it is named where no line is known. `origin` has
/// an element for each line of `toml`: where it came from. A line without one belongs to the nearest line before that has one.
/// With a virtual router, a file without services is meant to have none ([`Daemon::allow_empty`]).
#[must_use]
pub fn parse_translated(file: &str, toml: &str, origin: Vec<Option<Origin>>) -> Parsed {
    let source = Source::translated(file, toml, origin);
    let mut parsed = read(file, Reader::new(Arc::new(source), schema::explain));
    // The other language has no such key: a file that ends before its services has no virtual routers either, as a rule.
    parsed.daemon.allow_empty |= !parsed.file.vrrp.tables().is_empty();
    parsed
}

fn read(name: &str, mut reader: Reader) -> Parsed {
    let table = syntax::table(&mut reader);
    let file = File::read_table(table, 0..0, &mut reader);
    let dir = Path::new(name)
        .parent()
        .map(Path::to_path_buf)
        .unwrap_or_default();
    let daemon = resolve::daemon(&file, &dir);
    Parsed {
        reader,
        file,
        daemon,
        dir,
    }
}

impl Parsed {
    /// The daemon's own settings, with the defaults where the file says nothing or nothing usable.
    #[must_use]
    pub fn daemon(&self) -> &Daemon {
        &self.daemon
    }

    /// The plugins that are named (or used because nothing is named), each once, so that they can be loaded. Without native ones
    /// that the file does not trust: loading one already runs its code.
    #[must_use]
    pub fn plugin_refs(&self) -> Vec<PluginRef> {
        uses::references(&self.file, &self.dir, &self.daemon.native_plugins)
    }

    /// Checks the configuration as a whole, by the plugins that there are and what the machine can do. With the model come the
    /// warnings.
    ///
    /// # Errors
    /// Everything that is wrong, in the order of the text: syntax, keys, values, and what the plugins say.
    pub fn resolve(
        self,
        plugins: &dyn PluginCatalogue,
        machine: &dyn MachineSupport,
    ) -> Result<(Model, Vec<Diagnostic>), Report> {
        let Self {
            mut reader,
            file,
            daemon,
            dir,
        } = self;
        let dataplane = dataplane::chosen(&file, machine, &mut reader);
        let may = Allowed {
            native: &daemon.native_plugins,
            grants: (!grants::are_wrong(&file)).then_some(&daemon.grants),
        };
        let mut uses = Uses::new((plugins, machine), &dir, may, &dataplane);
        let services = resolve::all(&file, &mut uses, &mut reader);
        uses.report(&mut reader);
        let vrrp = vrrp::all(&file, &dir, &mut reader);
        let connection_sync = sync::connection_sync(&file, &vrrp, &mut reader);
        let ipvs_timeouts = timeouts::ipvs_timeouts(&file);
        let failed = reader.has_errors();
        // Nothing is left out without a word.
        debug_assert!(
            failed
                || (services.len() == file.service.tables().len()
                    && vrrp.instances.len() == file.vrrp.tables().len()
                    && vrrp.groups.len() == file.sync_group.tables().len()
                    && vrrp.scripts.len() == file.script.tables().len()
                    && connection_sync.is_some() == file.connection_sync.written)
        );
        let diagnostics = reader.into_diagnostics();
        if failed {
            Err(Report { diagnostics })
        } else {
            Ok((
                Model {
                    daemon,
                    dataplane,
                    services,
                    vrrp,
                    connection_sync,
                    ipvs_timeouts,
                },
                diagnostics,
            ))
        }
    }
}
