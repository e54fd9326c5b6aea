//! The bindings of the SDK.

use anyhow::{Context as _, Result};
use wit_bindgen_rust::{Opts, WithOption};

use crate::contract::Contract;
use crate::files::Files;

const DIRECTORY: &str = "sdk/src/wasm/bindings/generated";

/// A module for each world. What both worlds import is the scheduler's module's.
pub(crate) fn files(contract: &Contract) -> Result<Files> {
    let shared = contract.imports("scheduler-plugin")?;
    let with = shared
        .into_iter()
        .map(|(full, name)| {
            let module = name.replace('-', "_");
            let path = format!("crate::wasm::bindings::scheduler::evenkeel::plugin::{module}");
            (full, WithOption::Path(path))
        })
        .collect();
    let worlds = [
        ("scheduler-plugin", "scheduler", Vec::new()),
        ("health-checker-plugin", "checker", with),
    ];
    worlds
        .into_iter()
        .map(|(world, module, with)| {
            let options = Opts {
                format: true,
                // The few functions that the bindings call are the SDK's own, so that it depends on nothing.
                runtime_path: Some("crate::wasm::rt".to_owned()),
                pub_export_macro: true,
                export_macro_name: Some(format!("export_{module}")),
                default_bindings_module: Some(format!("evenkeel_sdk::__private::{module}_world")),
                with,
                ..Opts::default()
            };
            let generated = contract.generate(world, Box::new(options.build()))?;
            let (_, bytes) = generated
                .into_iter()
                .next()
                .context("the generator has written nothing")?;
            Ok((format!("{DIRECTORY}/{module}.rs").into(), bytes))
        })
        .collect()
}
