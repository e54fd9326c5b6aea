//! The data plane in memory.

use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::state::{Change, ServiceState, Spread, State};
use evenkeel_dataplane::fake::Fake;
use evenkeel_dataplane::{DataPlane, Error, conformance};

#[test]
fn the_fake_is_a_data_plane() {
    let fake = Fake::new();
    conformance::run(&mut || Box::new(fake.clone()));
}

#[test]
fn a_scripted_failure_happens_once_and_changes_nothing() {
    let mut fake = Fake::new();
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
        ask: None,
    };
    let change = [Change::Put(key, service)];
    fake.fail_next_apply(Error::Nft {
        stderr: "no".to_owned(),
    });
    assert!(matches!(fake.apply(&change), Err(Error::Nft { .. })));
    assert_eq!(fake.state(), State::default());
    fake.apply(&change).unwrap();
    assert_eq!(fake.applied(), 1);
}
