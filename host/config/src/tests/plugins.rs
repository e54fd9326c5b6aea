//! Plugins that are pinned to a file, or go missing at the start.

use super::fixture::{model, report, resolve};
use evenkeel_core::manifest::Decision;
use evenkeel_core::model::Sandbox;

/// A service with this scheduler and check.
fn service(scheduler: &str, check: &str) -> String {
    format!(
        "[[service]]\nname = \"web\"\nlisten = \"10.0.0.1:80\"\nscheduler = {scheduler}\ncheck = {check}\n\
         [[service.server]]\naddress = \"10.0.1.1:80\"\n"
    )
}

#[test]
fn a_plugin_that_is_pinned_to_its_file_is_used_and_capital_digits_are_the_same() {
    for digits in ["ab".repeat(32), "AB".repeat(32)] {
        let pinned = format!("{{ plugin = \"rr\", sha256 = \"{digits}\" }}");
        let model = model(&service(&pinned, "\"tcp\""));
        assert_eq!(model.services[0].scheduler.plugin.to_string(), "rr");
    }
}

#[test]
fn a_plugin_that_is_another_file_than_the_pinned_one_is_an_error_with_both_sums() {
    let wanted = "cd".repeat(32);
    let pinned = format!("{{ plugin = \"rr\", sha256 = \"{wanted}\" }}");
    let report = report(&service(&pinned, "\"tcp\""));
    assert!(
        report.contains("rr is another file than the one that is wanted"),
        "{report}"
    );
    assert!(
        report.contains(&format!("wanted: sha256 {wanted}")),
        "{report}"
    );
    assert!(
        report.contains(&format!("found:  sha256 {}", "ab".repeat(32))),
        "{report}"
    );
    assert!(report.contains("lb.toml:4:"), "{report}");
    // A check's plugin likewise; of this one no file is known.
    let check = format!("{{ plugin = \"tcp\", sha256 = \"{wanted}\" }}");
    let report = self::report(&service("\"rr\"", &check));
    assert!(report.contains("found:  sha256 not known"), "{report}");
}

#[test]
fn what_is_no_sum_is_an_error_that_says_where_to_take_one_from() {
    let report = report(&service("{ plugin = \"rr\", sha256 = \"abc\" }", "\"tcp\""));
    assert!(
        report.contains("no SHA-256, which has 64 digits"),
        "{report}"
    );
    assert!(report.contains("sha256sum FILE"), "{report}");
}

#[test]
fn a_service_whose_plugin_is_broken_at_the_start_does_without_and_warns() {
    let text = service("\"/boot/bad.wasm\"", "\"/boot/bad.wasm\"");
    let (model, warnings) = resolve(&text).unwrap();
    assert_eq!(model.services[0].decision, Decision::Plan);
    assert!(model.services[0].scheduler.settings.is_empty());
    let warnings: Vec<String> = warnings.iter().map(|it| it.render()).collect();
    assert_eq!(warnings.len(), 2);
    assert!(
        warnings[0].contains("cannot be used: it is not WebAssembly")
            && warnings[0].contains("does without a scheduler"),
        "{}",
        warnings[0]
    );
    // One that wants what the plugin may have offered keeps that.
    let text = text.replace("listen", "decision = \"per-connection\"\nlisten");
    let (model, _) = resolve(&text).unwrap();
    assert_eq!(model.services[0].decision, Decision::PerConnection);
}

#[test]
fn a_plugin_may_have_limits_of_its_own_and_the_others_of_all() {
    let text = format!(
        "[sandbox]\nmemory = \"32MiB\"\ncall_time = \"100ms\"\ntotal_memory = \"1GiB\"\n\
         [[plugin_sandbox]]\nplugin = \"python\"\nmemory = \"128MiB\"\n{}",
        service("\"rr\"", "\"tcp\"")
    );
    let daemon = model(&text).daemon;
    assert_eq!(daemon.sandbox.total_memory, 1 << 30);
    let own = daemon.plugin_sandboxes["python"];
    assert_eq!(own.memory, 128 << 20);
    assert_eq!(
        Sandbox {
            memory: 32 << 20,
            ..own
        },
        daemon.sandbox
    );
    assert_eq!(daemon.plugin_sandboxes.len(), 1);
}

#[test]
fn limits_of_a_plugin_are_written_once_and_by_its_name() {
    let table = |name: &str| format!("[[plugin_sandbox]]\nplugin = \"{name}\"\n");
    let service = service("\"rr\"", "\"tcp\"");
    let twice = report(&format!("{}{}{service}", table("a"), table("a")));
    assert!(
        twice.contains("another [[plugin_sandbox]] is of this plugin"),
        "{twice}"
    );
    let file = report(&format!("{}{service}", table("./a.wasm")));
    assert!(file.contains("where its name is wanted"), "{file}");
}
