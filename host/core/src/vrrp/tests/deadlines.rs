//! Whatever happens, a poll does all that is due: the driver, which waits until [`Router::poll_at`], never turns in
//! place.

use proptest::prelude::*;

use super::super::Command;
use super::*;

#[derive(Debug, Clone)]
enum Act {
    Hear(u8),
    Interface(bool),
    Ready,
    Found,
    Held,
    Command(bool),
    /// A configuration with another refresh, in seconds.
    Configure(Option<u64>),
    Alive,
    Stop,
    /// Milliseconds without a poll.
    Late(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (0..=255_u8).prop_map(Act::Hear),
        2 => any::<bool>().prop_map(Act::Interface),
        1 => Just(Act::Ready),
        1 => Just(Act::Found),
        4 => Just(Act::Held),
        2 => any::<bool>().prop_map(Act::Command),
        2 => prop::option::of(1..10_u64).prop_map(Act::Configure),
        1 => Just(Act::Alive),
        1 => Just(Act::Stop),
        8 => (0..3_000_u64).prop_map(Act::Late),
    ]
}

fn with_refresh(seconds: Option<u64>) -> VrrpInstance {
    let mut spec = instance(100);
    spec.announce.refresh = seconds.map(Duration::from_secs);
    spec
}

proptest! {
    #[test]
    fn after_a_poll_nothing_is_due(acts in prop::collection::vec(act(), 1..60)) {
        let mut bench = Bench::asleep(with_refresh(None));
        for act in acts {
            match act {
                Act::Hear(priority) => bench.hear("10.10.54.156", &advert(priority)),
                Act::Interface(up) => bench.interfaces(up),
                Act::Ready => bench.give(Input::Ready),
                Act::Found => bench.give(Input::Found { instance: "VI_1" }),
                Act::Held => bench.give(Input::Held { instance: "VI_1" }),
                Act::Command(resign) => {
                    let command = if resign { Command::Resign } else { Command::Resume };
                    bench.give(Input::Command { instance: None, command });
                }
                Act::Configure(refresh) => {
                    bench.router.configure(&config(with_refresh(refresh)), bench.now);
                }
                Act::Alive => bench.give(Input::Alive),
                Act::Stop => bench.give(Input::Stop),
                Act::Late(time) => bench.now += Duration::from_millis(time),
            }
            bench.router.poll(bench.now);
            let next = bench.router.poll_at();
            prop_assert!(next.is_none_or(|at| at > bench.now), "{next:?}, at {:?}", bench.now);
            bench.outputs();
            // And a poll in between does nothing.
            bench.router.poll(bench.now);
            prop_assert_eq!(bench.outputs(), Vec::<String>::new());
        }
    }
}
