//! The value of a hand-off header.

use http::HeaderValue;

use super::error::HandoffError;

/// The value of a hand-off header.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) text: String,
    pub(crate) header: HeaderValue,
    /// The signed link, if it is sent in a separate header.
    pub(crate) link: Option<HeaderValue>,
}

impl Value {
    pub(crate) fn new(text: String) -> Result<Self, HandoffError> {
        let header = header_value(&text)?;
        Ok(Self { text, header, link: None })
    }

    /// Adds a signed link for a separate header.
    pub(crate) fn with_link(self, link: &str) -> Result<Self, HandoffError> {
        Ok(Self { link: Some(header_value(link)?), ..self })
    }
}

fn header_value(text: &str) -> Result<HeaderValue, HandoffError> {
    match HeaderValue::from_bytes(text.as_bytes()) {
        Ok(value) if !text.contains(char::is_control) => Ok(value),
        _ => Err(HandoffError::Control(text.into())),
    }
}
