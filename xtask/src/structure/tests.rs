//! Small trees that have circles, and that have none.

use std::collections::BTreeMap;
use std::path::Path;

use super::bans;
use super::circles::{circles, show};
use super::purity::imports;
use super::texts::{faults, is_test};
use super::tree::{Edges, Tree};

fn edges(files: &[(&str, &str)]) -> Edges {
    let files: BTreeMap<&Path, &str> = files
        .iter()
        .map(|(name, text)| (Path::new(*name), *text))
        .collect();
    let read = |file: &Path| files.get(file).map(|text| (*text).to_owned());
    Tree::read(Path::new("src/lib.rs"), &read).edges()
}

/// The circles, each as its files.
fn found(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let name = |file: &std::path::PathBuf| file.display().to_string();
    let circles = circles(&edges(files));
    circles
        .iter()
        .map(|circle| circle.iter().map(name).collect())
        .collect()
}

#[test]
fn two_files_that_take_from_each_other_are_a_circle() {
    let files = [
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", "use crate::b::B; pub struct A;"),
        (
            "src/b.rs",
            "pub struct B; fn f() -> super::a::A { todo!() }",
        ),
    ];
    assert_eq!(found(&files), [["src/a.rs", "src/b.rs"]]);
    let edges = edges(&files);
    let shown = show(&circles(&edges)[0], &edges, Path::new("src"));
    assert_eq!(
        shown,
        "a circle of 2 files:\n  a.rs -> b.rs: B\n  b.rs -> a.rs: A"
    );
}

#[test]
fn a_circle_by_way_of_others_is_one_and_what_hangs_on_it_is_not() {
    let files = [
        ("src/lib.rs", "mod a; mod b; mod c; mod d;"),
        ("src/a.rs", "use super::b::{self, f};"),
        ("src/b.rs", "pub fn f() { crate::c::g() }"),
        (
            "src/c.rs",
            "use crate::{a::H as Other, d::I}; pub fn g() {}",
        ),
        ("src/d.rs", "pub struct I;"),
    ];
    assert_eq!(found(&files), [["src/a.rs", "src/b.rs", "src/c.rs"]]);
}

#[test]
fn a_parent_that_declares_calls_and_hands_on_its_children_is_no_circle() {
    let files = [
        ("src/lib.rs", "mod a; pub use a::{C, B};"),
        (
            "src/a.rs",
            "mod b; mod c; pub use b::B; pub use c::*; fn f() { b::g() }",
        ),
        ("src/a/b.rs", "use super::c::C; pub struct B; pub fn g() {}"),
        // By way of the parent it is still the sibling's.
        ("src/a/c.rs", "pub struct C;"),
    ];
    assert_eq!(found(&files), [[""; 0]; 0]);
}

#[test]
fn what_a_parent_hands_on_and_uses_itself_it_takes() {
    let files = |lib| {
        [
            ("src/lib.rs", lib),
            ("src/a.rs", "use super::P; pub struct A;"),
        ]
    };
    let handed_on = "mod a; pub(crate) use a::A; pub struct P;";
    assert_eq!(found(&files(handed_on)), [[""; 0]; 0]);
    let used = "mod a; pub(crate) use a::A; pub struct P; fn f(a: A) {}";
    assert_eq!(found(&files(used)), [["src/a.rs", "src/lib.rs"]]);
}

#[test]
fn what_a_child_takes_by_way_of_its_parent_is_its_siblings() {
    let parent = |more: &str| format!("mod b; mod c; use c::C; {more}");
    let child = "use super::C; pub fn g() {}";
    let (fine, wrong) = (
        parent("fn f() { b::g() }"),
        parent("pub struct P; fn f() { b::g() }"),
    );
    let files = |parent| {
        [
            ("src/lib.rs", parent),
            ("src/b.rs", child),
            ("src/c.rs", "pub struct C;"),
        ]
    };
    assert_eq!(found(&files(&fine)), [[""; 0]; 0]);
    let mut files = files(&wrong);
    files[1].1 = "use super::{C, P}; pub fn g() {}";
    assert_eq!(found(&files), [["src/b.rs", "src/lib.rs"]]);
}

#[test]
fn tests_comments_and_strings_are_passed_over() {
    let files = [
        ("src/lib.rs", "mod a; mod b;"),
        (
            "src/a.rs",
            "pub struct A; #[cfg(test)] mod tests { use crate::b::B; } #[cfg(test)] use crate::b::B;",
        ),
        ("src/b.rs", "use crate::a::A; pub struct B;"),
    ];
    assert_eq!(found(&files), [[""; 0]; 0]);
    let files = [
        ("src/lib.rs", "mod a; mod b;"),
        (
            "src/a.rs",
            "/// [`crate::b::B`]\npub struct A; // crate::b::B\nconst T: &str = \"crate::b::B\"; #[cfg(test)] #[path = \"x\"] fn f() { crate::b::g() }",
        ),
        ("src/b.rs", "use crate::a::A; pub struct B;"),
    ];
    assert_eq!(found(&files), [[""; 0]; 0]);
}

#[test]
fn names_of_modules_in_a_file_are_the_files() {
    let files = [
        ("src/lib.rs", "mod a; mod b;"),
        (
            "src/a.rs",
            "pub mod inner { use super::X; pub struct Y; } pub struct X; use crate::b::B;",
        ),
        ("src/b.rs", "pub struct B; type T = crate::a::inner::Y;"),
    ];
    assert_eq!(found(&files), [["src/a.rs", "src/b.rs"]]);
}

#[test]
fn a_macro_that_is_only_called_by_its_name_is_taken_from_its_file() {
    let files = [
        ("src/lib.rs", "#[macro_use] mod a; mod b;"),
        ("src/a.rs", "macro_rules! make { () => { $crate::b::B } }"),
        ("src/b.rs", "pub struct B; fn f() { make!() }"),
    ];
    assert_eq!(found(&files), [["src/a.rs", "src/b.rs"]]);
}

#[test]
fn a_module_that_is_imported_leads_to_what_is_taken_from_it() {
    let files = [
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", "use crate::b; pub fn f() { b::g() }"),
        ("src/b.rs", "pub fn g() { super::a::f() }"),
    ];
    assert_eq!(found(&files), [["src/a.rs", "src/b.rs"]]);
    let files = [
        ("src/lib.rs", "mod a; mod b;"),
        ("src/a.rs", "use crate::b; pub fn f() {}"),
        (
            "src/b.rs",
            "use std::fmt; pub fn g() { super::a::f(); fmt::format(x) }",
        ),
    ];
    assert_eq!(found(&files), [[""; 0]; 0], "nothing is taken from b");
}

#[test]
fn a_pure_crate_names_no_clock_no_socket_and_no_file() {
    let bad = |text: &str| {
        let read = |file: &Path| (file == Path::new("src/lib.rs")).then(|| text.to_owned());
        bans::faults(&Tree::read(Path::new("src/lib.rs"), &read)).len()
    };
    assert_eq!(bad("use std::fs; use std::net::{IpAddr, UdpSocket};"), 2);
    assert_eq!(
        bad("fn f() { std::time::Instant::now(); std::thread::sleep(t) }"),
        2
    );
    assert_eq!(
        bad("use std::time::{Duration, Instant}; use std::net::*; fn f(now: Instant) {}"),
        0
    );
    assert_eq!(
        bad("#[cfg(test)] mod tests { fn f() { std::time::Instant::now() } }"),
        0
    );
    assert!(bans::is_pure(Path::new("host/core/src")) && !bans::is_pure(Path::new("host/cli/src")));
}

#[test]
fn a_doc_that_only_refers_to_the_module_is_a_fault_and_so_is_a_long_file() {
    let text = "/// See the module's documentation.\npub struct A;\n/// See the module's documentation.\n/// And more.\npub struct B;\n";
    let told = faults("a.rs", text);
    assert_eq!(
        told,
        ["a.rs:1: it only refers to the module's documentation"]
    );
    assert!(faults("a.rs", &"\n".repeat(500)).is_empty());
    assert_eq!(faults("a.rs", &"\n".repeat(501)).len(), 1);
    assert!(
        is_test(Path::new("host/x/src/tests/a.rs")) && is_test(Path::new("host/x/src/y/tests.rs"))
    );
    assert!(!is_test(Path::new("sdk/src/testing.rs")));
}

#[test]
fn a_modules_imports_are_read() {
    let mut module = b"\0asm\x01\0\0\0".to_vec();
    // A section of types, and one of imports: a function and a memory.
    module.extend([1, 4, 1, 0x60, 0, 0]);
    module.extend([2, 20, 2, 3]);
    module.extend(b"env");
    module.extend([3]);
    module.extend(b"now");
    module.extend([0, 0, 3]);
    module.extend(b"env");
    module.extend([1]);
    module.extend(b"m");
    module.extend([2, 0, 1]);
    assert_eq!(imports(&module).unwrap(), ["env.now", "env.m"]);
    assert!(imports(b"\0asm\x01\0\0\0").unwrap().is_empty());
    assert!(imports(b"\0asm\x01\0\0\0\x02\x05\x01").is_err());
    assert!(imports(b"ELF").is_err());
}
