//! The proxy asks a store, and does not bring what it gets.

use super::super::{
    Culprit, Match, Reading, Remedy, Rule, Severity,
    instead::{Instead, instead},
};
use sendfile_evidence::{
    End, Response,
    dialect::{Product, link_of, signed_link, store_refusal},
};

pub(in super::super) const RULES: &[Rule] = &[
    Rule {
        id: "proxy.breaks-off",
        culprit: Culprit::Proxy,
        severity: Severity::Broken,
        summary: "the proxy breaks off in the middle of a file from the store",
        meaning: "The store gives this program the whole file. Through the proxy it begins right, and the \
              connection ends before the announced length. A proxy that reads faster than the visitor \
              keeps the rest on a disk: where that disk is full, or the folder cannot be written to, \
              small files arrive and large ones break off.",
        remedy: Remedy {
            nginx: Some(
                "see the error log; let nginx's user write to proxy_temp_path and see that its disk has \
             room, or let nothing be kept there: proxy_max_temp_file_size 0; in the location that asks \
             the store",
            ),
            ..Remedy::any(
                "see the proxy's error log, and the disk on which it keeps what visitors have not read yet",
            )
        },
        matches: |r| {
            let cut = |it: &&Response| breaks_off(r, it);
            let (who, response) = match r.direct_wrong().filter(cut) {
                Some(direct) => ("the direct location gives", direct),
                None => ("a visitor gets", r.lost_after_app().filter(cut)?),
            };
            Some(Match::likely(format!("{who} {}", r.describe(response))))
        },
    },
    Rule {
        id: "proxy.store-not-trusted",
        culprit: Culprit::Proxy,
        severity: Severity::Broken,
        summary: "the proxy does not accept the store's certificate",
        meaning: "The proxy asks the store over TLS, and refuses its certificate: somebody signed it \
              whom the proxy does not know, it is for another name than the one that the proxy \
              checks, or it is over. nginx answers 502, and says why in its error log alone.",
        remedy: Remedy {
            nginx: Some(
                "let proxy_ssl_trusted_certificate name the file with the store's authority, and \
             proxy_ssl_name the name in the store's certificate; proxy_ssl_server_name on; where \
             the store has several",
            ),
            caddy: Some(
                "in reverse_proxy: transport http with tls_trusted_ca_certs FILE and tls_server_name \
             NAME",
            ),
            ..Remedy::any("let the proxy trust the authority that signs the store's certificates")
        },
        matches: |r| {
            let direct = store_fails(r)?;
            let asked = &r.evidence.storage.asked;
            let tls = asked.http.as_ref().unwrap_or(&asked.url).starts_with("https://");
            tls.then(|| {
                Match::possible(format!(
                    "the proxy answers {} where it should ask the storage, which speaks TLS",
                    r.describe(direct)
                ))
            })
        },
    },
];

/// Whether an answer is the beginning of what the store gives whole.
pub(super) fn breaks_off(r: &Reading<'_>, response: &Response) -> bool {
    let begins = matches!(instead(r.evidence, response), Instead::Truncated);
    let signed = r.handoff().is_some_and(|(_, value)| value.contains('?'));
    let of_store = signed || r.evidence.storage.asked.http.is_some();
    let whole = r.storage_asked() && !r.storage_failed() && of_store;
    whole && begins && response.status == 200 && response.body.end == End::Cut
}

/// nginx's own gateway error where a store should be asked for a signed link.
pub(super) fn reaches_no_store<'a>(r: &Reading<'a>) -> Option<&'a Response> {
    let full = r.lost_after_app().filter(|it| it.status == 502 && store_refusal(it).is_none())?;
    let signed = r.handoff().is_some_and(|(_, value)| value.contains('?'));
    let kept = full.header("content-disposition").is_some();
    (signed && kept && r.own_page(full) == Some(Product::Nginx)).then_some(full)
}

/// A gateway error of the proxy for a storage that is a server.
pub(in super::super) fn store_fails<'a>(r: &Reading<'a>) -> Option<&'a Response> {
    // What a fixture reads back may lie on a disk, unless the app signs links to it.
    let linked = r.handoff().is_some_and(|(_, value)| signed_link(value).is_some());
    let linked = linked || r.app().is_some_and(|it| link_of(it).is_some());
    let server = r.stored_at().is_none() && (linked || r.evidence.journal.is_none());
    super::cannot_read(r).filter(|it| {
        server
            && store_refusal(it).is_none()
            && matches!(it.status, 500 | 502..=504)
            && (it.body.size == 0 || Product::by_error_page(it).is_some())
    })
}

/// Whether the hand-off itself carries a host's name, which is then looked up at run time.
pub(super) fn names_host(r: &Reading<'_>) -> bool {
    let Some((_, value)) = r.handoff() else { return false };
    let path = value.split('?').next().unwrap_or(value);
    let host = |segment: &str| {
        let name = segment.split(':').next().unwrap_or(segment);
        let letters = name.chars().any(|c| c.is_ascii_alphabetic());
        letters && (name == "localhost" || segment.contains(':') || name.matches('.').count() >= 2)
    };
    let after_scheme = path
        .split('/')
        .skip_while(|it| !matches!(it.trim_end_matches(':'), "http" | "https"))
        .nth(1);
    after_scheme.is_some_and(host)
}
