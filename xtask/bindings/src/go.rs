//! What a plugin in Go is compiled with: packages for the interfaces of each world, and the exports that call the plugin's own
//! package, `scheduler` or `checker`.

use anyhow::{Context as _, Result};
use wit_bindgen_go::{Format, Opts};

use crate::contract::Contract;
use crate::files::Files;

const DIRECTORY: &str = "sdk/go";

/// The module of every plugin in Go: it is no library, so nobody else imports it.
const MODULE: &str = "evenkeel.plugin";

/// Where the generator expects what its code calls. We ship it, in `sdk/go/wit`: a plugin builds without a network.
const REMOTE: &str = "go.bytecodealliance.org/pkg/wit/";

/// The packages of both worlds.
pub(crate) fn files(contract: &Contract) -> Result<Files> {
    let mut files = Files::new();
    let worlds = [
        ("scheduler-plugin", "scheduler", "scheduler"),
        ("health-checker-plugin", "health_checker", "checker"),
    ];
    for (world, interface, own) in worlds {
        let options = Opts {
            format: Format::False,
            pkg_name: Some(format!("{MODULE}/evenkeel")),
            export_pkg_name: Some(MODULE.to_owned()),
            ..Opts::default()
        };
        let exports = format!("export_evenkeel_plugin_{interface}");
        let (generated, wanted) = (
            format!("\"{MODULE}/{exports}\""),
            format!("{exports} \"{MODULE}/{own}\""),
        );
        for (name, bytes) in contract.generate(world, options.build())? {
            let text = String::from_utf8(bytes).context("a source that is no text")?;
            let text = text
                .replace(&generated, &wanted)
                .replace(REMOTE, &format!("{MODULE}/evenkeel/wit/"));
            files.insert(format!("{DIRECTORY}/{own}/{name}").into(), text.into());
        }
    }
    Ok(files)
}
