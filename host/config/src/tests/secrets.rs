//! A password is in no report, whatever is wrong with its line.

use super::fixture::report;
use crate::secrets::is_secret;

/// Both halves are looked for, since a mistake may split it.
const HALVES: [&str; 2] = ["zq7x", "v9wk"];

fn instance(line: &str) -> String {
    // The mistake after it is there so that there is a report in any case.
    format!(
        "[[vrrp]]\nname = \"a\"\ninterface = \"eth0\"\nrouter_id = 1\nversion = 3\n{line}\naddress = \"10.0.0.1\"\nwrong = 1\n"
    )
}

#[track_caller]
fn assert_hidden(text: &str) -> String {
    let told = report(text);
    for half in HALVES {
        assert!(!told.contains(half), "{half} of\n{text}\nin\n{told}");
    }
    told
}

#[test]
fn whatever_is_wrong_with_a_password_it_is_not_told() {
    for line in [
        "password = \"zq7xv9wk\"",
        "password = \"zq7xv9wk and much more\"",
        "password = zq7xv9wk",
        "password = zq7x v9wk",
        "password = \"zq7xv9wk",
        "password = 'zq7xv9wk",
        "password \"zq7xv9wk\"",
        "password zq7xv9wk",
        "password: \"zq7xv9wk\"",
        "password == \"zq7xv9wk\"",
        "password = \"zq7x\" v9wk",
        "password = \"zq7x\"v9wk\"",
        "password = \"zq7x\\qv9wk\"",
        "password = [\"zq7xv9wk\"]",
        "password = { value = \"zq7xv9wk\" }",
        "password = \"\"\"zq7xv9wk\"\"\"",
        "password = \"\"\"\nzq7xv9wk\n\"\"\"",
        "password = \"\"\"\nzq7xv9wk\n",
        "password = \"zq7xv9wk\"\npassword = \"zq7xv9wk\"",
        "\"password\" = \"zq7xv9wk\"",
        "pasword = \"zq7xv9wk\"",
        "passwd = \"zq7xv9wk\"",
        "Password = \"zq7xv9wk\"",
        "passwrod = \"zq7xv9wk\"",
        "auth_pass = \"zq7xv9wk\"",
        "vrrp.password = \"zq7xv9wk\"",
        "password.value = \"zq7xv9wk\"",
        "notify = { password = \"zq7xv9wk\", wrong = 1 }",
    ] {
        assert_hidden(&instance(line));
    }
    let told = report(&instance("password = 71395824"));
    assert!(!told.contains("71395824"), "{told}");
}

#[test]
fn the_rest_of_the_line_is_shown_with_the_mark_in_its_place() {
    let text = "vrrp = [{ name = \"a\", password = \"zq7xv9wk\", prority = 100 }]\n";
    let told = assert_hidden(text);
    assert!(told.contains("password = \"***\", prority = 100"), "{told}");
    let mut lines = told
        .lines()
        .skip_while(|line| !line.contains("unknown key prority"));
    let (excerpt, mark) = (lines.nth(1).unwrap(), lines.next().unwrap());
    assert_eq!(excerpt.find("prority"), mark.find("^^^^^^^"), "{told}");
}

#[test]
fn other_keys_are_no_secrets() {
    for key in [
        "name",
        "path",
        "address",
        "priority",
        "preempt",
        "process",
        "weight",
        "port",
        "prefix",
        "persistence",
        "advert_interval",
        "listen",
        "interface",
    ] {
        assert!(!is_secret(key), "{key}");
    }
}
