//! How what went wrong reaches the facade: an error with a `code`, whose message is JSON where there is more to say.

use breakwater_core::option::InvalidOption;
use napi::Error;

/// The result of a cold call.
pub(crate) type Result<T> = std::result::Result<T, Error<String>>;

/// The facade turns it into an InvalidOptionError.
pub(crate) fn invalid(error: InvalidOption) -> Error<String> {
    let message = serde_json::json!({ "option": error.option, "expected": error.expected, "got": error.got });
    Error::new("ERR_INVALID_OPTION".to_owned(), message.to_string())
}

/// The name is taken by state that was made with another value of `option`.
pub(crate) fn name_conflict(option: &str) -> Error<String> {
    let message = serde_json::json!({ "option": option });
    Error::new("ERR_NAME_CONFLICT".to_owned(), message.to_string())
}

/// The system gives no further thread.
pub(crate) fn no_thread() -> Error<String> {
    Error::new("ERR_NATIVE_BINDING".to_owned(), "no thread could be started for the watchdog".to_owned())
}

/// A handle the facade does not own: a fault of ours, not of the user.
pub(crate) fn stale_handle() -> Error<String> {
    Error::new("ERR_NATIVE_BINDING".to_owned(), "a native handle was used after its end".to_owned())
}
