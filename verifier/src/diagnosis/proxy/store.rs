//! The proxy asks a store, and does not bring what it gets.

use super::super::{
    Culprit, Match, Reading, Remedy, Rule, Severity,
    instead::{Instead, instead},
};
use crate::{
    dialect::{Product, store_refusal},
    evidence::{End, Response},
};

pub(in super::super) const RULES: &[Rule] = &[Rule {
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
}];

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
