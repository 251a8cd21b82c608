//! Writes a request as a `curl` command, so that a person can repeat it. Knows no rule.

use sendfile_evidence::RequestRecord;

/// The command. Secrets have already been redacted; placeholders show where they belong.
pub(crate) fn line(request: &RequestRecord) -> String {
    let url = request.url.as_str();
    match url.split_once("://") {
        Some(("file", path)) => format!("sha256sum {}", quoted(path)),
        Some(("s3", _)) => format!("aws s3 cp {} - | sha256sum", quoted(url)),
        Some(("gs", _)) => format!("gcloud storage cat {} | sha256sum", quoted(url)),
        Some(("az", blob)) if let Some((container, name)) = blob.split_once('/') => {
            let (container, name) = (quoted(container), quoted(name));
            format!("az storage blob download -c {container} -n {name} | sha256sum")
        }
        _ => http(request),
    }
}

/// The command for a request over HTTP.
fn http(request: &RequestRecord) -> String {
    let mut line = "curl -sS -D - -o /dev/null".to_owned();
    match request.method.as_str() {
        "" | "GET" => {}
        "HEAD" => line.push_str(" -I"),
        method => line.push_str(&format!(" -X {}", quoted(method))),
    }
    if let Some(path) = &request.unix_socket {
        line.push_str(&format!(" --unix-socket {}", quoted(path)));
    }
    for option in &request.through {
        line.push_str(&format!(" {}", quoted(option)));
    }
    for (name, value) in &request.headers {
        line.push_str(&format!(" -H {}", quoted(&format!("{name}: {value}"))));
    }
    format!("{line} {}", quoted(&request.url))
}

/// A word quoted for a POSIX shell.
fn quoted(word: &str) -> String {
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Whether a character has no meaning to a shell.
fn is_plain(char: char) -> bool {
    char.is_ascii_alphanumeric() || "-_./:=,@+%".contains(char)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_pasted() {
        let request = RequestRecord {
            method: "HEAD".to_owned(),
            url: "http://h/a b?y='z'".to_owned(),
            headers: vec![("x-sendfile-type".to_owned(), "X-Sendfile".to_owned())],
            unix_socket: None,
            through: ["--cacert", "my ca.pem"].map(str::to_owned).to_vec(),
            http: None,
        };
        assert_eq!(
            line(&request),
            r"curl -sS -D - -o /dev/null -I --cacert 'my ca.pem' -H 'x-sendfile-type: X-Sendfile' 'http://h/a b?y='\''z'\'''"
        );
        let file = RequestRecord { url: "file:///srv/a b".to_owned(), ..RequestRecord::default() };
        assert_eq!(line(&file), "sha256sum '/srv/a b'");
    }
}
