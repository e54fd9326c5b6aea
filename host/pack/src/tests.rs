use wit_component::{StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

use super::*;

/// The contract itself.
const WIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../sdk/wit/v0.1");

/// A module with everything that a world of the contract exports and imports, in which nothing works.
fn module(world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(WIT).unwrap();
    built_against(&resolve, package, world)
}

/// The same for another contract.
fn module_of(wit: &str, world: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("other.wit", wit).unwrap();
    built_against(&resolve, package, world)
}

fn built_against(resolve: &Resolve, package: wit_parser::PackageId, world: &str) -> Vec<u8> {
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let abi = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);
    let mut module = dummy_module(resolve, world, abi);
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8).unwrap();
    module
}

#[test]
fn a_module_of_either_kind_becomes_a_component_that_exports_the_contract() {
    for (world, export) in [
        ("scheduler-plugin", "evenkeel:plugin/scheduler@0.1.0"),
        (
            "health-checker-plugin",
            "evenkeel:plugin/health-checker@0.1.0",
        ),
    ] {
        let module = module(world);
        let component = pack(&module).unwrap();
        assert_eq!(exports(&component).unwrap(), [export]);
        assert_eq!(component, pack(&module).unwrap());
        assert!(matches!(pack(&component), Err(PackError::AlreadyComponent)));
    }
}

#[test]
fn a_module_built_against_another_contract_is_no_plugin() {
    let other = "package some:thing@1.0.0; interface i { f: func(); } world w { export i; }";
    assert!(matches!(
        pack(&module_of(other, "w")),
        Err(PackError::NotAPlugin)
    ));
}

#[test]
fn a_function_that_the_contract_lacks_is_named() {
    let mut module = module("scheduler-plugin");
    // The names of the imports are in the module as they are: one letter is enough.
    let at = module.windows(3).position(|bytes| bytes == b"now").unwrap();
    module[at] = b'h';
    let Err(PackError::Invalid(reason)) = pack(&module) else {
        panic!("packed a module with an import that nobody has");
    };
    assert!(reason.contains("how"), "{reason}");
}

/// An empty core module.
const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

/// A module with the given custom section and nothing else.
fn with_section(name: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = EMPTY.to_vec();
    let length = 1 + name.len() + content.len();
    bytes.extend([
        0,
        u8::try_from(length).unwrap(),
        u8::try_from(name.len()).unwrap(),
    ]);
    bytes.extend(name.as_bytes());
    bytes.extend(content);
    bytes
}

#[test]
fn what_is_not_webassembly_is_named_so() {
    for bytes in [
        &b""[..],
        b"\0as",
        b"#!/bin/sh\n",
        b"\0asm",
        b"\0asm\x02\0\0\0",
    ] {
        assert!(matches!(pack(bytes), Err(PackError::NotWasm)), "{bytes:?}");
    }
}

#[test]
fn a_component_that_is_no_plugin_is_told_what_to_build() {
    let error = pack(b"\0asm\x0d\0\x01\0").unwrap_err();
    assert!(matches!(error, PackError::OtherComponent));
    assert!(error.to_string().contains("wasm32-unknown-unknown"));
}

#[test]
fn a_module_with_the_sdk_that_registers_nothing_is_told_so() {
    let contract =
        "package evenkeel:plugin@0.1.0; interface host { f: func(); } world w { import host; }";
    let error = pack(&module_of(contract, "w")).unwrap_err();
    assert!(matches!(error, PackError::NotRegistered), "{error}");
    assert!(error.to_string().contains("register_scheduler!"));
}

#[test]
fn a_module_without_the_sdk_is_told_that_it_lacks_it() {
    assert!(matches!(pack(EMPTY), Err(PackError::NotFromSdk)));
    assert!(matches!(
        pack(&with_section("name", b"\0")),
        Err(PackError::NotFromSdk)
    ));
}

#[test]
fn a_description_that_is_garbled_is_an_error_with_its_cause() {
    let Err(PackError::Invalid(reason)) = pack(&with_section("component-type:x", b"rubbish"))
    else {
        panic!("packed rubbish");
    };
    assert!(reason.contains(": "), "{reason}");
}

#[test]
fn a_truncated_module_is_an_error() {
    let mut module = with_section("component-type:x", b"rubbish");
    module.truncate(12);
    assert!(pack(&module).is_err());
}

/// A manifest section's bytes as far as their header tells.
fn manifest_of(length: usize) -> Vec<u8> {
    let mut bytes = vec![section::VERSION];
    bytes.extend(u32::try_from(length).unwrap().to_le_bytes());
    bytes.resize(section::HEADER + length, 7);
    bytes
}

/// The custom sections of that name that are not inside a module.
fn sections(component: &[u8]) -> Vec<Vec<u8>> {
    let mut depth = 0;
    let mut found = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::CustomSection(custom) if depth == 0 && custom.name() == section::NAME => {
                found.push(custom.data().to_vec());
            }
            _ => {}
        }
    }
    found
}

#[test]
fn the_manifest_of_the_module_is_a_section_of_the_component() {
    for length in [0, 100, 200, 20_000] {
        let manifest = manifest_of(length);
        let mut module = module("scheduler-plugin");
        append_section(&mut module, section::NAME, &manifest);
        let component = pack(&module).unwrap();
        assert_eq!(sections(&component), [manifest]);
        assert_eq!(exports(&component).unwrap().len(), 1);
    }
    assert!(sections(&pack(&module("scheduler-plugin")).unwrap()).is_empty());
}

#[test]
fn what_is_not_one_whole_manifest_is_refused() {
    let twice = [manifest_of(3), manifest_of(3)].concat();
    let large = manifest_of(section::MAX_LENGTH);
    for manifest in [&twice[..], &large, &manifest_of(3)[..7], b""] {
        let mut module = module("scheduler-plugin");
        append_section(&mut module, section::NAME, manifest);
        assert!(matches!(pack(&module), Err(PackError::Manifest)));
    }
    let mut module = module("scheduler-plugin");
    append_section(&mut module, section::NAME, &manifest_of(3));
    append_section(&mut module, section::NAME, &manifest_of(3));
    assert!(matches!(pack(&module), Err(PackError::Manifest)));
}

#[test]
fn a_manifest_is_written_into_a_component_that_has_none() {
    let manifest = manifest_of(9);
    let mut component = pack(&module("scheduler-plugin")).unwrap();
    declare(&mut component, &manifest);
    declare(&mut component, &manifest_of(4));
    assert_eq!(sections(&component), [manifest]);
    assert_eq!(exports(&component).unwrap().len(), 1);
}
