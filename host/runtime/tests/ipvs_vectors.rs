//! The shipped schedulers decide as a real kernel's IPVS did.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod common;

use std::path::{Path, PathBuf};

use evenkeel_core::model::Sandbox;
use evenkeel_runtime::wasm::{CacheUse, WasmConfig, WasmRuntime};

fn file(name: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"),
        PathBuf::from,
    );
    let file = target.join("plugins").join(format!("{name}.wasm"));
    assert!(
        file.exists(),
        "there is no {name}.wasm: run `cargo xtask build`"
    );
    file
}

fn decides_as_ipvs(name: &str) {
    let runtime = WasmRuntime::new(WasmConfig {
        sandbox: Sandbox::default(),
        cache: CacheUse::Own(Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("lab-cache")),
    });
    let differences = common::replay(&runtime.unwrap(), file, name);
    let differences = common::unexpected(name, differences);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

macro_rules! schedulers {
    ($($test:ident: $name:literal,)*) => {
        $(#[test] fn $test() { decides_as_ipvs($name); })*
    };
}

schedulers! {
    rr_decides_as_ipvs: "rr",
    wrr_decides_as_ipvs: "wrr",
    lc_decides_as_ipvs: "lc",
    wlc_decides_as_ipvs: "wlc",
    sed_decides_as_ipvs: "sed",
    nq_decides_as_ipvs: "nq",
    sh_decides_as_ipvs: "sh",
    dh_decides_as_ipvs: "dh",
    lblc_decides_as_ipvs: "lblc",
    lblcr_decides_as_ipvs: "lblcr",
    mh_decides_as_ipvs: "mh",
    fo_decides_as_ipvs: "fo",
    ovf_decides_as_ipvs: "ovf",
}
