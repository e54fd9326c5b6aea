//! Lists and texts.

use std::marker::PhantomData;

/// Neighbouring elements that belong to who made it.
#[repr(C)]
#[derive(Debug)]
pub struct Slice<'a, T> {
    first: *const T,
    len: usize,
    of: PhantomData<&'a [T]>,
}

impl<T> Clone for Slice<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Slice<'_, T> {}

// SAFETY: it is a `&[T]` in C's words.
#[expect(unsafe_code, reason = "a slice in C's words")]
unsafe impl<T: Sync> Sync for Slice<'_, T> {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "a slice in C's words")]
unsafe impl<T: Sync> Send for Slice<'_, T> {}

impl<'a, T> Slice<'a, T> {
    /// These elements.
    #[must_use]
    pub const fn new(elements: &'a [T]) -> Self {
        Self {
            first: elements.as_ptr(),
            len: elements.len(),
            of: PhantomData,
        }
    }

    /// The elements.
    ///
    /// # Safety
    /// It came from [`Self::new`], on whichever side, and what it was made of is still there.
    #[must_use]
    #[expect(unsafe_code, reason = "a slice in C's words")]
    pub const unsafe fn get(self) -> &'a [T] {
        if self.first.is_null() || self.len == 0 {
            return &[];
        }
        // SAFETY: the caller's word.
        unsafe { std::slice::from_raw_parts(self.first, self.len) }
    }
}

/// A text of UTF-8; what is not is replaced by who reads it.
pub type Text<'a> = Slice<'a, u8>;
