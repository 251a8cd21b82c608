//! Chains of several proxies: which one the client reaches, which upstream each uses, and which
//! acts on the hand-off.

use sendfile_evidence::{
    fact::{Fact, FactKind, FileState, SourceLine},
    request::Address,
};

use super::ProxyConfig;
use crate::{
    disk::Disk,
    question::Query,
    reader::{HeaderFate, RouteAnalysis},
};

/// Longer chains are loops.
const LONGEST: usize = 8;

/// The facts of the configurations about a download.
pub fn facts(configs: &[ProxyConfig], question: &Query, disk: &dyn Disk) -> Vec<Fact> {
    let (question, treated) = treatments(configs, question, disk);
    let row = row(configs, &treated, &question.site.address);
    let mut facts: Vec<Fact> = configs.iter().flat_map(|it| it.unread.iter().cloned()).collect();
    facts.extend(elsewhere(configs, &question));
    for n in &row {
        let Some(it) = treated.get(*n) else { continue };
        let is_last = row.last() == Some(n);
        // The upstream of an outer proxy is the next proxy, not the app.
        let about_app =
            |it: &&Fact| matches!(it.kind, FactKind::AppElsewhere | FactKind::PathRewritten);
        facts.extend(it.download.iter().filter(|it| is_last || !about_app(it)).cloned());
        if is_last {
            facts.extend(those(&it.header, &[FactKind::NotAnnounced, FactKind::MappingWrong]));
        }
    }
    let acting = acting(&row, &treated);
    match acting.and_then(|n| Some((n, treated.get(n)?))) {
        Some((n, it)) => {
            facts.extend(those(&it.header, &[FactKind::HeaderObeyed]));
            match swallowed(configs, &row, n, &treated) {
                Some(swallowed) => facts.push(swallowed),
                None => facts.extend(it.target.iter().cloned()),
            }
        }
        None => match dropped(configs, &row, &treated) {
            Some(dropped) => facts.push(dropped),
            None => facts.extend(nobody_acts(configs, &row, &treated)),
        },
    }
    facts.extend(direct(configs, &row, &treated, &question));
    facts.extend(fine(&facts, &row, &treated, acting));
    facts
}

/// How each proxy handles the download. If the direct location serves the file from a path that
/// does not exist on this disk, the proxy sees another disk, perhaps in a container: there, the
/// file is at that path.
fn treatments(
    configs: &[ProxyConfig],
    question: &Query,
    disk: &dyn Disk,
) -> (Query, Vec<RouteAnalysis>) {
    let all = |question: &Query| -> Vec<RouteAnalysis> {
        configs.iter().map(|it| it.treatment(question, disk)).collect()
    };
    let treated = all(question);
    let mut direct = treated.iter().flat_map(|it| &it.direct);
    let there = direct.find_map(|it| match &it.kind {
        FactKind::DirectOpens { path, state: FileState::Missing, other: true } => {
            Some(path.clone())
        }
        _ => None,
    });
    match there.filter(|_| question.direct_right) {
        Some(path) => {
            let question = Query { file: Some(path), ..question.clone() };
            let treated = all(&question);
            (question, treated)
        }
        None => (question.clone(), treated),
    }
}

fn elsewhere(configs: &[ProxyConfig], question: &Query) -> Option<Fact> {
    let address = &question.site.address;
    if configs.is_empty() || configs.iter().any(|it| it.listens(address)) {
        return None;
    }
    let says = if configs.len() > 1 { FactKind::Unsure } else { FactKind::ListensElsewhere };
    Some(Fact::of(says, format!("No configuration listens on {address}")))
}

fn those(facts: &[Fact], wanted: &[FactKind]) -> Vec<Fact> {
    facts.iter().filter(|it| wanted.contains(&it.kind)).cloned().collect()
}

/// The proxies that the client's request passes through, the outermost first.
fn row(configs: &[ProxyConfig], treated: &[RouteAnalysis], site: &Address) -> Vec<usize> {
    let listening = |address: &Address| configs.iter().position(|it| it.listens(address));
    // A port without a listener is mapped to another one; then the last configuration is used.
    let Some(front) = listening(site).or(configs.len().checked_sub(1)) else { return Vec::new() };
    let mut row = vec![front];
    while row.len() < LONGEST {
        let last = row.last().and_then(|it| treated.get(*it));
        match last.and_then(|it| it.asks.as_ref()).and_then(&listening) {
            Some(next) if !row.contains(&next) => row.push(next),
            _ => break,
        }
    }
    row
}

/// The proxy that acts on the header: the one nearest to the app, unless the proxies behind it
/// remove the header.
fn acting(row: &[usize], treated: &[RouteAnalysis]) -> Option<usize> {
    for n in row.iter().rev() {
        match treated.get(*n)?.fate {
            HeaderFate::Obeyed => return Some(*n),
            HeaderFate::Dropped => return None,
            HeaderFate::Passed => {}
        }
    }
    None
}

/// No proxy of the chain acts on the header: another one would, or one has the feature disabled.
fn nobody_acts(configs: &[ProxyConfig], row: &[usize], treated: &[RouteAnalysis]) -> Vec<Fact> {
    let beside = (0..configs.len()).filter(|it| !row.contains(it));
    let mut acts =
        beside.filter(|it| treated.get(*it).is_some_and(|it| it.fate == HeaderFate::Obeyed));
    if let (Some(other), Some(last)) = (acts.next().and_then(|it| configs.get(it)), row.last()) {
        let asks = treated.get(*last).into_iter().flat_map(|it| &it.download);
        let at =
            asks.filter(|it| it.kind == FactKind::DownloadAsksApp).find_map(|it| it.at.clone());
        let detail = format!(
            "passes requests directly to the app, so the proxy configured in {}, which acts on the \
             hand-off, is bypassed",
            other.path
        );
        let fix = at.as_ref().map(|at| {
            format!(
                "In {}, pass the request to the proxy configured in {} instead of the app",
                at.line(),
                other.path
            )
        });
        return vec![Fact { kind: FactKind::Bypassed, at, detail, fix }];
    }
    let off = |it: &&Fact| matches!(it.kind, FactKind::FeatureOff | FactKind::OverrideForbidden);
    let all = row.iter().rev().filter_map(|it| treated.get(*it));
    all.flat_map(|it| it.header.iter().filter(off)).cloned().collect()
}

/// Whether the hand-off leads to the file, as far as it is known.
fn leads_right(treatment: &RouteAnalysis) -> bool {
    let wrong = |it: &Fact| {
        use FactKind as S;
        match &it.kind {
            S::TargetOpens { wrong, state, .. } => {
                wrong.is_some()
                    || matches!(state, FileState::Missing | FileState::Folder | FileState::Closed)
            }
            S::TargetFallsThrough
            | S::TargetShadowed
            | S::TargetInOtherServer
            | S::TargetRefused
            | S::TargetPathUnknown
            | S::PathNotAllowed
            | S::ValueNotRead
            | S::NoResolver
            | S::HostWrong
            | S::AuthorizationForwarded
            | S::PathDecoded
            | S::QueryDropped
            | S::StoreKeyWrong
            | S::StoreKeyCaptured
            | S::StoreKeyOfVariable
            | S::StorePrefixKept => true,
            _ => false,
        }
    };
    let some =
        |it: &Fact| matches!(it.kind, FactKind::TargetOpens { .. } | FactKind::TargetAsksStore);
    treatment.target.iter().any(some) && !treatment.target.iter().any(wrong)
}

/// An inner proxy acts on the header but cannot serve the file, while an outer one could.
fn swallowed(
    configs: &[ProxyConfig],
    row: &[usize],
    acting: usize,
    treated: &[RouteAnalysis],
) -> Option<Fact> {
    let inner = treated.get(acting)?;
    let outer = row.iter().take_while(|it| **it != acting);
    let serving = outer.filter(|it| {
        treated.get(**it).is_some_and(|it| leads_right(it) && it.fate == HeaderFate::Obeyed)
    });
    let serving = configs.get(*serving.last()?)?;
    if leads_right(inner) {
        return None;
    }
    let obeys = inner.header.iter().find(|it| it.kind == FactKind::HeaderObeyed);
    let at: SourceLine = obeys.and_then(|it| it.at.clone())?;
    let detail = format!(
        "acts on the header but cannot serve the file; the proxy configured in {} could",
        serving.path
    );
    let by_nginx = at.text.contains("_pass ");
    let fix = format!(
        "After {}, add `proxy_ignore_headers X-Accel-Redirect; proxy_pass_header \
         X-Accel-Redirect;`",
        at.line()
    );
    let fact = Fact::at(FactKind::SwallowedBetween, at, detail);
    Some(if by_nginx { fact.mended_by(fix) } else { fact })
}

/// An inner proxy removes the header, on which an outer one would act.
fn dropped(configs: &[ProxyConfig], row: &[usize], treated: &[RouteAnalysis]) -> Option<Fact> {
    let passed = |n: &&usize| treated.get(**n).is_some_and(|it| it.fate == HeaderFate::Passed);
    let inner = row.iter().rev().find(|n| !passed(n))?;
    let outer = row.iter().take_while(|it| *it != inner);
    let acts = |n: &&usize| treated.get(**n).is_some_and(|it| it.fate == HeaderFate::Obeyed);
    let serving = configs.get(*outer.filter(acts).last()?)?;
    let inner = treated.get(*inner)?;
    let detail =
        format!("removes the header, on which the proxy configured in {} would act", serving.path);
    // If a single directive causes it, name that one.
    let off = inner.header.iter().rev().find(|it| it.kind == FactKind::FeatureOff);
    let asks = || inner.download.iter().find(|it| it.kind == FactKind::DownloadAsksApp);
    let at = off.or_else(asks)?.at.clone()?;
    let fix =
        format!("In {}, pass the header on to the proxy configured in {}", at.line(), serving.path);
    Some(Fact::at(FactKind::SwallowedBetween, at, detail).mended_by(fix))
}

/// The direct location is that of the proxy that listens there, else of the first of the chain.
fn direct(
    configs: &[ProxyConfig],
    row: &[usize],
    treated: &[RouteAnalysis],
    question: &Query,
) -> Vec<Fact> {
    let Some(direct) = &question.direct else { return Vec::new() };
    let there = configs.iter().position(|it| it.listens(&direct.address));
    let of = there.or(row.first().copied()).and_then(|it| treated.get(it));
    of.map_or_else(Vec::new, |it| it.direct.clone())
}

/// According to the configurations, the client gets the file.
fn fine(
    facts: &[Fact],
    row: &[usize],
    treated: &[RouteAnalysis],
    acting: Option<usize>,
) -> Option<Fact> {
    let sure = row.iter().filter_map(|it| treated.get(*it)).all(|it| !it.unsure);
    let acting = acting.and_then(|it| treated.get(it))?;
    let asks = |it: &usize| {
        treated
            .get(*it)
            .is_some_and(|it| it.download.iter().any(|it| it.kind == FactKind::DownloadAsksApp))
    };
    let misled = facts.iter().any(|it| {
        matches!(
            it.kind,
            FactKind::PathRewritten
                | FactKind::AppElsewhere
                | FactKind::Guarded
                | FactKind::SwallowedBetween
                | FactKind::MappingWrong
                | FactKind::NotAnnounced
        )
    });
    let readable = acting.target.iter().find(|it| {
        matches!(
            &it.kind,
            FactKind::TargetOpens { state: FileState::Readable | FileState::There, .. }
        )
    })?;
    let whole = sure && row.iter().all(asks) && !misled && leads_right(acting);
    whole.then(|| Fact { kind: FactKind::Fine, ..readable.clone() })
}
