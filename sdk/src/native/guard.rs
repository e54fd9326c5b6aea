//! No panic leaves a plugin: unwinding into the host, which may be of another compiler, would be undefined.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::abi::{Sink, Text, status};

thread_local! {
    /// What the last panic of this thread said, and where.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// From now on a panic's text is kept for the host, and not written to the standard error. A shared object has a
/// standard library, and a hook, of its own.
pub(super) fn keep_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("(no text)");
        let text = match panic.location() {
            Some(at) => format!("panicked at {at}: {message}"),
            None => format!("panicked: {message}"),
        };
        // Where the thread is ending there is no place for it any more.
        let _ = SAID.try_with(|said| said.replace(Some(text)));
    }));
}

/// Runs a call. `Err` is a refusal.
pub(super) fn guarded(said: Sink<Text<'_>>, call: impl FnOnce() -> Result<(), String>) -> u32 {
    // What a panic left half done is never used again: the host ends the instance.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(())) => status::DONE,
        Ok(Err(reason)) => {
            say(said, &reason);
            status::REFUSED
        }
        Err(payload) => {
            // Its destructor may be the plugin's, and panic.
            std::mem::forget(payload);
            let text = SAID.try_with(RefCell::take).ok().flatten();
            say(said, text.as_deref().unwrap_or("panicked"));
            status::PANICKED
        }
    }
}

#[expect(unsafe_code, reason = "calls the host")]
fn say(said: Sink<Text<'_>>, text: &str) {
    let text = Text::new(text.as_bytes());
    // SAFETY: the host gave function and context together, for the time of this call, and copies the text before it
    // returns.
    unsafe { (said.put)(said.context, std::ptr::from_ref(&text).cast()) };
}
