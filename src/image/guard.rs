//! Codecs kept from taking the program down.

use super::error::ImageProblem;
use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether a codec runs on this thread.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a codec. A panic inside is its own fault, of which nothing is printed:
/// it becomes an error.
pub fn guarded<T>(codec: impl FnOnce() -> Result<T, ImageProblem>) -> Result<T, ImageProblem> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                usual(info);
            }
        }));
    });
    GUARDED.set(true);
    // What the codec was working on is dropped with it.
    let result = panic::catch_unwind(AssertUnwindSafe(codec));
    GUARDED.set(false);
    result.unwrap_or_else(|payload| Err(ImageProblem::Codec(message(&*payload))))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("no reason given");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_and_later_ones_are_not_hidden() {
        let result = guarded::<()>(|| panic!("index 3 of\n2"));
        let text = result.unwrap_err().to_string();
        assert!(text.contains("(index 3 of 2)"), "{text}");
        assert!(!GUARDED.get());
        assert_eq!(guarded(|| Ok(3)).unwrap(), 3);
    }
}
