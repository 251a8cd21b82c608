//! The forms in which an app passes a signed link to the proxy.

use clap::ValueEnum;

/// How the app passes a signed link to the proxy; `sendfile-fixture serve --remote` has the same
/// values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Remote {
    /// Query of the link, appended to the value of the hand-off header
    Signed,
    /// Whole link in a separate header
    SignedHeader,
}

impl Remote {
    /// The value of `--remote`.
    pub(super) fn id(self) -> String {
        match self.to_possible_value() {
            Some(value) => value.get_name().to_owned(),
            None => String::new(),
        }
    }
}
