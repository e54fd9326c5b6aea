//! The few things that the generated bindings call. The same as those of the crate `wit-bindgen`, which an author then
//! needs not.
#![expect(
    unsafe_code,
    reason = "memory is handed between host and plugin by address"
)]
#![expect(unreachable_pub, reason = "the generated code hands it on")]
#![allow(
    clippy::allow_attributes,
    dead_code,
    reason = "which of it is called depends on the contract"
)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering};

/// Sets of flags, as the contract's `flags`.
pub mod bitflags {
    macro_rules! bitflags {
        (
            $(#[$attr:meta])*
            $vis:vis struct $name:ident: $bits:ty {
                $($(#[$flag_attr:meta])* const $flag:ident = $value:expr;)*
            }
        ) => {
            $(#[$attr])*
            $vis struct $name($bits);

            impl $name {
                $($(#[$flag_attr])* $vis const $flag: Self = Self($value);)*

                /// None of them.
                $vis const fn empty() -> Self {
                    Self(0)
                }

                /// Whether all of these are among them.
                $vis const fn contains(self, other: Self) -> bool {
                    self.0 & other.0 == other.0
                }

                /// Puts these in, or takes them out.
                $vis const fn set(&mut self, other: Self, on: bool) {
                    self.0 = if on { self.0 | other.0 } else { self.0 & !other.0 };
                }

                /// A bit each.
                $vis const fn bits(&self) -> $bits {
                    self.0
                }

                /// Any bits.
                $vis const fn from_bits_retain(bits: $bits) -> Self {
                    Self(bits)
                }
            }
        };
    }
    pub(crate) use bitflags;
}

/// Gives the host memory for what it passes in (canonical ABI, `realloc`). Exported from every plugin.
///
/// # Safety
/// `old` is what an earlier call with `old_length` and `align` returned, or `old_length` is 0.
#[unsafe(export_name = "cabi_realloc")]
pub unsafe extern "C" fn cabi_realloc(
    old: *mut u8,
    old_length: usize,
    align: usize,
    new_length: usize,
) -> *mut u8 {
    if old_length == 0 && new_length == 0 {
        return ptr::without_provenance_mut(align);
    }
    let (layout, new) = if old_length == 0 {
        // SAFETY: the canonical ABI aligns by powers of two, and its sizes are those of one memory of 32 bits.
        let layout = unsafe { Layout::from_size_align_unchecked(new_length, align) };
        // SAFETY: the length is above 0.
        (layout, unsafe { alloc(layout) })
    } else {
        // SAFETY: as above.
        let layout = unsafe { Layout::from_size_align_unchecked(old_length, align) };
        // SAFETY: the caller has it from here, and the canonical ABI does not shrink to nothing.
        (layout, unsafe { realloc(old, layout, new_length) })
    };
    if new.is_null() {
        handle_alloc_error(layout);
    }
    new
}

/// The linker keeps what is exported by name: nothing is left to do.
pub const fn maybe_link_cabi_realloc() {}

/// Runs the module's static constructors before its first function. A module that names them is not wrapped by the
/// linker in a call of them before each export.
pub fn run_ctors_once() {
    static DONE: AtomicBool = AtomicBool::new(false);
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    if !DONE.swap(true, Ordering::Relaxed) {
        // SAFETY: the linker makes the function; it is called once.
        unsafe { __wasm_call_ctors() };
    }
}

/// Memory that is freed when a call to the host is over.
#[derive(Debug)]
pub struct Cleanup {
    at: NonNull<u8>,
    layout: Layout,
}

impl Cleanup {
    /// Memory of this layout; none, and a null pointer, if its size is 0.
    pub fn new(layout: Layout) -> (*mut u8, Option<Self>) {
        if layout.size() == 0 {
            return (ptr::null_mut(), None);
        }
        // SAFETY: the size is above 0.
        let Some(at) = NonNull::new(unsafe { alloc(layout) }) else {
            handle_alloc_error(layout);
        };
        (at.as_ptr(), Some(Self { at, layout }))
    }

    /// Leaves the memory to whom it was handed.
    pub const fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        // SAFETY: it was allocated with this layout, in `new`.
        unsafe { dealloc(self.at.as_ptr(), self.layout) };
    }
}
