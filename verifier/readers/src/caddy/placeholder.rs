//! Caddy's placeholders, as far as a configuration and a request determine them.

use super::{super::uri::LONGEST, walk::Walk};

impl Walk<'_> {
    /// A text with its placeholders replaced. An unknown one makes the route uncertain.
    pub(super) fn known(&mut self, text: &str) -> String {
        self.filled(text).unwrap_or_else(|placeholder| {
            self.unsure = Some(format!("`{placeholder}` is known only at run time"));
            String::new()
        })
    }

    /// A text with its placeholders replaced, or the placeholder that is known only at run time.
    pub(super) fn filled(&self, text: &str) -> Result<String, String> {
        let mut whole = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            whole.push_str(before);
            match behind.split_once('}') {
                Some((name, after)) => {
                    let value = self.placeholder(name).filter(|_| whole.len() < LONGEST);
                    whole.push_str(&value.ok_or_else(|| format!("{{{name}}}"))?);
                    rest = after;
                }
                None => rest = behind,
            }
        }
        Ok(whole + rest)
    }

    fn placeholder(&self, name: &str) -> Option<String> {
        let request = self.subject.request;
        if let Some(header) = header_of_answer(name) {
            let found = self
                .answer
                .unwrap_or_default()
                .iter()
                .find(|(n, _)| n.eq_ignore_ascii_case(header));
            return Some(found.map_or(String::new(), |(_, value)| value.clone()));
        }
        let of_request =
            ["header.", "http.request.header."].iter().find_map(|it| name.strip_prefix(it));
        if let Some(header) = of_request {
            // The headers that this program's own client adds are not in the list.
            let own = ["user-agent", "accept", "accept-encoding", "connection"];
            let adds = own.iter().any(|it| header.eq_ignore_ascii_case(it));
            let sent = request.header(header).or((!adds).then_some(""));
            return sent.map(str::to_owned);
        }
        Some(match name {
            "path" | "http.request.uri.path" => self.subject.path.clone(),
            "uri" | "http.request.uri" => match &request.query {
                Some(query) => format!("{}?{query}", self.subject.path),
                None => self.subject.path.clone(),
            },
            "query" | "http.request.uri.query" => request.query.clone().unwrap_or_default(),
            "host" | "http.request.host" => request.address.host.clone(),
            "hostport" | "http.request.hostport" => request.host(),
            "scheme" | "http.request.scheme" => {
                if request.https { "https" } else { "http" }.to_owned()
            }
            "method" | "http.request.method" => request.method.clone(),
            _ => return None,
        })
    }
}

/// The header of the app's response that a placeholder of `handle_response` reads.
pub(super) fn header_of_answer(placeholder: &str) -> Option<&str> {
    ["rp.header.", "http.reverse_proxy.header.", "resp.header.", "http.intercept.header."]
        .iter()
        .find_map(|prefix| placeholder.strip_prefix(prefix))
}
