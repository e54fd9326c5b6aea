//! When IPVS forgets connections.

use std::time::Duration;

use evenkeel_core::model::{DataPlaneKind, IpvsTimeouts};
use evenkeel_core::state::{Change, State};

use super::fixture::{Open, in_turn, put, web};
use crate::{DataPlane, Error};

fn times([tcp, tcp_fin, udp]: [Option<u64>; 3]) -> IpvsTimeouts {
    let time = |seconds: Option<u64>| seconds.map(Duration::from_secs);
    IpvsTimeouts {
        tcp: time(tcp),
        tcp_fin: time(tcp_fin),
        udp: time(udp),
        expire_quiescent: None,
    }
}

fn holds(plane: &mut dyn DataPlane, wanted: [Option<u64>; 3]) {
    assert_eq!(plane.read().unwrap().timeouts, times(wanted));
}

pub(super) fn times_are_set_where_the_data_plane_has_them(open: Open<'_>) {
    let mut plane = open();
    let set = |wanted| Change::Timeouts(times(wanted));
    // To want none is no error.
    plane.apply(&[set([None; 3])]).unwrap();
    if plane.kind() == DataPlaneKind::Nftables {
        let service = put(&*plane, web(), &in_turn(&web(), &[1], &[1]));
        let changes = [service, set([Some(60), None, None])];
        let error = plane.apply(&changes).unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error}");
        assert_eq!(plane.read().unwrap(), State::default());
        return;
    }
    // One that others have set is not known as ours, and goes on.
    holds(&mut *plane, [None; 3]);
    plane.apply(&[set([Some(60), None, Some(1)])]).unwrap();
    holds(&mut *plane, [Some(60), None, Some(1)]);
    plane.apply(&[set([None, Some(7), Some(2)])]).unwrap();
    holds(&mut *plane, [Some(60), Some(7), Some(2)]);
    // What a service's change has to do with it: nothing.
    let service = put(&*plane, web(), &in_turn(&web(), &[1], &[1]));
    plane
        .apply(&[service, set([Some(61), None, None])])
        .unwrap();
    holds(&mut *plane, [Some(61), Some(7), Some(2)]);
    // Another process changes one; this one sees it.
    let mut other = open();
    other.apply(&[set([None, Some(9), None])]).unwrap();
    holds(&mut *other, [None, Some(9), None]);
    holds(&mut *plane, [Some(61), Some(9), Some(2)]);
    let longest = IpvsTimeouts::MAX.as_secs();
    plane.apply(&[set([Some(longest); 3])]).unwrap();
    holds(&mut *plane, [Some(longest); 3]);
    for unsound in [
        Duration::ZERO,
        Duration::from_millis(1500),
        IpvsTimeouts::MAX + Duration::from_secs(1),
    ] {
        let changes = IpvsTimeouts {
            udp: Some(unsound),
            ..IpvsTimeouts::default()
        };
        let changes = [Change::Remove(web()), Change::Timeouts(changes)];
        let error = plane.apply(&changes).unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{error}");
        assert!(plane.read().unwrap().services.contains_key(&web()));
    }
    // Whether clients of servers of weight 0 are forgotten: the same for a setting of another kind.
    let forgetting = |on| IpvsTimeouts {
        expire_quiescent: Some(on),
        ..IpvsTimeouts::default()
    };
    for on in [true, false] {
        let changes = [Change::Timeouts(forgetting(on))];
        plane.apply(&changes).unwrap();
        let now = plane.read().unwrap().timeouts;
        assert_eq!(now.expire_quiescent, Some(on));
        let other = open().read().unwrap().timeouts;
        assert_eq!(
            other.expire_quiescent, None,
            "it is not known as the other's"
        );
    }
    // The kernel's own at first.
    plane
        .apply(&[set([Some(900), Some(120), Some(300)])])
        .unwrap();
    plane.clear().unwrap();
}
