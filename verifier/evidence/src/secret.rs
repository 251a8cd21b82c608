//! Keeps secrets out of the evidence, and therefore out of every report, log and error.
//!
//! Redaction happens once, where evidence is made. A signature in a query becomes a fingerprint
//! with a per-run salt, so that two values can be compared without revealing either.

use sha2::{Digest, Sha256};

/// Redacts with the salt of one run.
#[derive(Clone, Debug)]
pub struct Redactor {
    salt: [u8; 16],
}

/// Header names whose whole value is secret.
const SECRET_WORDS: [&str; 11] = [
    "auth",
    "cookie",
    "token",
    "secret",
    "password",
    "api-key",
    "apikey",
    "session",
    "signature",
    "subscription-key",
    "access-key",
];

/// The header by which a request asks nginx to reveal its paths. The response headers that reveal
/// them are not secrets.
const ECHO_TOKEN: &str = "x-sendfile-echo";

/// Names of query parameters that carry signatures and keys: S3, Google, Azure, and common names in
/// apps.
const SECRET_PARAMETERS: [&str; 11] = [
    "sign",
    "credential",
    "token",
    "secret",
    "key",
    "passw",
    "auth",
    "session",
    "jwt",
    "hash",
    "md5",
];

/// Query parameters whose names are too short to search for inside other names. They match only as
/// the whole name or as its last word.
const SHORT_PARAMETERS: [&str; 6] = ["sig", "code", "pw", "pwd", "st", "hdnea"];

/// Elements of a store's error page that may repeat the signed text.
const SECRET_ELEMENTS: [&str; 6] = [
    "AWSAccessKeyId",
    "StringToSign",
    "StringToSignBytes",
    "SignatureProvided",
    "CanonicalRequest",
    "CanonicalRequestBytes",
];

impl Redactor {
    /// Creates a redactor with this salt.
    pub fn new(salt: [u8; 16]) -> Self {
        Self { salt }
    }

    /// A header's value, redacted.
    pub fn header(&self, name: &str, value: &str) -> String {
        if is_secret(name) { "REDACTED".to_owned() } else { self.url(value) }
    }

    /// A URL, or a hand-off's value, without a password and without the secrets of its query.
    pub fn url(&self, url: &str) -> String {
        let url = without_password(url);
        each_parameter(&url, |pair| self.parameter(pair))
    }

    /// A line of a log with its URLs redacted.
    pub fn text(&self, text: &str) -> String {
        each_word(text, |word| self.url(word))
    }

    fn parameter(&self, pair: &str) -> String {
        let Some((name, value)) = pair.split_once('=') else { return pair.to_owned() };
        if value.is_empty() || !names_secret(name) {
            return pair.to_owned();
        }
        let hash = Sha256::new().chain_update(self.salt).chain_update(value).finalize();
        format!("{name}=REDACTED-{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3])
    }

    /// The beginning of a body, redacted: a store's XML error repeats keys and signatures.
    pub fn body(&self, head: &[u8]) -> Vec<u8> {
        // Lossy: the beginning of a body may end within a character.
        let mut shown = String::from_utf8_lossy(head).into_owned();
        if !shown.contains("<Error") {
            return head.to_vec();
        }
        for name in SECRET_ELEMENTS {
            shown = without_element(&shown, name);
        }
        shown.into_bytes()
    }
}

/// Whether the whole value of a header with this name is secret.
fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == ECHO_TOKEN || SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// A directive of a configuration, redacted: the value after a secret's name, and the secrets of
/// URLs, are omitted. A word that begins with `$` or `{` is a variable, not a secret.
pub fn directive(name: &str, words: &[String]) -> String {
    let mut shown = name.to_owned();
    let mut follows_secret_name = name.contains("password") || name.contains("secret");
    for word in words {
        shown.push(' ');
        if follows_secret_name && is_value(word) {
            shown.push_str("REDACTED");
        } else if word.is_empty() {
            shown.push_str("\"\"");
        } else {
            shown.push_str(&plain(word));
        }
        follows_secret_name = is_secret(word);
    }
    shown
}

/// A text about a configuration, redacted.
pub fn text(text: &str) -> String {
    each_word(text, plain)
}

/// A text with each word redacted, and the signs between words as they are.
fn each_word(text: &str, redact: impl Fn(&str) -> String) -> String {
    let mut shown = String::new();
    for piece in text.split_inclusive(is_between_words) {
        let word = piece.trim_end_matches(is_between_words);
        shown.push_str(&redact(word));
        shown.push_str(&piece[word.len()..]);
    }
    shown
}

fn is_between_words(sign: char) -> bool {
    sign.is_whitespace() || matches!(sign, '"' | ',' | '`' | ';')
}

/// A word of a configuration: a URL, `secret=…`, or any other.
fn plain(word: &str) -> String {
    if let Some((name, value)) = word.split_once('=')
        && is_name(name)
        && names_secret(name)
        && is_value(value)
    {
        return format!("{name}=REDACTED");
    }
    if let Some((login, host)) = word.rsplit_once('@')
        && is_login(login)
    {
        return format!("REDACTED@{host}");
    }
    without_signature(word)
}

fn is_name(text: &str) -> bool {
    text.chars().all(|sign| sign.is_alphanumeric() || matches!(sign, '-' | '_'))
}

/// Whether the text has the form `USER:PASSWORD`.
fn is_login(text: &str) -> bool {
    match text.split_once(':') {
        Some((_, password)) => !password.is_empty() && !text.contains('/'),
        None => false,
    }
}

/// Whether the text is a literal value: neither a variable nor a fingerprint.
fn is_value(text: &str) -> bool {
    !text.is_empty() && !text.starts_with(['$', '{', '%']) && !text.starts_with("REDACTED")
}

/// A word without the secrets of a URL.
fn without_signature(word: &str) -> String {
    each_parameter(&without_password(word), |pair| match pair.split_once('=') {
        Some((name, value)) if names_secret(name) && is_value(value) => {
            format!("{name}=REDACTED")
        }
        _ => pair.to_owned(),
    })
}

/// A URL with each parameter of its query redacted.
fn each_parameter(url: &str, redact: impl Fn(&str) -> String) -> String {
    let Some((path, query)) = url.split_once('?') else { return url.to_owned() };
    let shown: Vec<String> = query.split('&').map(redact).collect();
    format!("{path}?{}", shown.join("&"))
}

/// Whether a query parameter with this name is secret.
fn names_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // The list of signed headers is needed for diagnosis.
    if name.ends_with("signedheaders") {
        return false;
    }
    let last_word = match name.rfind(['-', '_']) {
        Some(separator) => &name[separator + 1..],
        None => &name,
    };
    SHORT_PARAMETERS.contains(&last_word)
        || SECRET_PARAMETERS.iter().any(|word| name.contains(word))
}

fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..end].rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://REDACTED@{host}{}", &rest[end..]),
        None => url.to_owned(),
    }
}

/// Redacts each element of this name, even one that is cut off at the end of what was read.
fn without_element(text: &str, name: &str) -> String {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, secret)) = rest.split_once(&open) {
        shown.extend([before, &open, "REDACTED", &close]);
        rest = match secret.split_once(&close) {
            Some((_, after)) => after,
            None => "",
        };
    }
    shown + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_redacted_and_evidence_stays() {
        let redactor = Redactor::new([7; 16]);
        assert_eq!(redactor.header("Authorization", "Token abc"), "REDACTED");
        assert_eq!(redactor.header("X-Sendfile-Type", "X-Accel-Redirect"), "X-Accel-Redirect");
        assert_eq!(redactor.url("http://u:p@h/x"), "http://REDACTED@h/x");
        assert!(!redactor.url("/x?access_token=abc").contains("abc"));
        let signed = redactor.url("/s3/a?X-Amz-Expires=9&X-Amz-Signature=deadbeef");
        assert!(signed.starts_with("/s3/a?X-Amz-Expires=9&X-Amz-Signature=REDACTED-"), "{signed}");
        assert_eq!(
            signed,
            redactor.url("/s3/a?X-Amz-Expires=9&X-Amz-Signature=deadbeef"),
            "equal values stay equal"
        );
        assert_ne!(signed, redactor.url("/s3/a?X-Amz-Expires=9&X-Amz-Signature=deadbeee"));
        let word = |text: &str| text.to_owned();
        let signed_once = redactor.text("GET /a?sig=abc HTTP/1.1");
        assert_eq!(
            directive("ProxyPass", &[word("/"), word("ajp://u:p@h/"), word("secret=abc")]),
            "ProxyPass / ajp://REDACTED@h/ secret=REDACTED"
        );
        let signed = [word("https://u:p@h/x?X-Amz-Signature=abc")];
        assert_eq!(
            directive("proxy_pass", &signed),
            "proxy_pass https://REDACTED@h/x?X-Amz-Signature=REDACTED"
        );
        assert_eq!(text(&signed_once), signed_once, "fingerprints stay");
        assert_eq!(directive("x_secret", &[word("abc")]), "x_secret REDACTED");
        assert_eq!(
            text("redirects to `https://u:p@h/x?token=abc&b=$arg_b`; then u:p@h:80"),
            "redirects to `https://REDACTED@h/x?token=REDACTED&b=$arg_b`; then REDACTED@h:80"
        );
        let page = redactor
            .body(b"<Error><Code>X</Code><StringToSign>GET\nabc</StringToSign><AWSAccessKeyId>AK");
        assert_eq!(
            String::from_utf8_lossy(&page),
            "<Error><Code>X</Code><StringToSign>REDACTED</StringToSign>\
             <AWSAccessKeyId>REDACTED</AWSAccessKeyId>"
        );
        let cut = b"<Error><StringToSign>abc</StringToSign><StringToSign>abc</StringToSign>\xc3";
        assert!(!String::from_utf8_lossy(&redactor.body(cut)).contains("abc"));
    }
}
