//! Pages on paper: the bodies that servers, apps and stores send instead of a file.
//!
//! Measured with nginx 1.22.1, Apache 2.4.71, lighttpd 1.4.69 and Caddy 2.6.2.

use http::StatusCode;

/// The servers whose error pages are known.
#[derive(Clone, Copy)]
pub(super) enum Server {
    Nginx,
    Apache,
    Lighttpd,
    Caddy,
    H2o,
}

impl Server {
    /// The server with this name in scenarios.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "nginx" => Self::Nginx,
            "Apache" => Self::Apache,
            "lighttpd" => Self::Lighttpd,
            "Caddy" => Self::Caddy,
            "h2o" => Self::H2o,
            _ => panic!("unknown server `{name}`"),
        }
    }

    /// Its `Server` header.
    pub(super) fn header(self) -> &'static str {
        match self {
            Self::Nginx => "nginx/1.22.1",
            Self::Apache => "Apache/2.4.71 (Debian)",
            Self::Lighttpd => "lighttpd/1.4.69",
            Self::Caddy => "Caddy",
            Self::H2o => "h2o/2.2.5",
        }
    }

    /// Its built-in error page for a status.
    pub(super) fn page(self, status: u16) -> String {
        let code = StatusCode::from_u16(status).expect("a valid status");
        let reason = code.canonical_reason().expect("a status with a reason phrase");
        match self {
            Self::Nginx => NGINX.replace("STATUS", &format!("{status} {reason}")),
            Self::Apache => {
                APACHE.replace("STATUS", &format!("{status} {reason}")).replace("REASON", reason)
            }
            Self::Lighttpd => LIGHTTPD.replace("STATUS", &format!("{status} {reason}")),
            Self::Caddy => String::new(),
            Self::H2o => reason.to_lowercase(),
        }
    }
}

const NGINX: &str = "<html>\r\n<head><title>STATUS</title></head>\r\n<body>\r\n\
    <center><h1>STATUS</h1></center>\r\n<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n";

const APACHE: &str = r#"<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd">
<html><head>
<title>STATUS</title>
</head><body>
<h1>REASON</h1>
<p>The requested URL was not found on this server.</p>
</body></html>
"#;

const LIGHTTPD: &str = r#"<?xml version="1.0" encoding="iso-8859-1"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"
         "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
 <head>
  <title>STATUS</title>
 </head>
 <body>
  <h1>STATUS</h1>
 </body>
</html>
"#;

/// The Content-Type of such a body, if it has one.
pub(super) fn media_type(word: &str, maker: Option<Server>) -> Option<&'static str> {
    match (word, maker) {
        ("page", Some(Server::Caddy)) | ("empty", _) => None,
        ("page", Some(Server::Apache)) => Some("text/html; charset=iso-8859-1"),
        ("page", Some(Server::H2o)) => Some("text/plain; charset=utf-8"),
        ("page" | "spa" | "error-page", _) => Some("text/html"),
        ("app-page" | "front-page" | "login", _) => Some("text/html; charset=utf-8"),
        ("plain" | "astray" | "fall-through", _) => Some("text/plain"),
        (word, _) if word.starts_with("s3:") => Some("application/xml"),
        _ => Some("application/octet-stream"),
    }
}

/// The page that a word denotes.
pub(super) fn text(word: &str) -> String {
    match word {
        "app-page" => page("Not Found", "<p>The requested resource was not found.</p>"),
        "front-page" => page("Invoices", &"<p>Here are your invoices.</p>".repeat(20)),
        "login" => page("Log in", r#"<form method="post"><input name="user"></form>"#),
        "spa" => {
            r#"<!DOCTYPE html><html><script src="/app.js"></script><body></body></html>"#.into()
        }
        "error-page" => r#"<html style="color: grey">Sorry, there is nothing here.</html>"#.into(),
        "plain" => "sendfile-fixture plain\n".into(),
        "astray" => "sendfile-fixture astray\n".into(),
        "fall-through" => "/protected/healthcheck/dummy.bin\n".into(),
        other => match other.strip_prefix("s3:") {
            Some(code) => store_error(code),
            None => panic!("unknown body `{other}`"),
        },
    }
}

fn page(title: &str, text: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n  <title>{title}</title>\n</head>\n\
         <body>\n  <h1>{title}</h1>{text}\n</body>\n</html>\n"
    )
}

fn store_error(code: &str) -> String {
    let (code, message) = match code {
        "AccessDenied" => (code, "Access Denied."),
        "Expired" => ("AccessDenied", "Request has expired"),
        "InvalidArgument" => (code, "Only one auth mechanism allowed"),
        "NoSuchKey" => (code, "The specified key does not exist."),
        "SignatureDoesNotMatch" => (code, "The request signature we calculated does not match"),
        "NoSuchBucket" => (code, "The specified bucket does not exist"),
        "InvalidAccessKeyId" => (code, "The access key ID you provided does not exist"),
        "AuthorizationHeaderMalformed" => (code, "the region 'a' is wrong; expecting 'b'"),
        "RequestTimeTooSkewed" => (code, "The difference between the times is too large."),
        "SlowDown" => (code, "Please reduce your request rate."),
        _ => panic!("unknown store error `{code}`"),
    };
    let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{error}")
}
