//! `plugin push`, `plugin pull` and `plugin install oci://...`, by the binary, with Debian's docker-registry.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context as _, Result};
use evenkeel_tests::{Paths, Registry, skipped};

/// The user "calm" with bcrypt of "secret", as `htpasswd -B` writes it.
const HTPASSWD: &str = "calm:$2b$05$3k7ADYwzZpI4.gQcopLZw.VqIdNHbwMJ.nJAVg6LH9fQnW7coSnhO\n";

/// What `plugin install` tells of a directory that no configuration names.
const NOT_USED: &str = "into is none of plugin_dirs: a configuration uses the plugin if it names the directory or \
                        the file\n";

/// Runs a command in a directory; nobody has logged in by docker there.
fn evenkeel(dir: &Path, words: &str) -> Result<Output> {
    Ok(Command::new(Paths::default().binary.canonicalize()?)
        .args(words.split_whitespace())
        .current_dir(dir)
        .env("DOCKER_CONFIG", dir.join("no-docker"))
        .output()?)
}

/// What a command prints, having gone well.
fn says(dir: &Path, words: &str) -> Result<String> {
    let output = evenkeel(dir, words)?;
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && error.is_empty(),
        "{words}: {error}"
    );
    Ok(String::from_utf8(output.stdout)?)
}

/// A command ends with this code, says this in one line, and prints nothing else.
fn complains(dir: &Path, words: &str, code: i32, wanted: &str) -> Result<()> {
    let output = evenkeel(dir, words)?;
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{words}: {error}");
    assert!(
        error.starts_with("evenkeel: ") && error.contains(wanted) && error.lines().count() == 1,
        "{words}: {error}"
    );
    assert!(output.stdout.is_empty(), "{words}");
    Ok(())
}

/// Runs a test with a registry, and a directory that has the shipped `rr.wasm` in it.
fn with_registry(
    test: &str,
    htpasswd: Option<&str>,
    body: impl FnOnce(&Registry, &Path) -> Result<()>,
) -> Result<()> {
    let name = format!("registry::{test}");
    if let Some(why) = Registry::missing() {
        return skipped(&name, why);
    }
    let (own, kept) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let dir = own.path();
    if !evenkeel(dir, "plugin push --help")?.status.success() {
        let why = "this evenkeel was built without registries: cargo xtask build, and set \
                   EVENKEEL_BIN=target/release/evenkeel";
        return skipped(&name, why);
    }
    fs::copy(
        Paths::default().plugins.join("rr.wasm"),
        dir.join("rr.wasm"),
    )?;
    body(&Registry::start(kept.path(), htpasswd)?, dir)
}

fn same(dir: &Path, one: &str, other: &str) -> Result<()> {
    assert!(
        fs::read(dir.join(one))? == fs::read(dir.join(other))?,
        "{one} and {other} differ"
    );
    Ok(())
}

#[test]
fn a_plugin_is_pushed_pulled_by_tag_and_by_digest_and_installed() -> Result<()> {
    let test = "a_plugin_is_pushed_pulled_by_tag_and_by_digest_and_installed";
    with_registry(test, None, |registry, dir| {
        let place = registry.place("plugins/rr:0.1.0");
        let said = says(dir, &format!("plugin push rr.wasm {place} --plain-http"))?;
        let (first, pinned) = said.trim_end().split_once('\n').context("two lines")?;
        assert_eq!(first, format!("{place}: rr 0.1.0, unsigned"));
        let repository = registry.place("plugins/rr@sha256:");
        let digest = pinned.strip_prefix(&repository).context("a digest")?;
        assert_eq!(digest.len(), 64, "{said}");

        let length = fs::metadata(dir.join("rr.wasm"))?.len();
        for (from, file) in [(&*place, "tag.wasm"), (pinned, "digest.wasm")] {
            let said = says(dir, &format!("plugin pull {from} -o {file} --plain-http"))?;
            assert_eq!(said, format!("{file}: {length} bytes, unsigned\n"));
            same(dir, "rr.wasm", file)?;
            assert!(!dir.join(format!("{file}.minisig")).exists());
        }

        fs::create_dir(dir.join("into"))?;
        let install = format!("plugin install {place} --into into --plain-http");
        for end in [" is new\n", " was there already\n"] {
            let said = says(dir, &install)?;
            assert!(said.starts_with("into/rr.wasm: rr 0.1.0 ("), "{said}");
            assert!(said.ends_with(&format!("{end}{NOT_USED}")), "{said}");
        }
        same(dir, "rr.wasm", "into/rr.wasm")?;
        let listed = says(dir, "plugin list --plugin-dir into")?;
        assert!(listed.contains("rr"), "{listed}");
        Ok(())
    })
}

#[test]
fn a_signed_plugin_keeps_its_signature_on_its_way_and_an_unsigned_one_is_not_taken_for_it()
-> Result<()> {
    let test =
        "a_signed_plugin_keeps_its_signature_on_its_way_and_an_unsigned_one_is_not_taken_for_it";
    with_registry(test, None, |registry, dir| {
        let [signed, unsigned] = ["rr:signed", "rr:unsigned"].map(|it| registry.place(it));
        says(dir, &format!("plugin push rr.wasm {unsigned} --plain-http"))?;
        says(dir, "plugin keygen own --no-password")?;
        says(dir, "plugin sign rr.wasm --key own.key")?;
        let said = says(dir, &format!("plugin push rr.wasm {signed} --plain-http"))?;
        assert!(said.contains("rr 0.1.0, with its signature\n"), "{said}");

        let pull = |from: &str| says(dir, &format!("plugin pull {from} -o got.wasm --plain-http"));
        let said = pull(&signed)?;
        assert!(said.ends_with(" bytes, and its signature\n"), "{said}");
        same(dir, "rr.wasm.minisig", "got.wasm.minisig")?;
        let said = says(dir, "plugin verify got.wasm --key own.pub")?;
        assert!(said.contains("rr 0.1.0"), "{said}");
        // The signature of what was there before does not stay.
        pull(&unsigned)?;
        assert!(!dir.join("got.wasm.minisig").exists());

        fs::create_dir(dir.join("into"))?;
        fs::write(
            dir.join("signed.toml"),
            "[plugins]\ntrust = [\"own.pub\"]\nrequire = \"signed\"\n",
        )?;
        let install = |place: &str| {
            format!("plugin install {place} --into into --config signed.toml --plain-http")
        };
        complains(dir, &install(&unsigned), 3, "is not signed")?;
        assert_eq!(fs::read_dir(dir.join("into"))?.count(), 0);
        let said = says(dir, &install(&signed))?;
        assert!(said.contains("is new"), "{said}");
        same(dir, "rr.wasm", "into/rr.wasm")?;
        same(dir, "rr.wasm.minisig", "into/rr.wasm.minisig")
    })
}

#[test]
fn without_the_right_password_nothing_is_pushed_pulled_or_installed() -> Result<()> {
    let test = "without_the_right_password_nothing_is_pushed_pulled_or_installed";
    with_registry(test, Some(HTPASSWD), |registry, dir| {
        let place = registry.place("rr:1");
        fs::write(dir.join("wrong"), "not-the-word\n")?;
        fs::write(
            dir.join("right"),
            "secret\nof which only the first line counts\n",
        )?;
        fs::create_dir(dir.join("into"))?;
        let push = format!("plugin push rr.wasm {place} --plain-http");
        let pull = format!("plugin pull {place} -o got.wasm --plain-http");
        let install = format!("plugin install {place} --into into --plain-http");
        let with = |file: &str| format!(" --username calm --password-file {file}");
        for credentials in [String::new(), with("wrong")] {
            let place = &place;
            let refused = format!("{place}: Server error: ");
            complains(dir, &(push.clone() + &credentials), 1, &refused)?;
            complains(
                dir,
                &(push.clone() + &credentials),
                1,
                "authentication required",
            )?;
            let refused = format!("{place}: Not authorized: ");
            for command in [&pull, &install] {
                complains(dir, &format!("{command}{credentials}"), 1, &refused)?;
            }
        }
        let output = evenkeel(dir, &(push.clone() + &with("wrong")))?;
        let all = String::from_utf8([output.stdout, output.stderr].concat())?;
        assert!(!all.contains("not-the-word"), "{all}");
        complains(
            dir,
            &(pull.clone() + &with("nosuch")),
            1,
            "cannot read nosuch: ",
        )?;
        assert!(!dir.join("got.wasm").exists());
        assert_eq!(fs::read_dir(dir.join("into"))?.count(), 0);

        says(dir, &(push + &with("right")))?;
        says(dir, &(pull + &with("right")))?;
        same(dir, "rr.wasm", "got.wasm")?;
        says(dir, &(install + &with("right")))?;
        same(dir, "rr.wasm", "into/rr.wasm")
    })
}

#[test]
fn what_is_not_there_is_named_and_nothing_is_written() -> Result<()> {
    let test = "what_is_not_there_is_named_and_nothing_is_written";
    with_registry(test, None, |registry, dir| {
        says(
            dir,
            &format!(
                "plugin push rr.wasm {} --plain-http",
                registry.place("rr:1")
            ),
        )?;
        fs::create_dir(dir.join("into"))?;
        let (tag, name) = (registry.place("rr:2"), registry.place("nosuch:1"));
        let nobody = "oci://127.0.0.1:1/rr:1".to_owned();
        for (place, wanted) in [
            (&tag, "manifest unknown"),
            (&name, "manifest unknown"),
            (&nobody, "Connection refused"),
        ] {
            for command in [
                format!("plugin pull {place} -o got.wasm --plain-http"),
                format!("plugin install {place} --into into --plain-http"),
            ] {
                complains(dir, &command, 1, place)?;
                complains(dir, &command, 1, wanted)?;
            }
        }
        let push = format!("plugin push rr.wasm {nobody} --plain-http");
        complains(dir, &push, 1, "Connection refused")?;
        // It does not speak TLS.
        let push = format!("plugin push rr.wasm {}", registry.place("rr:1"));
        complains(dir, &push, 1, &registry.place("rr:1"))?;
        complains(
            dir,
            "plugin pull oci://rr:1 -o got.wasm",
            1,
            "has no repository",
        )?;
        complains(
            dir,
            "plugin pull oci://localhost:1/rr -o got.wasm",
            1,
            "has no tag",
        )?;
        let pull = format!(
            "plugin pull {} -o no/got.wasm --plain-http",
            registry.place("rr:1")
        );
        complains(dir, &pull, 1, "cannot write no/got.wasm: ")?;
        for words in ["plugin push rr.wasm", "plugin pull oci://localhost:1/rr:1"] {
            assert_eq!(evenkeel(dir, words)?.status.code(), Some(2), "{words}");
        }
        assert!(!dir.join("got.wasm").exists());
        assert_eq!(fs::read_dir(dir.join("into"))?.count(), 0);
        Ok(())
    })
}

/// `{}`, in a registry as the configuration and as the layer of an artifact.
const BLOB: &str = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";

/// Puts an artifact with these types of its parts there.
fn put(to: SocketAddr, repository: &str, config: &str, layer: &str) -> Result<()> {
    let begun = http(
        to,
        "POST",
        &format!("/v2/{repository}/blobs/uploads/"),
        "",
        "",
    )?;
    let location = begun.lines().find_map(|it| it.strip_prefix("Location: "));
    let location = location.context(begun.clone())?.trim_end();
    let (_, path) = location.split_once("/v2/").context("no path")?;
    let kind = "application/octet-stream";
    http(to, "PUT", &format!("/v2/{path}&digest={BLOB}"), kind, "{}")?;
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let part =
        |kind: &str| format!("{{\"mediaType\": \"{kind}\", \"size\": 2, \"digest\": \"{BLOB}\"}}");
    let manifest = format!(
        "{{\"schemaVersion\": 2, \"mediaType\": \"{kind}\", \"config\": {}, \"layers\": [{}]}}",
        part(config),
        part(layer)
    );
    http(
        to,
        "PUT",
        &format!("/v2/{repository}/manifests/1"),
        kind,
        &manifest,
    )?;
    Ok(())
}

/// A request, and the head of its answer, which is of success.
fn http(to: SocketAddr, method: &str, path: &str, kind: &str, body: &str) -> Result<String> {
    let mut stream = TcpStream::connect(to)?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {to}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    assert!(
        answer.starts_with("HTTP/1.1 20"),
        "{method} {path}: {answer}"
    );
    Ok(answer)
}

#[test]
fn an_artifact_that_is_no_plugin_is_refused_before_anything_is_installed() -> Result<()> {
    let test = "an_artifact_that_is_no_plugin_is_refused_before_anything_is_installed";
    with_registry(test, None, |registry, dir| {
        let wasm = "application/vnd.wasm.config.v0+json";
        let image = "application/vnd.oci.image.config.v1+json";
        let tar = "application/vnd.oci.image.layer.v1.tar";
        put(registry.address(), "image", image, tar)?;
        put(registry.address(), "archive", wasm, tar)?;
        // Its types are those of a plugin, its content is not: only `install` looks at that.
        put(registry.address(), "empty", wasm, "application/wasm")?;
        fs::create_dir(dir.join("into"))?;
        for (name, of_type) in [("image:1", image), ("archive:1", tar)] {
            let place = registry.place(name);
            let wanted = format!("{place} is no plugin: it");
            for command in [
                format!("plugin pull {place} -o got.wasm --plain-http"),
                format!("plugin install {place} --into into --plain-http"),
            ] {
                complains(dir, &command, 1, &wanted)?;
                complains(dir, &command, 1, &format!(" of type {of_type}"))?;
            }
        }
        let empty = registry.place("empty:1");
        let install = format!("plugin install {empty} --into into --plain-http");
        complains(dir, &install, 3, "is no WebAssembly")?;
        complains(dir, &install, 3, &empty)?;
        assert!(!dir.join("got.wasm").exists());
        assert_eq!(fs::read_dir(dir.join("into"))?.count(), 0);

        fs::write(dir.join("page.wasm"), "no plugin")?;
        let push = |file: &str| {
            format!(
                "plugin push {file} {} --plain-http",
                registry.place("page:1")
            )
        };
        complains(dir, &push("page.wasm"), 3, "page.wasm: is no WebAssembly")?;
        let output = evenkeel(dir, &push("nosuch.wasm"))?;
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            !output.status.success() && error.contains("nosuch.wasm"),
            "{error}"
        );
        Ok(())
    })
}
