//! How long it takes. Run with `--nocapture` to see the figures; nothing here fails for slowness.

use evenkeel_tests::isolated;

use super::*;

#[test]
fn a_hundred_addresses_are_held_and_released_in_one_go() {
    isolated(|| {
        interface("eth0");
        interface("eth1");
        ip("addr add 10.0.0.2/16 dev eth0");
        for count in [2, 100] {
            let addresses: Vec<VirtualAddress> = (0..count)
                .map(|number| address(&format!("10.0.{number}.9/32"), ["eth0", "eth1"][number % 2]))
                .collect();
            let managed = Managed::looked(vec![instance("V", addresses)]);
            let (mut holds, mut releases) = (Vec::new(), Vec::new());
            for _ in 0..20 {
                for (times, standing) in [(&mut holds, true), (&mut releases, false)] {
                    // Let the events of the one before settle.
                    std::thread::sleep(Duration::from_millis(30));
                    let start = Instant::now();
                    if standing {
                        managed.hold("V");
                    } else {
                        managed.release("V");
                    }
                    times.push(start.elapsed());
                }
            }
            let there = infos("eth0").len() + infos("eth1").len();
            assert!(there < 5, "{there} addresses are left");
            for (what, mut times) in [("hold", holds), ("release", releases)] {
                times.sort();
                show(&format!(
                    "{what} of {count}: median {:?}, most {:?}",
                    times[10], times[19]
                ));
            }
            managed.stop();
        }
        Ok(())
    })
    .unwrap();
}

#[test]
fn a_groups_instances_are_held_soon_after_each_other() {
    isolated(|| {
        interface("eth0");
        interface("eth1");
        let managed = Managed::looked(vec![
            instance("V", vec![address("10.0.0.9/24", "eth0")]),
            instance("W", vec![address("10.1.0.9/24", "eth1")]),
        ]);
        let mut holds = Vec::new();
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(30));
            let start = Instant::now();
            managed.request_hold("V");
            managed.request_hold("W");
            managed.wait(&held("V"));
            let first = start.elapsed();
            managed.wait(&held("W"));
            holds.push((start.elapsed(), first));
            managed.release("V");
            managed.release("W");
        }
        assert_eq!(addresses("eth1"), set([]));
        holds.sort();
        show(&format!(
            "both of a group: median {:?} (first: {:?}), most {:?}",
            holds[10].0, holds[10].1, holds[19].0
        ));
        Ok(())
    })
    .unwrap();
}

#[expect(clippy::print_stdout, reason = "the figures are the point")]
fn show(text: &str) {
    println!("{text}");
}
