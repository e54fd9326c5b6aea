//! What a checker keeps about its target.

use super::{probe, tried};
use crate::testing::target;

#[test]
fn what_was_kept_is_there_until_something_else_is_kept() {
    let address = ([127, 0, 0, 1], 9).into();
    let mut first = probe(address);
    assert_eq!(first.session(), None);
    first.keep(b"one".to_vec()).unwrap();
    assert_eq!(first.session(), Some(&b"one"[..]));
    let kept = first.into_stored();
    assert_eq!(kept.as_deref(), Some(&b"one"[..]));

    let mut known = target(address);
    known.session = kept;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(5);
    let sandbox = evenkeel_core::model::Sandbox::default();
    let mut second = tried(known, deadline, &sandbox);
    assert_eq!(second.session(), Some(&b"one"[..]));
    let error = second.keep(vec![0; 65_537]).unwrap_err();
    assert_eq!(error, "has 65537 bytes; 65536 are allowed");
    assert_eq!(second.session(), Some(&b"one"[..]));
    // Nothing new: what there was stays.
    second.keep(Vec::new()).unwrap();
    assert_eq!(second.session(), None);
    assert_eq!(second.into_stored(), Some(Vec::new()));
}
