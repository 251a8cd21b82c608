//! Rules about a proxy that requests the file from a store, but does not deliver it.

use sendfile_evidence::{End, Response, Server};

use crate::{
    analysis::Analysis,
    body_class::{BodyClass, body_class},
    config_evidence::{ConfigEvidence, not_trusted},
    proxy::OTHER_BYTES,
    rule::{Culprit, Match, Precedence, Remedy, Rule, Severity},
    symptom::{no_store, store_fails},
};

pub(crate) const RULES: &[&Rule] = &[&BREAKS_OFF, &STORE_NOT_TRUSTED];

pub(crate) static BREAKS_OFF: Rule = Rule {
    id: "proxy.breaks-off",
    culprit: Culprit::Proxy,
    severity: Severity::Broken,
    check: None,
    summary: "The proxy closes the connection in the middle of a file from the store",
    meaning: "The store returns the whole file to this program. Through the proxy its beginning is \
              right, but the connection closes before the announced length. A proxy that reads \
              faster than the client buffers the rest on disk: if that disk is full or the \
              directory is not writable, small files arrive and large ones are cut off.",
    remedy: Remedy {
        any: "Check the proxy's error log, and the disk on which it buffers responses for slow \
              clients",
        servers: &[(
            Server::Nginx,
            "Check the error log. Give nginx's user write permission on proxy_temp_path and free \
             disk space there, or disable disk buffering with `proxy_max_temp_file_size 0;` in the \
             location that passes requests to the store",
        )],
    },
    config: None,
    precedence: Precedence::Replaces(&[&OTHER_BYTES]),
    matches: |analysis| {
        if let Some(direct) = analysis.direct_wrong()
            && breaks_off(analysis, direct)
        {
            let got = analysis.describe(direct);
            return Some(Match::likely(format!("The direct location returns {got}")));
        }
        let full = analysis.failed_after_app()?;
        if !breaks_off(analysis, full) {
            return None;
        }
        Some(Match::likely(format!("The client gets {}", analysis.describe(full))))
    },
};

pub(crate) static STORE_NOT_TRUSTED: Rule = Rule {
    id: "proxy.store-not-trusted",
    culprit: Culprit::Proxy,
    severity: Severity::Broken,
    check: None,
    summary: "The proxy does not trust the store's certificate",
    meaning: "The proxy connects to the store over TLS and rejects its certificate. Typical \
              causes: an issuer that the proxy does not trust, a certificate for another name than \
              the one that the proxy verifies, or an expired certificate. nginx returns 502 and \
              gives the reason only in its error log.",
    remedy: Remedy {
        any: "Configure the proxy to trust the authority that signs the store's certificates",
        servers: &[
            (
                Server::Nginx,
                "Add `proxy_ssl_trusted_certificate CA_FILE;` and `proxy_ssl_name NAME;` with the \
                 name in the store's certificate. If the store has several certificates, also add \
                 `proxy_ssl_server_name on;`",
            ),
            (
                Server::Caddy,
                "In reverse_proxy, set `transport http` with `tls_trusted_ca_certs FILE` and \
                 `tls_server_name NAME`",
            ),
        ],
    },
    config: ConfigEvidence::explains(|_, fact| not_trusted(fact), no_store),
    precedence: Precedence::Usual,
    matches: |analysis| {
        let direct = store_fails(analysis)?;
        let request = &analysis.evidence.storage.request;
        let url = request.http.as_ref().unwrap_or(&request.url);
        if !url.starts_with("https://") {
            return None;
        }
        Some(Match::possible(format!(
            "The proxy returns {}, instead of a response from the storage, which uses TLS",
            analysis.describe(direct)
        )))
    },
};

/// Whether a response is the beginning of a file that the store returns whole.
fn breaks_off(analysis: &Analysis<'_>, response: &Response) -> bool {
    let begins = matches!(body_class(analysis.evidence, response), BodyClass::Truncated);
    let whole_in_storage = analysis.storage_checked() && !analysis.storage_failed();
    begins
        && response.status == 200
        && response.body.end == End::Cut
        && whole_in_storage
        && by_store(analysis)
}

/// Whether the proxy gets the file from a store.
fn by_store(analysis: &Analysis<'_>) -> bool {
    if let Some((_, value)) = analysis.handoff()
        && value.contains('?')
    {
        return true;
    }
    analysis.evidence.storage.request.http.is_some()
}
