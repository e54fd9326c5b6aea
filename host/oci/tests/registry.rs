//! Against Debian's docker-registry, on the loopback address.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;

use evenkeel_oci::{About, Access, Artifact, Credentials, Place, pull, push};
use evenkeel_tests::{Registry, skipped};

/// Both end with the test.
struct Server {
    registry: Registry,
    directory: tempfile::TempDir,
}

/// A registry, with a password file if there is one; `None`, and a word about it, where it is not installed.
fn server(test: &str, htpasswd: Option<&str>) -> Option<Server> {
    if let Some(why) = Registry::missing() {
        skipped(test, why).unwrap();
        return None;
    }
    let directory = tempfile::tempdir().unwrap();
    Some(Server {
        registry: Registry::start(directory.path(), htpasswd).unwrap(),
        directory,
    })
}

impl Server {
    fn place(&self, rest: &str) -> Place {
        self.registry.place(rest).parse().unwrap()
    }
}

fn about() -> About {
    About {
        name: "calm".to_owned(),
        version: "0.1.0".to_owned(),
        summary: "few connections".to_owned(),
        imports: vec!["evenkeel:plugin/host@0.2.0".to_owned()],
        exports: vec!["evenkeel:plugin/scheduler@0.2.0".to_owned()],
    }
}

fn anonymous() -> Access {
    Access {
        credentials: Credentials::Found,
        plain_http: true,
    }
}

fn artifact(signature: Option<&str>) -> Artifact {
    Artifact {
        content: (0..300_000_u32).flat_map(u32::to_le_bytes).collect(),
        signature: signature.map(str::to_owned),
    }
}

const MOST: u64 = 64 << 20;

#[test]
fn what_is_pushed_is_pulled_with_its_signature_by_tag_and_by_digest() {
    let Some(server) = server(
        "what_is_pushed_is_pulled_with_its_signature_by_tag_and_by_digest",
        None,
    ) else {
        return;
    };
    for signature in [
        Some("untrusted comment: x\nRU\ntrusted comment: y\tz\nab=="),
        None,
    ] {
        let plugin = artifact(signature);
        let place = server.place("plugins/calm:0.1.0");
        let digest = push(&place, &plugin, &about(), &anonymous()).unwrap();
        assert_eq!(pull(&place, &anonymous(), MOST).unwrap(), plugin);
        let pinned: Place = place.at(&digest).parse().unwrap();
        assert_eq!(pull(&pinned, &anonymous(), MOST).unwrap(), plugin);
    }
}

#[test]
fn an_artifact_has_the_layout_that_other_programs_for_webassembly_expect() {
    let Some(server) = server(
        "an_artifact_has_the_layout_that_other_programs_for_webassembly_expect",
        None,
    ) else {
        return;
    };
    let plugin = artifact(Some("signature"));
    push(&server.place("calm:1"), &plugin, &about(), &anonymous()).unwrap();
    let texts = server
        .registry
        .blobs()
        .unwrap()
        .into_iter()
        .filter_map(|blob| {
            let bytes = fs::read(blob).unwrap();
            serde_json::from_slice::<serde_json::Value>(&bytes).ok()
        });
    let texts: Vec<serde_json::Value> = texts.collect();
    let manifest = texts.iter().find(|it| it["layers"].is_array()).unwrap();
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 1);
    assert_eq!(layers[0]["mediaType"], "application/wasm");
    assert_eq!(layers[0]["size"], plugin.content.len());
    let kind = "application/vnd.wasm.config.v0+json";
    assert_eq!(manifest["config"]["mediaType"], kind);
    assert_eq!(
        manifest["annotations"]["org.opencontainers.image.title"],
        "calm"
    );
    let config = texts
        .iter()
        .find(|it| it["architecture"] == "wasm")
        .unwrap();
    assert_eq!(config["os"], "wasip2");
    assert_eq!(config["layerDigests"][0], layers[0]["digest"]);
    assert_eq!(config["component"]["exports"][0], about().exports[0]);
}

#[test]
fn what_was_changed_in_the_registry_what_is_too_large_and_what_is_not_there_are_refused() {
    let Some(server) = server(
        "what_was_changed_in_the_registry_what_is_too_large_and_what_is_not_there_are_refused",
        None,
    ) else {
        return;
    };
    let (plugin, place) = (artifact(None), server.place("calm:1"));
    push(&place, &plugin, &about(), &anonymous()).unwrap();
    let error = pull(&server.place("calm:2"), &anonymous(), MOST).unwrap_err();
    assert!(error.to_string().contains("calm:2"), "{error}");
    let error = pull(&place, &anonymous(), 1000).unwrap_err();
    assert!(error.to_string().contains("at most 1000"), "{error}");
    let length = plugin.content.len();
    let blob = server
        .registry
        .blobs()
        .unwrap()
        .into_iter()
        .find(|blob| blob.metadata().unwrap().len() == u64::try_from(length).unwrap());
    let blob = blob.unwrap();
    let mut changed = plugin.content;
    changed[1000] ^= 1;
    fs::write(&blob, &changed).unwrap();
    let error = pull(&place, &anonymous(), MOST).unwrap_err().to_string();
    assert!(error.contains("igest"), "{error}");
}

/// Of the copy of a test whose environment is its own: what it is to pull.
const PLACE: &str = "EVENKEEL_TEST_PLACE";

#[test]
fn a_registry_that_wants_a_password_gets_it_from_the_command_or_from_docker() {
    let plugin = artifact(None);
    if let Ok(place) = std::env::var(PLACE) {
        let pulled = pull(&place.parse().unwrap(), &anonymous(), MOST);
        assert_eq!(pulled.unwrap(), plugin);
        return;
    }
    let name = "a_registry_that_wants_a_password_gets_it_from_the_command_or_from_docker";
    // bcrypt of "secret", as `htpasswd -B` writes it.
    let htpasswd = "calm:$2b$05$3k7ADYwzZpI4.gQcopLZw.VqIdNHbwMJ.nJAVg6LH9fQnW7coSnhO\n";
    let Some(server) = server(name, Some(htpasswd)) else {
        return;
    };
    let place = server.place("calm:1");
    let error = push(&place, &plugin, &about(), &anonymous()).unwrap_err();
    assert!(
        error.to_string().contains("authentication required"),
        "{error}"
    );
    let given = |password: &str| Access {
        credentials: Credentials::Given {
            user: "calm".to_owned(),
            password: password.to_owned(),
        },
        plain_http: true,
    };
    let error = push(&place, &plugin, &about(), &given("wrong-one")).unwrap_err();
    assert!(!error.to_string().contains("wrong-one"), "{error}");
    push(&place, &plugin, &about(), &given("secret")).unwrap();
    assert_eq!(pull(&place, &given("secret"), MOST).unwrap(), plugin);
    // "calm:secret", as `docker login` writes it.
    let config = format!(
        "{{\"auths\": {{\"{}\": {{\"auth\": \"Y2FsbTpzZWNyZXQ=\"}}}}}}",
        server.registry.address()
    );
    let docker = server.directory.path().join("docker");
    fs::create_dir(&docker).unwrap();
    fs::write(docker.join("config.json"), config).unwrap();
    let copy = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact"])
        .env("DOCKER_CONFIG", docker)
        .env(PLACE, place.to_string())
        .output()
        .unwrap();
    assert!(copy.status.success(), "{copy:?}");
    assert!(
        String::from_utf8_lossy(&copy.stdout).contains("1 passed"),
        "{copy:?}"
    );
}

#[test]
fn a_password_is_not_sent_in_the_clear_to_another_machine() {
    let access = Access {
        credentials: Credentials::Given {
            user: "calm".to_owned(),
            password: "secret".to_owned(),
        },
        plain_http: true,
    };
    let place: Place = "oci://registry.example:5000/calm:1".parse().unwrap();
    let error = pull(&place, &access, MOST).unwrap_err().to_string();
    assert!(error.contains("without TLS"), "{error}");
    assert!(!format!("{access:?}").contains("secret"));
}
