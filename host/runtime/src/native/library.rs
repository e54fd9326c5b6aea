//! A shared object: what it is before any of its code runs, and loading it.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::path::Path;

use evenkeel_sdk::native::abi::{self, Entry};
use libloading::os::unix::{Library as Object, RTLD_LOCAL, RTLD_NOW};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use object::{Object as _, ObjectKind, ObjectSymbol as _};

use crate::text::clean;

/// A plugin's entry. Nothing of it is ever unloaded: its code may be on any thread's stack, and its functions in any
/// table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Library {
    pub(super) entry: &'static Entry,
}

impl Library {
    /// Loads the content of a file.
    pub(super) fn load(path: &Path, content: &[u8]) -> Result<Self, String> {
        let symbol = symbol(content)?;
        let copy = sealed_copy(path, content)
            .map_err(|error| format!("cannot be copied into memory: {error}"))?;
        let name = format!("/proc/self/fd/{}", copy.as_raw_fd());
        // The linker knows objects by this name, so its number must never be another file's.
        std::mem::forget(copy);
        let flags = RTLD_NOW | RTLD_LOCAL;
        // SAFETY: it runs the object's initialisers, whatever they do. That is what "trusted" means: the
        // configuration names the file, and root alone can have written it.
        #[expect(unsafe_code, reason = "native plugins are trusted code")]
        let object = unsafe { Object::open(Some(&name), flags) }
            .map_err(|error| format!("the system's linker refuses it: {error}"))?;
        // SAFETY: the symbol is the one that the register macros of the SDK export, with the version of the interface
        // in its name; its type is checked below as far as it can be.
        #[expect(unsafe_code, reason = "native plugins are trusted code")]
        let found = unsafe { object.get::<*const Entry>(symbol.as_bytes()) }
            .map(|symbol| symbol.as_raw_ptr().cast::<Entry>());
        // Never closed.
        std::mem::forget(object);
        let found = found.map_err(|error| error.to_string())?;
        // SAFETY: a static of the object, which stays. Its first two numbers are the same in all versions.
        #[expect(unsafe_code, reason = "native plugins are trusted code")]
        let [version, size] = unsafe { found.cast::<[u32; 2]>().read() };
        if (version, size) != (abi::VERSION, size_of_u32::<Entry>()) {
            return Err(misfit(&format!("{version} with {size} bytes")));
        }
        // SAFETY: as above; its size is what we take it for.
        #[expect(unsafe_code, reason = "native plugins are trusted code")]
        let entry = unsafe { &*found };
        if entry.host_size != size_of_u32::<abi::Host>() {
            return Err(misfit("another one of the same number"));
        }
        Ok(Self { entry })
    }
}

pub(super) fn size_of_u32<T>() -> u32 {
    u32::try_from(size_of::<T>()).unwrap_or(u32::MAX)
}

fn misfit(what: &str) -> String {
    format!(
        "was built for native interface {what}; this daemon has {}: build it anew with the SDK of this version",
        abi::VERSION
    )
}

/// The name of a plugin's entry in a shared object, or what it is instead. Reads only.
fn symbol(content: &[u8]) -> Result<String, String> {
    let file = object::File::parse(content)
        .map_err(|error| format!("is no shared object: {}", clean(&error.to_string(), 200)))?;
    if file.kind() != ObjectKind::Dynamic {
        return Err("is no shared object (build it with crate-type = [\"cdylib\"])".to_owned());
    }
    let names: Vec<&str> = file
        .dynamic_symbols()
        .filter(|symbol| symbol.is_definition())
        .filter_map(|symbol| symbol.name().ok())
        .filter(|name| name.starts_with(abi::SYMBOL))
        .collect();
    let ours = format!("{}{}_", abi::SYMBOL, abi::VERSION);
    match names.as_slice() {
        [one] if one.starts_with(&ours) => Ok((*one).to_owned()),
        [other] => {
            let version = other.trim_start_matches(abi::SYMBOL);
            let version = version.split('_').next().unwrap_or(version);
            Err(misfit(&clean(version, 20)))
        }
        [] => Err("is no plugin of Evenkeel: it exports no entry (register_scheduler!)".to_owned()),
        several => Err(format!(
            "has {} plugins in it; a file is one plugin",
            several.len()
        )),
    }
}

/// A copy in memory that nobody can write to any more: neither who could write to the file, nor who replaces it in
/// place while its code runs.
fn sealed_copy(path: &Path, content: &[u8]) -> std::io::Result<File> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    // The kernel takes 249 bytes, and no zero among them.
    let name: String = name.chars().filter(|c| *c != '\0').take(60).collect();
    let copy = memfd_create(
        format!("evenkeel-{name}").as_str(),
        MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING,
    )?;
    let mut copy = File::from(copy);
    copy.write_all(content)?;
    let seals = SealFlag::F_SEAL_WRITE
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_SEAL;
    fcntl(copy.as_fd(), FcntlArg::F_ADD_SEALS(seals))?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_plugin_is_told_by_reading_it() {
        let reason = symbol(b"#!/bin/sh").unwrap_err();
        assert!(reason.starts_with("is no shared object"), "{reason}");
        let this = std::fs::read("/proc/self/exe").unwrap();
        assert!(symbol(&this).is_err());
    }

    #[test]
    fn a_copy_cannot_be_written_to() {
        let mut copy = sealed_copy(Path::new("/x/p.so"), b"content").unwrap();
        assert!(copy.write_all(b"other").is_err());
        assert!(copy.set_len(1).is_err());
    }
}
