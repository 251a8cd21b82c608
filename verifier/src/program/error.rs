//! The text of an error that ends the program.

use crate::report::printable;

/// An error with its causes on one line, followed by one line per hint. A cause that the line contains
/// already is omitted.
pub fn error_message(error: &anyhow::Error) -> String {
    let mut line = String::new();
    let mut hints = String::new();
    for cause in error.chain() {
        let text = cause.to_string();
        let (message, hint) = text.split_once("\nhint:").unwrap_or((&text, ""));
        let message = printable(message);
        if !line.contains(&message) {
            if !line.is_empty() {
                line.push_str(": ");
            }
            line.push_str(&message);
        }
        if !hint.is_empty() {
            hints.push_str("\nhint:");
            hints.push_str(&printable(hint));
        }
    }
    line + &hints
}
