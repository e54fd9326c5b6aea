//! Whose plugins are used where signatures count.

use std::io::Cursor;

use minisign::KeyPair;

use super::*;
use crate::signature::{PublicKey, Trust, file_of};

struct Signer(KeyPair);

impl Signer {
    fn new() -> Self {
        Self(KeyPair::generate_unencrypted_keypair().unwrap())
    }

    fn trusted(&self, required: bool) -> Trust {
        let key = PublicKey::parse(&self.0.pk.to_base64()).unwrap();
        Trust::new(vec![key], required)
    }

    fn sign(&self, file: &Path) {
        let content = Cursor::new(fs::read(file).unwrap());
        let signature = minisign::sign(None, &self.0.sk, content, Some("by test"), None);
        fs::write(file_of(file), signature.unwrap().into_string()).unwrap();
    }
}

/// The directory's plugins as this trust has them, with these loaded.
fn trusting(
    before: &Catalogue,
    runtime: &dyn PluginRuntime,
    trust: Trust,
    directory: &TempDir,
    names: &[&str],
) -> Catalogue {
    let mut catalogue = before.clone();
    catalogue.set_trust(trust);
    let mut catalogue = catalogue.rescan(runtime, &[path(directory)]);
    load(&mut catalogue, runtime, names);
    catalogue
}

fn reason(catalogue: &Catalogue, name: &str) -> String {
    assert!(catalogue.get(&by_name(name)).is_none());
    catalogue.problem(&by_name(name)).unwrap()
}

#[test]
fn what_is_not_signed_is_neither_described_nor_loaded_where_that_is_required() {
    let directory = directory(&[("rr.wasm", "rr"), ("tcp.wasm", "tcp")]);
    let signer = Signer::new();
    signer.sign(&directory.path().join("rr.wasm"));
    let runtime = runtime(Sandbox::default());
    let none = Catalogue::default();
    let names = ["rr", "tcp"];
    let catalogue = trusting(&none, &runtime, signer.trusted(true), &directory, &names);
    let rr = catalogue.entry(&by_name("rr")).unwrap();
    let (key, comment) = rr.signature().signer().unwrap();
    assert_eq!((key, comment), (&signer.trusted(true).keys()[0], "by test"));
    assert!(catalogue.get(&by_name("rr")).is_some());
    assert!(reason(&catalogue, "tcp").contains("is not signed"));
    let any = trusting(&none, &runtime, signer.trusted(false), &directory, &names);
    let tcp = any.entry(&by_name("tcp")).unwrap();
    assert_eq!(
        (tcp.signature(), tcp.plugin().is_some()),
        (&Signature::None, true)
    );
}

#[test]
fn a_plugin_stays_the_same_one_when_its_signature_comes_and_goes_and_when_keys_are_changed() {
    let directory = directory(&[("rr.wasm", "rr")]);
    let file = directory.path().join("rr.wasm");
    let (signer, other) = (Signer::new(), Signer::new());
    let runtime = runtime(Sandbox::default());
    let any = signer.trusted(false);
    let scan = |before: &Catalogue, trust: &Trust| {
        trusting(before, &runtime, trust.clone(), &directory, &["rr"])
    };
    let first = scan(&Catalogue::default(), &any);
    let plugin = first.get(&by_name("rr")).unwrap();
    let same = |catalogue: &Catalogue| {
        let now = catalogue.get(&by_name("rr")).unwrap();
        assert!(Arc::ptr_eq(&now, &plugin));
        let entry = catalogue.entry(&by_name("rr")).unwrap();
        entry.signature().signer().is_some()
    };
    assert!(!same(&first));
    signer.sign(&file);
    let signed = scan(&first, &any);
    assert!(same(&signed));
    assert!(same(&scan(&signed, &signer.trusted(true))));
    assert!(!same(&scan(&signed, &other.trusted(false))));
    let refused = scan(&signed, &other.trusted(true));
    assert!(reason(&refused, "rr").contains("is signed by key"));
    // What is refused has not been forgotten by the catalogue that is in force.
    let mut kept = refused;
    kept.keep(&by_name("rr"), &signed);
    assert!(same(&kept));
    fs::write(file_of(&file), "no signature").unwrap();
    assert!(reason(&scan(&signed, &any), "rr").contains("is none of minisign"));
    fs::remove_file(file_of(&file)).unwrap();
    assert!(!same(&scan(&signed, &any)));
}

/// Has the file replaced whenever it has been read, by somebody who waits for that moment.
struct Raced {
    runtime: WasmRuntime,
    with: PathBuf,
}

impl PluginRuntime for Raced {
    #[expect(
        clippy::unwrap_in_result,
        reason = "a failed copy is the test's own fault"
    )]
    fn read(&self, file: &Path) -> Result<Vec<u8>, LoadError> {
        let content = self.runtime.read(file);
        fs::copy(&self.with, file).unwrap();
        content
    }

    fn describe_content(&self, file: &Path, content: &[u8]) -> Result<Described, LoadError> {
        self.runtime.describe_content(file, content)
    }

    fn load_content(&self, file: &Path, content: &[u8]) -> Result<Arc<dyn Plugin>, LoadError> {
        self.runtime.load_content(file, content)
    }
}

#[test]
fn what_was_verified_is_what_is_loaded_whatever_becomes_of_the_file_meanwhile() {
    let directory = directory(&[("rr.wasm", "rr")]);
    let file = directory.path().join("rr.wasm");
    let signer = Signer::new();
    signer.sign(&file);
    let raced = Raced {
        runtime: runtime(Sandbox::default()),
        with: plugin_file("wrr"),
    };
    let trust = signer.trusted(true);
    let loaded = entry::load(&raced, &trust, &file).unwrap();
    let signed = Sha256::of(&fs::read(plugin_file("rr")).unwrap());
    assert_eq!(loaded.0.sha256(), Some(signed));
    let reason = entry::load(&raced, &trust, &file).err().unwrap();
    assert!(reason.contains("does not fit"), "{reason}");
}

#[test]
fn a_last_good_copy_is_used_only_if_a_key_had_signed_it_that_is_trusted_now() {
    let directory = directory(&[("rr.wasm", "rr")]);
    let file = directory.path().join("rr.wasm");
    let parent = tempfile::tempdir().unwrap();
    let cache = parent.path().join("cache");
    let (signer, other) = (Signer::new(), Signer::new());
    let name = by_name("rr");
    for is_signed in [false, true] {
        fs::copy(plugin_file("rr"), &file).unwrap();
        if is_signed {
            signer.sign(&file);
        }
        let runtime = cached(&cache);
        let any = signer.trusted(false);
        let catalogue = trusting(&Catalogue::default(), &runtime, any, &directory, &["rr"]);
        let entry = catalogue.entry(&name).unwrap();
        runtime.keep_good(
            &name,
            catalogue.get(&name).unwrap().as_ref(),
            entry.signature(),
        );
        fs::write(&file, "broken").unwrap();
        let _ = fs::remove_file(file_of(&file));
        for (trust, used) in [
            (signer.trusted(true), is_signed),
            (other.trusted(true), false),
            (other.trusted(false), true),
        ] {
            let mut catalogue =
                trusting(&Catalogue::default(), &runtime, trust, &directory, &["rr"]);
            catalogue.fall_back(&runtime, [&name]);
            assert_eq!(catalogue.get(&name).is_some(), used, "signed: {is_signed}");
        }
    }
}

#[test]
fn a_native_plugin_is_signed_as_what_is_loaded_of_it_and_not_as_its_file_is_now() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("p.so");
    fs::copy(native_file("rr"), &file).unwrap();
    let signer = Signer::new();
    let runtime = NativeRuntime::trusting_everyone();
    let name = PluginRef::File(file.clone());
    let loaded = |before: &Catalogue, required: bool| {
        let mut catalogue = before.clone();
        catalogue.set_trust(signer.trusted(required));
        catalogue.load_native(&runtime, std::slice::from_ref(&file));
        catalogue
    };
    let refused = loaded(&Catalogue::default(), true);
    assert!(refused.problem(&name).unwrap().contains("is not signed"));
    let unsigned = loaded(&Catalogue::default(), false);
    assert!(unsigned.get(&name).is_some());
    // Another file, which is signed: the old one is what runs.
    fs::copy(native_file("wrr"), &file).unwrap();
    signer.sign(&file);
    let changed = loaded(&unsigned, false);
    assert_eq!(changed.entry(&name).unwrap().signature(), &Signature::None);
    let problem = loaded(&unsigned, true).problem(&name).unwrap();
    assert!(problem.contains("restart the daemon"), "{problem}");
    fs::copy(native_file("rr"), &file).unwrap();
    signer.sign(&file);
    let signed = loaded(&unsigned, true);
    assert!(signed.entry(&name).unwrap().signature().signer().is_some());
    fs::copy(native_file("wrr"), &file).unwrap();
    signer.sign(&file);
    let goes_on = loaded(&signed, true);
    let entry = goes_on.entry(&name).unwrap();
    assert!(entry.signature().signer().is_some(), "what runs was signed");
    assert_eq!(entry.sha256(), signed.entry(&name).unwrap().sha256());
}
