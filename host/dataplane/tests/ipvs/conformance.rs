use evenkeel_dataplane::conformance;
use evenkeel_dataplane::ipvs::Ipvs;

use evenkeel_tests::with_ipvs;

with_ipvs! {
    fn ipvs_is_a_data_plane() {
        conformance::run(&mut || Box::new(Ipvs::new().unwrap()));
    }
}
