//! The data plane in memory.

use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::state::{Change, ServiceState, Spread, State};
use evenkeel_dataplane::memory::MemoryPlane;
use evenkeel_dataplane::{DataPlane, Error, conformance};

#[test]
fn the_fake_is_a_data_plane() {
    let plane = MemoryPlane::new();
    conformance::run(&mut || Box::new(plane.clone()));
}

#[test]
fn a_scripted_failure_happens_once_and_changes_nothing() {
    let mut plane = MemoryPlane::new();
    let key = ServiceKey {
        addr: [192, 0, 2, 1].into(),
        port: 80,
        protocol: Protocol::Tcp,
    };
    let service = ServiceState {
        snat: false,
        backends: [].into(),
        spread: Spread::Refuse,
        persistence: None,
        queue: None,
    };
    let change = [Change::Put(key, service)];
    plane.fail_next_apply(Error::Nft {
        stderr: "no".to_owned(),
    });
    assert!(matches!(plane.apply(&change), Err(Error::Nft { .. })));
    assert_eq!(plane.state(), State::default());
    plane.apply(&change).unwrap();
    assert_eq!(plane.applied(), 1);
}
