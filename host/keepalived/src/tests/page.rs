//! The page about moving from keepalived.

use super::every_keyword::EVERYTHING;

const PAGE: &str = include_str!("../../../../docs/keepalived.md");

#[test]
fn the_page_names_every_keyword() {
    for line in EVERYTHING.lines() {
        let statement = line.split('#').next().unwrap_or_default();
        let word = statement.split_whitespace().next().unwrap_or_default();
        // Names of what is tracked, and addresses, are no keywords.
        let is_keyword = word.len() > 2 && word.starts_with(|c: char| c.is_ascii_alphabetic());
        let is_name = [
            "eth", "check", "proxy", "numbers", "others", "first", "second", "group",
        ];
        let is_name = is_name.iter().any(|name| word.starts_with(name));
        let inside = [
            "neighbor_ip",
            "garp_interval",
            "password",
            "from",
            "src",
            "blackhole",
            "misc_path",
        ];
        if is_keyword && !is_name && !inside.contains(&word) && !word.contains('@') {
            assert!(PAGE.contains(&format!("`{word}`")), "{word}");
        }
    }
}
