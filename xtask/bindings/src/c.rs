//! What a plugin in C is compiled with: a header, a source, and an object with the description of the contract, for each
//! world.

use anyhow::Result;
use wit_bindgen_c::Opts;

use crate::contract::Contract;
use crate::files::Files;

const DIRECTORY: &str = "sdk/c";

/// Header, source and object of both worlds.
pub(crate) fn files(contract: &Contract) -> Result<Files> {
    let mut files = Files::new();
    for world in ["scheduler-plugin", "health-checker-plugin"] {
        for (name, bytes) in contract.generate(world, Opts::default().build())? {
            files.insert(format!("{DIRECTORY}/{name}").into(), bytes);
        }
    }
    Ok(files)
}
