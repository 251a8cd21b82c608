//! What a response reveals about the store that the proxy contacted.

use crate::{body::Body, response::Response};

/// The header in which the shipped snippet reports the store's status.
const STATUS: &str = "x-sendfile-store";

/// S3's error code in a body, such as `SignatureDoesNotMatch`.
pub fn store_error(body: &Body) -> Option<String> {
    let text = String::from_utf8_lossy(&body.head);
    let (_, rest) = text.split_once("<Error")?;
    let (_, rest) = rest.split_once("<Code>")?;
    let (code, _) = rest.split_once("</Code>")?;
    Some(code.trim().to_owned())
}

/// The status that the store returned, if the proxy replaces the store's error page and reports
/// only the status: in `X-Sendfile-Store`, from nginx's `$upstream_status`, which ends with the
/// last server's status.
pub fn store_status(response: &Response) -> Option<u16> {
    let statuses = response.header(STATUS)?;
    statuses.rsplit([',', ':', ' ']).next()?.parse().ok()
}

/// The status that the store returned, unless it is 502 or 504: then no store responded, and the
/// status is the proxy's own.
pub fn store_refusal(response: &Response) -> Option<u16> {
    match store_status(response)? {
        502 | 504 => None,
        status => Some(status),
    }
}

/// Whether the proxy did not contact a store, because the app's link points to none that the proxy
/// allows. The shipped snippet reports this in place of a status.
pub fn link_not_allowed(response: &Response) -> bool {
    response.header(STATUS) == Some("not-allowed")
}
