//! Changes of our table are noticed, with whose they are.

use std::time::Duration;

use evenkeel_core::model::{Protocol, ServiceKey};
use evenkeel_core::state::{Change, ServiceState, Spread};
use evenkeel_dataplane::DataPlane;
use evenkeel_dataplane::nftables::{Nftables, Noticed};

use evenkeel_tests::{in_a_namespace, sh};

in_a_namespace! {
    fn others_changes_are_told_from_ours() {
        let key = ServiceKey { addr: [192, 0, 2, 1].into(), port: 80, protocol: Protocol::Tcp };
        let service =
            |snat| ServiceState { snat, backends: [].into(), spread: Spread::Refuse, persistence: None, queue: None,
};
        let mut plane = Nftables::new("evenkeel").unwrap();
        let mut watch = plane.watch(Duration::from_millis(50)).unwrap();
        assert_eq!(watch.next().unwrap(), Noticed::Nothing);
        let mut next = || watch.next().unwrap();
        let ours = |noticed: Noticed| matches!(noticed, Noticed::Touched { by_us: true, .. });

        // The base ruleset by nft, and what is in it over the socket.
        plane.apply(&[Change::Put(key, service(false))]).unwrap();
        assert!(ours(next()));
        assert!(ours(next()));
        plane.apply(&[Change::Put(key, service(true))]).unwrap();
        assert!(ours(next()));
        assert_eq!(next(), Noticed::Nothing);

        sh("nft flush chain inet evenkeel s1");
        let Noticed::Touched { process, name, by_us } = next() else { panic!("not noticed") };
        assert_eq!((name.as_str(), by_us), ("nft", false));
        assert_ne!(process, std::process::id());

        sh("nft 'table inet other { chain a { accept; }; }'; nft 'table ip evenkeel { chain s1 { accept; }; }'");
        assert_eq!(next(), Noticed::Nothing);
        sh("nft delete table inet evenkeel");
        assert!(matches!(next(), Noticed::Touched { by_us: false, .. }));
        plane.clear().unwrap();
        assert!(ours(next()));
    }
}
