//! Keys that need not be there.

use super::reader::Field;

/// A value that need not be there; the outer `None` for one that is wrong.
pub(super) fn optional<T, V>(field: &Field<T>, value: impl FnOnce(&T) -> V) -> Option<Option<V>> {
    match field.get() {
        Some(written) => Some(Some(value(written))),
        None if field.is_wrong() => None,
        None => Some(None),
    }
}
