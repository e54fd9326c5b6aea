//! What every data plane has to pass: [`run`] it on each implementation.

#![expect(
    clippy::unwrap_used,
    reason = "a suite of tests: a failure is to end it"
)]

mod extras;
mod fixture;
mod groups;
mod invalid;
mod nat;
mod offload;
mod services;
mod timeouts;
mod walk;

use evenkeel_core::state::State;

pub use self::fixture::Open;
pub use self::offload::INTERFACES;

type Case = fn(Open<'_>);

/// Runs all cases; each begins with [`crate::DataPlane::clear`]. Where the data plane is the kernel, [`INTERFACES`] are
/// to be there.
///
/// # Panics
/// When the data plane fails one of them.
pub fn run(open: Open<'_>) {
    let cases: [(&str, Case); 22] = [
        (
            "nothing is there at first",
            services::nothing_is_there_at_first,
        ),
        ("what is put is read", services::what_is_put_is_read),
        ("slots change", services::slots_change),
        (
            "a plan grows and shrinks",
            services::a_plan_grows_and_shrinks,
        ),
        (
            "a service refuses and serves again",
            services::a_service_refuses_and_serves_again,
        ),
        (
            "a server drains, leaves and returns",
            services::a_server_drains_leaves_and_returns,
        ),
        ("a service is removed", services::a_service_is_removed),
        ("several changes at once", services::several_changes_at_once),
        (
            "a number moves between services",
            services::a_number_moves_between_services,
        ),
        (
            "an invalid change leaves everything",
            invalid::an_invalid_change_leaves_everything,
        ),
        (
            "what was there is adopted",
            services::what_was_there_is_adopted,
        ),
        ("full NAT is switched", nat::full_nat_is_switched),
        ("hairpin networks", nat::hairpin_networks),
        ("counters begin at zero", nat::counters_begin_at_zero),
        (
            "persistence is kept and changed",
            extras::persistence_is_kept_and_changed,
        ),
        (
            "services are queued and cease to be",
            extras::services_are_queued_and_cease_to_be,
        ),
        (
            "a persistence that cannot be is refused",
            extras::a_persistence_that_cannot_be_is_refused,
        ),
        (
            "offload is set, changed and gone",
            offload::offload_is_set_changed_and_gone,
        ),
        (
            "times are set where the data plane has them",
            timeouts::times_are_set_where_the_data_plane_has_them,
        ),
        (
            "groups are read as they were put",
            groups::groups_are_read_as_they_were_put,
        ),
        ("groups come and go", groups::groups_come_and_go),
        ("a random walk", walk::a_random_walk),
    ];
    for (name, case) in cases {
        tracing::info!(name, "conformance");
        open().clear().unwrap();
        case(open);
    }
    let mut plane = open();
    plane.clear().unwrap();
    plane.clear().unwrap();
    assert_eq!(
        plane.read().unwrap(),
        State::default(),
        "after it was cleared"
    );
}
