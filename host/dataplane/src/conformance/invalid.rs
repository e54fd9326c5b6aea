//! Changes that cannot be.

use evenkeel_core::state::{Change, Selector, Spread, State};

use super::fixture::{Open, as_held, id, in_turn, kinds, put, reach, server};
use crate::Error;

pub(super) fn an_invalid_change_leaves_everything(open: Open<'_>) {
    let mut plane = open();
    let [first, second, third, _] = kinds();
    let good = in_turn(&first, &[1, 2], &[1, 2]);
    let wanted = State {
        services: [(first, good)].into(),
        ..State::default()
    };
    reach(open, &mut *plane, &wanted);
    let wanted = as_held(&*plane, &wanted);

    let mut unknown = in_turn(&second, &[3], &[3]);
    unknown.spread = Spread::Slots {
        selector: Selector::Random,
        slots: vec![id(3), id(4)],
    };
    let mut empty = in_turn(&second, &[3], &[3]);
    empty.spread = Spread::Slots {
        selector: Selector::Random,
        slots: Vec::new(),
    };
    let mut too_many = in_turn(&second, &[3], &[3]);
    too_many.spread = Spread::Slots {
        selector: Selector::Random,
        slots: vec![id(3); 65_537],
    };
    let mut other_family = in_turn(&second, &[3], &[3]);
    other_family
        .backends
        .insert(id(5), server(&third, 5).into());
    let taken = in_turn(&second, &[2], &[2]);
    let twice = put(&*plane, third, &in_turn(&third, &[7], &[7]));
    let bad: Vec<Change> = [unknown, empty, too_many, other_family, taken]
        .into_iter()
        .map(|service| Change::Put(second, service))
        .chain([Change::Hairpin(["10.0.0.1/24".parse().unwrap()].into())])
        .collect();
    for change in bad {
        let batch = [
            put(&*plane, first, &in_turn(&first, &[1, 2, 9], &[9])),
            twice.clone(),
            change.clone(),
        ];
        let error = plane.apply(&batch).unwrap_err();
        assert!(
            matches!(error, Error::Invalid(_)),
            "{change:.200?}: {error}"
        );
        assert_eq!(plane.read().unwrap(), wanted, "after {change:?}");
    }
    let same_number = [twice, put(&*plane, second, &in_turn(&second, &[7], &[7]))];
    assert!(matches!(
        plane.apply(&same_number).unwrap_err(),
        Error::Invalid(_)
    ));
    assert_eq!(open().read().unwrap(), wanted);
}
