//! Error responses of a store's server, and their meaning.
//!
//! Knows the error codes of S3, Azure, Google and WebDAV servers, and assigns one kind to each.
//! Only the status, the code and the message of a response are repeated, because the rest may
//! contain signed text.

use std::{
    error::Error as StdError,
    fmt,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, Method, StatusCode, Uri, header};
use serde::Serialize;
use thiserror::Error;

use crate::causes::causes;

/// The difference from the server's time at which S3 and Azure refuse requests.
const SKEW: Duration = Duration::from_secs(15 * 60);

/// The maximum length of a repeated message, in characters.
const MESSAGE_MAX: usize = 300;

/// Error codes for invalid credentials.
const KEY_REFUSED: [&str; 9] = [
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "AuthorizationHeaderMalformed",
    "InvalidToken",
    "ExpiredToken",
    "AuthenticationFailed",
    "InvalidAuthenticationInfo",
    "invalid_grant",
    "invalid_client",
];

/// Messages for invalid credentials. Garage sends the code AccessDenied in all cases and the reason
/// as a message (measured, 2.5.0); Azurite sends Azure's message with another code (measured, 3.35.0).
const KEY_REFUSED_MESSAGES: [&str; 3] =
    ["Invalid signature", "No such key", "failed to authenticate"];

/// A failed request to a store's server.
#[derive(Clone, Debug, Error)]
#[error("{message}")]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) persistence: Persistence,
    message: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The reason why a storage cannot be used, by its name in the contract. All kinds of storage use the
/// same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FailureKind {
    NotFound,
    BucketMissing,
    PermissionDenied,
    KeyRefused,
    WrongRegion,
    ClockSkewed,
    NameNotResolved,
    Tls,
    Unreachable,
    Other,
}

/// Whether the same request may succeed a moment later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    Transient,
    Permanent,
}

impl Failure {
    pub(crate) fn new(kind: FailureKind, message: String) -> Self {
        Self { kind, persistence: Persistence::Permanent, message, source: None }
    }

    /// Adds the cause.
    pub(crate) fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    pub(crate) fn transient(mut self) -> Self {
        self.persistence = Persistence::Transient;
        self
    }

    pub(crate) fn timed_out(limit: Duration) -> Self {
        let limit = humantime::format_duration(limit);
        let message = format!("the storage did not respond within {limit}");
        Self::new(FailureKind::Unreachable, message)
    }

    /// Finds a failure in an error or its causes.
    pub(crate) fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        if let Some(failure) = error.downcast_ref() {
            return Some(failure);
        }
        causes(error).find_map(|cause| cause.downcast_ref())
    }

    /// Reads an error response.
    pub(crate) fn refusal(
        method: &Method,
        uri: &Uri,
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Self {
        let page = String::from_utf8_lossy(body);
        let code = code(headers, &page);
        let message = element(&page, "Message").unwrap_or_default();
        let skew = skew(headers, SystemTime::now());
        let mut kind = kind(status, &code, message, skew, headers);
        if method == "MKCOL" && status == StatusCode::CONFLICT {
            // The parent directory is missing (RFC 4918, section 9.3.1).
            kind = FailureKind::BucketMissing;
        }
        let mut text = format!("{}: {status}", request_line(method, uri));
        for part in [&*code, message] {
            if !part.is_empty() {
                text.push_str(": ");
                text.extend(part.chars().filter(|c| !c.is_control()).take(MESSAGE_MAX));
            }
        }
        if let (FailureKind::ClockSkewed, Some(skew)) = (kind, skew) {
            let minutes = skew.as_secs() / 60;
            text.push_str(&format!(" (the clocks of both hosts differ by {minutes} minutes)"));
        }
        let failure = Self::new(kind, text);
        let is_overload = status == StatusCode::TOO_MANY_REQUESTS;
        let is_server_error = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
        if is_overload || is_server_error { failure.transient() } else { failure }
    }
}

impl FailureKind {
    /// Whether the server did not respond at all, so that further requests are useless.
    pub(crate) fn is_silence(self) -> bool {
        matches!(self, Self::NameNotResolved | Self::Tls | Self::Unreachable)
    }

    /// Returns what the user can do about the failure, if that does not depend on the request.
    pub(super) fn hint(self) -> Option<&'static str> {
        match self {
            Self::BucketMissing => Some(
                "create the bucket or root directory, which the fixture does not create, or \
                 correct its name",
            ),
            Self::PermissionDenied => {
                Some("allow the key to read, write and delete below that prefix")
            }
            Self::KeyRefused => {
                Some("check that key and secret, or user and password, are valid for this store")
            }
            Self::WrongRegion => {
                Some("set the bucket's region with AWS_REGION or the option `region`")
            }
            Self::ClockSkewed => Some("correct the clock of this host or of the store"),
            Self::NameNotResolved => Some("check the spelling of the host in the endpoint"),
            Self::Tls => Some("check that the store supports TLS, and who signed its certificate"),
            Self::Unreachable => {
                Some("check that the store is running and the endpoint is correct")
            }
            Self::NotFound | Self::Other => None,
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Formats a request without its query, which may contain a signature.
pub(crate) fn request_line(method: &Method, uri: &Uri) -> String {
    let mut host = "";
    if let Some(authority) = uri.authority() {
        host = authority.as_str();
        if let Some((_, without_user)) = host.rsplit_once('@') {
            host = without_user;
        }
    }
    format!("{method} {}://{host}{}", uri.scheme_str().unwrap_or("http"), uri.path())
}

/// Returns the error code: S3 and Google send it in the body, Azure also in a header, and token
/// endpoints as JSON.
fn code(headers: &HeaderMap, page: &str) -> String {
    if let Some(value) = headers.get("x-ms-error-code")
        && let Ok(code) = value.to_str()
    {
        return code.to_owned();
    }
    if let Some(code) = element(page, "Code") {
        return code.to_owned();
    }
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(page)
        && let Some(code) = json["error"].as_str()
    {
        return code.to_owned();
    }
    String::new()
}

/// Returns the difference between the server's clock and the local clock.
fn skew(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let date = headers.get(header::DATE)?.to_str().ok()?;
    let date = httpdate::parse_http_date(date).ok()?;
    match now.duration_since(date) {
        Ok(skew) => Some(skew),
        Err(error) => Some(error.duration()),
    }
}

fn kind(
    status: StatusCode,
    code: &str,
    message: &str,
    skew: Option<Duration>,
    headers: &HeaderMap,
) -> FailureKind {
    match code {
        "NoSuchBucket" | "ContainerNotFound" => return FailureKind::BucketMissing,
        "NoSuchKey" | "BlobNotFound" | "NoSuchUpload" => return FailureKind::NotFound,
        "RequestTimeTooSkewed" => return FailureKind::ClockSkewed,
        "PermanentRedirect" | "IllegalLocationConstraintException" => {
            return FailureKind::WrongRegion;
        }
        "AuthorizationHeaderMalformed" if message.contains("region") => {
            return FailureKind::WrongRegion;
        }
        _ => {}
    }
    if status.is_redirection() && headers.contains_key("x-amz-bucket-region") {
        return FailureKind::WrongRegion;
    }
    let is_refused_by_message = KEY_REFUSED_MESSAGES.iter().any(|text| message.contains(text));
    if KEY_REFUSED.contains(&code) || is_refused_by_message {
        return match skew {
            Some(skew) if skew >= SKEW => FailureKind::ClockSkewed,
            _ => FailureKind::KeyRefused,
        };
    }
    match status {
        StatusCode::UNAUTHORIZED => FailureKind::KeyRefused,
        StatusCode::FORBIDDEN => FailureKind::PermissionDenied,
        StatusCode::NOT_FOUND | StatusCode::GONE => FailureKind::NotFound,
        _ => FailureKind::Other,
    }
}

fn element<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once('<')?;
    Some(text.lines().next().unwrap_or_default().trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, headers: &[(&'static str, &str)], page: &str, expected: FailureKind) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a value"));
        }
        let uri = "http://u:secret@store:1/b/k?sig=secret".parse().expect("a URI");
        let status = StatusCode::from_u16(status).expect("a status");
        let failure = Failure::refusal(&Method::GET, &uri, status, &map, page.as_bytes());
        assert_eq!(failure.kind, expected, "{failure}");
        assert!(!failure.to_string().contains("secret"), "{failure}");
    }

    fn s3(code: &str) -> String {
        format!("<Error><Code>{code}</Code><Message>m</Message></Error>")
    }

    /// Each response is as a server sent it, except for names.
    #[test]
    fn responses_of_different_stores_have_the_same_kinds() {
        check(404, &[], &s3("NoSuchBucket"), FailureKind::BucketMissing);
        check(404, &[("x-ms-error-code", "ContainerNotFound")], "", FailureKind::BucketMissing);
        check(404, &[], &s3("NoSuchKey"), FailureKind::NotFound);
        check(404, &[("x-ms-error-code", "BlobNotFound")], "", FailureKind::NotFound);
        check(404, &[], "<html>Not Found</html>", FailureKind::NotFound);
        check(403, &[], &s3("AccessDenied"), FailureKind::PermissionDenied);
        check(403, &[], &s3("SignatureDoesNotMatch"), FailureKind::KeyRefused);
        check(403, &[], &s3("InvalidAccessKeyId"), FailureKind::KeyRefused);
        check(403, &[("x-ms-error-code", "AuthenticationFailed")], "", FailureKind::KeyRefused);
        check(401, &[], "", FailureKind::KeyRefused);
        check(400, &[], r#"{"error": "invalid_grant"}"#, FailureKind::KeyRefused);
        let garage = "<Error><Code>AccessDenied</Code><Message>Forbidden: Invalid signature\
                      </Message></Error>";
        check(403, &[], garage, FailureKind::KeyRefused);
        let region = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region \
                      'us-east-1' is wrong; expecting 'garage'</Message></Error>";
        check(400, &[], region, FailureKind::WrongRegion);
        check(301, &[("x-amz-bucket-region", "eu-west-1")], "", FailureKind::WrongRegion);
        check(403, &[], &s3("RequestTimeTooSkewed"), FailureKind::ClockSkewed);
        let old = [
            ("x-ms-error-code", "AuthenticationFailed"),
            ("date", "Mon, 23 Nov 2020 09:00:00 GMT"),
        ];
        check(403, &old, "", FailureKind::ClockSkewed);
        check(503, &[], &s3("SlowDown"), FailureKind::Other);
    }

    #[test]
    fn signed_text_is_not_repeated() {
        let page = "<Error><Code>SignatureDoesNotMatch</Code><Message>no match</Message>\
                    <StringToSign>AWS4-HMAC-SHA256 hush</StringToSign></Error>";
        let uri = "https://store/b/k?X-Amz-Signature=hush".parse().expect("a URI");
        let status = StatusCode::FORBIDDEN;
        let failure =
            Failure::refusal(&Method::PUT, &uri, status, &HeaderMap::new(), page.as_bytes());
        assert_eq!(
            failure.to_string(),
            "PUT https://store/b/k: 403 Forbidden: SignatureDoesNotMatch: no match"
        );
    }
}
