//! Errors and their causes: one way to walk the chain, and one way to print it.

use std::error::Error;

/// Any error that can cross threads.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// Lists the message of an error and the messages of its causes, outermost first.
///
/// Skips a cause whose message ends the message before it, because some errors print their own
/// cause.
pub fn error_chain(error: &(dyn Error + 'static)) -> Vec<String> {
    let mut messages = vec![error.to_string()];
    for cause in causes(error) {
        let message = cause.to_string();
        if !messages[messages.len() - 1].ends_with(&message) {
            messages.push(message);
        }
    }
    messages
}

/// Writes an error and its causes on one line.
pub(crate) fn on_one_line(error: &(dyn Error + 'static)) -> String {
    error_chain(error).join(": ")
}

/// Iterates over the causes of an error, outermost first, without the error itself.
pub(crate) fn causes<'a>(
    error: &'a (dyn Error + 'static),
) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}
