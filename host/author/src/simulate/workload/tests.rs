use std::time::Duration;

use super::*;

fn refusal(text: &str) -> String {
    read(text, "w.toml").unwrap_err().to_string()
}

const SERVER: &str = "[[server]]\nname = \"a\"\n";

#[test]
fn the_default_workload_is_read() {
    let workload = read(DEFAULT, "default").unwrap();
    assert_eq!(workload.servers.len(), 4);
    assert_eq!(workload.duration, Duration::from_secs(60));
    assert_eq!(workload.clients.choice, Choice::Zipf(0.9));
    assert_eq!(workload.events.len(), 3);
    assert_eq!(workload.servers[0].labels["zone"], "1");
}

#[test]
fn a_server_alone_is_a_workload() {
    let workload = read(SERVER, "w.toml").unwrap();
    let server = &workload.servers[0];
    assert_eq!(
        (server.weight, server.capacity, workload.seed),
        (1, None, 1)
    );
}

#[test]
fn every_distribution_and_event_is_read() {
    let text = format!(
        "lifetime = {{ pareto = {{ mean = \"1s\", shape = 1.5 }} }}\n\
         clients = {{ count = 1, rate = 0, arrivals = \"even\", choice = \"uniform\" }}\n{SERVER}\
         [[event]]\nat = \"9s\"\nremove = \"a\"\n\
         [[event]]\nat = \"1s\"\nadd = {{ name = \"b\", weight = 2 }}\n\
         [[event]]\nat = \"2s\"\ndrain = \"b\"\n[[event]]\nat = \"2s\"\nrate = 1e3\n"
    );
    let workload = read(&text, "w.toml").unwrap();
    let words: Vec<String> = workload
        .events
        .iter()
        .map(|it| it.what.to_string())
        .collect();
    assert_eq!(
        words,
        [
            "b is added",
            "b drains",
            "1000 connections/s",
            "a is removed"
        ]
    );
    assert!(matches!(workload.lifetime, Lifetime::Pareto { .. }));
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_its_value_and_what_would_be_right() {
    for (text, words) in [
        (
            "duration = \"2 parsecs\"\n",
            &["line 1", "2 parsecs", "\"2s\""][..],
        ),
        ("\nduration = \"48h\"\n", &["line 2", "48h", "24 hours"]),
        ("duration = \"0s\"\n", &["line 1", "1ms"]),
        ("sede = 1\n", &["line 1", "sede", "seed"]),
        (
            "lifetime = { normal = \"1s\" }\n",
            &["line 1", "normal", "pareto"],
        ),
        (
            "lifetime = { pareto = { mean = \"1s\", shape = 1 } }\n",
            &["line 1", "1: ", "above 1"],
        ),
        (
            "[clients]\nrate = -5\n",
            &["line 2", "rate = -5", "from 0 to 1000000"],
        ),
        ("[clients]\nrate = nan\n", &["line 2", "nan"]),
        (
            "[clients]\ncount = 0\n",
            &["line 2", "count = 0", "1 to 1000000"],
        ),
        ("[clients]\nchoice = { zipf = 0 }\n", &["line 2", "above 0"]),
        ("[[server]]\nweight = 1\n", &["line 1", "name"]),
        (
            "[[server]]\nname = \"a\"\nweight = 70000\n",
            &["line 3", "70000", "0 to 65535"],
        ),
        (
            "[[server]]\nname = \"a\\u001b\"\n",
            &["line 2", "control characters"],
        ),
        (
            "[[server]]\nname = \"a\"\ncapacity = 0\n",
            &["line 3", "capacity = 0"],
        ),
    ] {
        let error = refusal(text);
        for word in words {
            assert!(error.contains(word), "{text}: {word} is not in: {error}");
        }
        assert!(error.starts_with("workload w.toml"), "{error}");
        assert!(!error.contains('\u{1b}'));
    }
}

#[test]
fn what_a_file_holds_cannot_steer_the_terminal() {
    for text in [
        "\u{1b}[2J = 1",
        "seed = \"\u{1b}[2J\"",
        "duration = \"\\u001b[2J\"",
        "# \u{7}\n[[",
    ] {
        let error = refusal(text);
        assert!(!error.contains(['\u{1b}', '\u{7}']), "{error:?}");
        assert!(error.contains("line"), "{error}");
    }
    for text in [
        "",
        "[",
        "\u{feff}",
        "[[server]]",
        "server = 1",
        "event = [1]",
        "clients = []",
    ] {
        refusal(text);
    }
}

#[test]
fn what_does_not_fit_together_is_said_with_its_line() {
    for (text, words) in [
        ("", &["no server", "[[server]]"][..]),
        ("[[server]]\nname = \"a\"\n", &["line 3", "\"a\"", "above"]),
        (
            "[[event]]\nat = \"1s\"\n",
            &["line 3", "only when", "drain"],
        ),
        (
            "[[event]]\nat = \"1s\"\nfail = \"x\"\n",
            &["line 3", "\"x\"", "there are a"],
        ),
        (
            "[[event]]\nat = \"1s\"\nweight = { x = 1 }\n",
            &["line 3", "\"x\""],
        ),
        (
            "[[event]]\nat = \"61s\"\nfail = \"a\"\n",
            &["line 3", "61s", "duration"],
        ),
        (
            "[[event]]\nat = \"1s\"\nfail = \"a\"\nrate = 1\n",
            &["line 3", "two"],
        ),
        (
            "[[event]]\nat = \"1s\"\nadd = { name = \"a\" }\n",
            &["line 3", "already"],
        ),
        (
            "[clients]\nrate = 1000000\n",
            &["60000000 connections", "5000000"],
        ),
    ] {
        let whole = if text.is_empty() {
            String::new()
        } else {
            format!("{SERVER}{text}")
        };
        let error = refusal(&whole);
        for word in words {
            assert!(error.contains(word), "{text}: {word} is not in: {error}");
        }
    }
}
