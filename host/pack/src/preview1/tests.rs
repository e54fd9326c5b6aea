use std::path::{Path, PathBuf};

use wit_component::{DecodedWasm, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use crate::{PackError, pack};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("adapter")
        .join(name)
}

/// A module in text, with the description of this world in it.
fn assembled(wat: &str, wit: &str, world: &str) -> Vec<u8> {
    let mut module = wat::parse_str(wat).unwrap();
    let mut resolve = Resolve::default();
    let package = resolve.push_str("contract.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    module
}

#[test]
fn the_checked_in_adapter_is_what_its_sources_say() {
    let source = |name| std::fs::read_to_string(file(name)).unwrap();
    let made = assembled(&source("preview1.wat"), &source("preview1.wit"), "adapter");
    if std::env::var_os("EVENKEEL_UPDATE_ADAPTER").is_some() {
        std::fs::write(file("preview1.wasm"), &made).unwrap();
    }
    let kept = std::fs::read(file("preview1.wasm")).unwrap();
    let same = kept == made;
    assert!(
        same,
        "run this test with EVENKEEL_UPDATE_ADAPTER=1: {} and {} bytes",
        kept.len(),
        made.len()
    );
}

/// A scheduler that imports these functions of preview 1.
fn scheduler(imports: &str) -> Vec<u8> {
    let contract = "package evenkeel:plugin@0.2.0; interface scheduler { plan: func(); } world w { export scheduler; }";
    let wat = format!(
        r#"(module {imports} (memory (export "memory") 1) (func (export "evenkeel:plugin/scheduler@0.2.0#plan")))"#
    );
    assembled(&wat, contract, "w")
}

/// What a component imports.
fn imports(component: &[u8]) -> Vec<String> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component).unwrap() else {
        panic!("no component");
    };
    let imports = resolve.worlds[world].imports.keys();
    imports.map(|key| resolve.name_world_key(key)).collect()
}

#[test]
fn a_module_for_preview_1_gets_the_adapter_and_imports_what_that_uses_of_it() {
    assert!(imports(&pack(&scheduler("")).unwrap()).is_empty());
    let write = r#"(import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))"#;
    let component = pack(&scheduler(write)).unwrap();
    let wanted = [
        "wasi:io/error@0.2.0",
        "wasi:io/streams@0.2.0",
        "wasi:cli/stdout@0.2.0",
        "wasi:cli/stderr@0.2.0",
    ];
    let mut got = imports(&component);
    got.sort();
    let mut wanted = wanted.map(str::to_owned);
    wanted.sort();
    assert_eq!(got, wanted);
    let files = r#"(import "wasi_snapshot_preview1" "path_open"
        (func (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))"#;
    let component = pack(&scheduler(files)).unwrap();
    assert!(imports(&component).is_empty());
    assert!(component.len() < 2000, "{}", component.len());
}

#[test]
fn a_function_that_preview_1_does_not_have_is_named() {
    let import = r#"(import "wasi_snapshot_preview1" "fd_dream" (func))"#;
    let Err(PackError::Invalid(reason)) = pack(&scheduler(import)) else {
        panic!("packed a module with an import that nobody has");
    };
    assert!(reason.contains("fd_dream"), "{reason}");
}

#[test]
fn a_module_for_preview_1_that_is_no_plugin_is_told_what_it_lacks() {
    let wat = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))))"#;
    let error = pack(&wat::parse_str(wat).unwrap()).unwrap_err();
    assert!(matches!(error, PackError::NotFromSdk), "{error}");
}
