//! Writes a request as a `curl` command, so that a person can repeat it.

use sendfile_evidence::RequestRecord;

/// The command. Secrets have already been redacted; placeholders show where they belong.
pub(crate) fn line(asked: &RequestRecord) -> String {
    if let Some(path) = asked.url.strip_prefix("file://") {
        return format!("sha256sum {}", quoted(path));
    }
    if asked.url.starts_with("s3://") {
        return format!("aws s3 cp {} - | sha256sum", quoted(&asked.url));
    }
    if asked.url.starts_with("gs://") {
        return format!("gcloud storage cat {} | sha256sum", quoted(&asked.url));
    }
    if let Some((container, name)) =
        asked.url.strip_prefix("az://").and_then(|it| it.split_once('/'))
    {
        let (container, name) = (quoted(container), quoted(name));
        return format!("az storage blob download -c {container} -n {name} | sha256sum");
    }
    let mut line = "curl -sS -D - -o /dev/null".to_owned();
    match asked.method.as_str() {
        "" | "GET" => {}
        "HEAD" => line.push_str(" -I"),
        method => line.push_str(&format!(" -X {}", quoted(method))),
    }
    if let Some(path) = &asked.unix_socket {
        line.push_str(&format!(" --unix-socket {}", quoted(path)));
    }
    for word in &asked.through {
        line.push_str(&format!(" {}", quoted(word)));
    }
    for (name, value) in &asked.headers {
        line.push_str(&format!(" -H {}", quoted(&format!("{name}: {value}"))));
    }
    format!("{line} {}", quoted(&asked.url))
}

/// A word quoted for a POSIX shell.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_can_be_pasted() {
        let asked = RequestRecord {
            method: "HEAD".to_owned(),
            url: "http://h/a b?y='z'".to_owned(),
            headers: vec![("x-sendfile-type".to_owned(), "X-Sendfile".to_owned())],
            unix_socket: None,
            through: ["--cacert", "my ca.pem"].map(str::to_owned).to_vec(),
            http: None,
        };
        assert_eq!(
            line(&asked),
            r"curl -sS -D - -o /dev/null -I --cacert 'my ca.pem' -H 'x-sendfile-type: X-Sendfile' 'http://h/a b?y='\''z'\'''"
        );
        let file = RequestRecord { url: "file:///srv/a b".to_owned(), ..RequestRecord::default() };
        assert_eq!(line(&file), "sha256sum '/srv/a b'");
    }
}
