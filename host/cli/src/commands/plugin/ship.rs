//! `evenkeel plugin keygen | sign | verify | install | push | pull`.

use super::{install, sign};
use crate::args::ship::ShipCommand;

/// Does what is asked for.
///
/// # Errors
/// Those of the command.
pub(crate) fn run(command: ShipCommand) -> anyhow::Result<()> {
    match command {
        ShipCommand::Keygen { name, password } => sign::keygen(&name, password),
        ShipCommand::Sign {
            file,
            key,
            password_file,
        } => sign::sign(&file, &key, password_file),
        ShipCommand::Verify { file, key, config } => sign::verify(&file, &key, &config),
        ShipCommand::Install {
            source,
            into,
            config,
            force,
        } => install::install(&source, into, config.as_deref(), force),
        #[cfg(feature = "oci")]
        ShipCommand::Push { file, to, registry } => super::registry::push(&file, &to, &registry),
        #[cfg(feature = "oci")]
        ShipCommand::Pull {
            from,
            output,
            registry,
        } => super::registry::pull(&from, &output, &registry),
    }
}
