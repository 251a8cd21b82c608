//! What a store's server answers instead of what was asked for, and what that means.
//!
//! Knows the words of S3, Azure, Google and WebDAV servers, and gives them one meaning. Of an
//! answer only its status, its code and its message are repeated: the rest may hold what was signed.

use std::{
    error::Error as StdError,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, Method, StatusCode, Uri, header};
use thiserror::Error;

use super::Trouble;

/// S3 and Azure refuse requests that are 15 minutes off.
const SKEW: Duration = Duration::from_secs(15 * 60);

/// Of a store's message so much is repeated, in characters.
const MESSAGE_MAX: usize = 300;

/// A request to a store's server that has failed.
#[derive(Clone, Debug, Error)]
#[error("{what}")]
pub(crate) struct Failure {
    pub(crate) trouble: Trouble,
    pub(crate) lasting: Lasting,
    what: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// Whether the same request may do better in a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasting {
    Momentary,
    Permanent,
}

impl Failure {
    pub(crate) fn new(trouble: Trouble, what: String) -> Self {
        Self { trouble, lasting: Lasting::Permanent, what, source: None }
    }

    pub(crate) fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    pub(crate) fn momentary(mut self) -> Self {
        self.lasting = Lasting::Momentary;
        self
    }

    pub(crate) fn timed_out(limit: Duration) -> Self {
        let limit = humantime::format_duration(limit);
        Self::new(Trouble::Unreachable, format!("the storage does not answer within {limit}"))
    }

    /// Finds the one among an error's causes.
    pub(crate) fn of<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        std::iter::successors(Some(error), |&error| error.source())
            .find_map(|error| error.downcast_ref())
    }

    /// Reads the answer of a server that refuses.
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
        let mut trouble = meaning(status, &code, message, skew, headers);
        if method == "MKCOL" && status == StatusCode::CONFLICT {
            // RFC 4918, section 9.3.1: what should lie above is not there.
            trouble = Trouble::BucketMissing;
        }
        let mut what = format!("{}: {status}", place(method, uri));
        for part in [&*code, message].into_iter().filter(|part| !part.is_empty()) {
            let part = part.chars().filter(|it| !it.is_control()).take(MESSAGE_MAX);
            what.push_str(": ");
            what.extend(part);
        }
        if let (Trouble::ClockSkewed, Some(skew)) = (trouble, skew) {
            let minutes = skew.as_secs() / 60;
            what.push_str(&format!(" (its clock and this one are {minutes} minutes apart)"));
        }
        let momentary = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
        let failure = Self::new(trouble, what);
        match momentary || status == StatusCode::TOO_MANY_REQUESTS {
            true => failure.momentary(),
            false => failure,
        }
    }
}

/// A request without its query, which may be signed.
pub(crate) fn place(method: &Method, uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |it| it.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{method} {}://{host}{}", uri.scheme_str().unwrap_or("http"), uri.path())
}

/// S3 and Google write it into the page, Azure into a header too, and login servers into JSON.
fn code(headers: &HeaderMap, page: &str) -> String {
    let header = headers.get("x-ms-error-code").and_then(|value| value.to_str().ok());
    let of_page = || element(page, "Code").map(str::to_owned);
    let of_json = || {
        let json: serde_json::Value = serde_json::from_str(page).ok()?;
        json.get("error")?.as_str().map(str::to_owned)
    };
    header.map(str::to_owned).or_else(of_page).or_else(of_json).unwrap_or_default()
}

/// How far the server's clock is from this one.
fn skew(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let there = headers.get(header::DATE)?.to_str().ok()?;
    let there = httpdate::parse_http_date(there).ok()?;
    Some(now.duration_since(there).unwrap_or_else(|error| error.duration()))
}

fn meaning(
    status: StatusCode,
    code: &str,
    message: &str,
    skew: Option<Duration>,
    headers: &HeaderMap,
) -> Trouble {
    match code {
        "NoSuchBucket" | "ContainerNotFound" => return Trouble::BucketMissing,
        "NoSuchKey" | "BlobNotFound" | "NoSuchUpload" => return Trouble::NotFound,
        "RequestTimeTooSkewed" => return Trouble::ClockSkewed,
        "PermanentRedirect" | "IllegalLocationConstraintException" => return Trouble::WrongRegion,
        "AuthorizationHeaderMalformed" if message.contains("region") => {
            return Trouble::WrongRegion;
        }
        _ => {}
    }
    if status.is_redirection() && headers.contains_key("x-amz-bucket-region") {
        return Trouble::WrongRegion;
    }
    let refused = matches!(
        code,
        "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "AuthorizationHeaderMalformed"
            | "InvalidToken"
            | "ExpiredToken"
            | "AuthenticationFailed"
            | "InvalidAuthenticationInfo"
            | "invalid_grant"
            | "invalid_client"
    );
    // Garage says AccessDenied to all, and the reason in words (measured, 2.5.0); Azurite has
    // Azure's words under another code (measured, 3.35.0).
    let words = ["Invalid signature", "No such key", "failed to authenticate"];
    let in_words = words.iter().any(|it| message.contains(it));
    match status {
        _ if (refused || in_words) && skew.is_some_and(|it| it >= SKEW) => Trouble::ClockSkewed,
        _ if refused || in_words => Trouble::KeyRefused,
        StatusCode::UNAUTHORIZED => Trouble::KeyRefused,
        StatusCode::FORBIDDEN => Trouble::PermissionDenied,
        StatusCode::NOT_FOUND | StatusCode::GONE => Trouble::NotFound,
        _ => Trouble::Other,
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

    fn check(status: u16, headers: &[(&'static str, &str)], page: &str, expected: Trouble) {
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), value.parse().expect("a value"))
        });
        let uri = "http://u:secret@store:1/b/k?sig=secret".parse().expect("a URI");
        let status = StatusCode::from_u16(status).expect("a status");
        let headers: HeaderMap = headers.collect();
        let failure = Failure::refusal(&Method::GET, &uri, status, &headers, page.as_bytes());
        assert_eq!(failure.trouble, expected, "{failure}");
        assert!(!failure.to_string().contains("secret"), "{failure}");
    }

    /// Each line as a server wrote it, but for names.
    #[test]
    fn stores_mean_the_same_in_different_words() {
        let s3 = |code: &str| format!("<Error><Code>{code}</Code><Message>m</Message></Error>");
        check(404, &[], &s3("NoSuchBucket"), Trouble::BucketMissing);
        check(404, &[("x-ms-error-code", "ContainerNotFound")], "", Trouble::BucketMissing);
        check(404, &[], &s3("NoSuchKey"), Trouble::NotFound);
        check(404, &[("x-ms-error-code", "BlobNotFound")], "", Trouble::NotFound);
        check(404, &[], "<html>Not Found</html>", Trouble::NotFound);
        check(403, &[], &s3("AccessDenied"), Trouble::PermissionDenied);
        check(403, &[], &s3("SignatureDoesNotMatch"), Trouble::KeyRefused);
        check(403, &[], &s3("InvalidAccessKeyId"), Trouble::KeyRefused);
        check(403, &[("x-ms-error-code", "AuthenticationFailed")], "", Trouble::KeyRefused);
        check(401, &[], "", Trouble::KeyRefused);
        check(400, &[], r#"{"error": "invalid_grant"}"#, Trouble::KeyRefused);
        let garage = "<Error><Code>AccessDenied</Code><Message>Forbidden: Invalid signature\
                      </Message></Error>";
        check(403, &[], garage, Trouble::KeyRefused);
        let region = "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region \
                      'us-east-1' is wrong; expecting 'garage'</Message></Error>";
        check(400, &[], region, Trouble::WrongRegion);
        check(301, &[("x-amz-bucket-region", "eu-west-1")], "", Trouble::WrongRegion);
        check(403, &[], &s3("RequestTimeTooSkewed"), Trouble::ClockSkewed);
        let old = [
            ("x-ms-error-code", "AuthenticationFailed"),
            ("date", "Mon, 23 Nov 2020 09:00:00 GMT"),
        ];
        check(403, &old, "", Trouble::ClockSkewed);
        check(503, &[], &s3("SlowDown"), Trouble::Other);
    }

    #[test]
    fn what_was_signed_is_not_repeated() {
        let page = "<Error><Code>SignatureDoesNotMatch</Code><Message>no match</Message>\
                    <StringToSign>AWS4-HMAC-SHA256 hush</StringToSign></Error>";
        let uri = "https://store/b/k?X-Amz-Signature=hush".parse().expect("a URI");
        let status = StatusCode::FORBIDDEN;
        let said = Failure::refusal(&Method::PUT, &uri, status, &HeaderMap::new(), page.as_bytes());
        assert_eq!(
            said.to_string(),
            "PUT https://store/b/k: 403 Forbidden: SignatureDoesNotMatch: no match"
        );
    }
}
