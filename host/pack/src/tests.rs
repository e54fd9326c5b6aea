use super::*;

/// An empty core module.
const EMPTY: &[u8] = b"\0asm\x01\0\0\0";

/// A module with the given custom section and nothing else.
fn with_section(name: &str, content: &[u8]) -> Vec<u8> {
    let mut bytes = EMPTY.to_vec();
    let length = 1 + name.len() + content.len();
    bytes.extend([0, u8::try_from(length).unwrap(), u8::try_from(name.len()).unwrap()]);
    bytes.extend(name.as_bytes());
    bytes.extend(content);
    bytes
}

#[test]
fn what_is_not_webassembly_is_named_so() {
    for bytes in [&b""[..], b"\0as", b"#!/bin/sh\n", b"\0asm", b"\0asm\x02\0\0\0"] {
        assert!(matches!(pack(bytes), Err(PackError::NotWasm)), "{bytes:?}");
    }
}

#[test]
fn a_component_is_left_alone() {
    let error = pack(b"\0asm\x0d\0\x01\0").unwrap_err();
    assert_eq!(error.to_string(), "this is already a component: use it as it is");
}

#[test]
fn a_module_without_the_sdk_is_told_that_it_lacks_it() {
    assert!(matches!(pack(EMPTY), Err(PackError::NotFromSdk)));
    assert!(matches!(pack(&with_section("name", b"\0")), Err(PackError::NotFromSdk)));
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
