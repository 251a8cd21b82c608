//! Chains of several proxies: which one the client reaches, which upstream each uses, and which
//! acts on the hand-off.
//!
//! It combines what the readers found in each configuration, and knows no configuration language.

use sendfile_evidence::{
    fact::{Fact, FactKind, FileState},
    request::Address,
};

use crate::{
    disk::Disk,
    proxy_config::ProxyConfig,
    query::Query,
    reader::{HeaderFate, RouteAnalysis},
};

/// Maximum length of a chain: longer ones are loops.
const LONGEST: usize = 8;

/// A proxy and how it handles the download.
struct Hop<'a> {
    config: &'a ProxyConfig,
    analysis: RouteAnalysis,
}

/// The proxies of all configurations, and those that the client's request passes through.
struct Hops<'a> {
    all: Vec<Hop<'a>>,
    /// The positions in `all` of those on the path, the outermost first.
    path: Vec<usize>,
}

/// The facts of the configurations about a download.
pub fn facts(configs: &[ProxyConfig], query: &Query, disk: &dyn Disk) -> Vec<Fact> {
    let mut hops = Hops::of(configs, query, disk);
    if query.direct_right
        && let Some(file) = hops.file_on_other_disk()
    {
        hops = Hops::of(configs, &Query { file: Some(file), ..query.clone() }, disk);
    }
    let mut facts = Vec::new();
    for config in configs {
        facts.extend_from_slice(config.unread());
    }
    facts.extend(listens_elsewhere(configs, &query.site.address));
    facts.extend(hops.download());
    let acting = hops.acting();
    match acting {
        Some(acting) => facts.extend(hops.handoff(acting)),
        None => facts.extend(hops.inaction()),
    }
    facts.extend_from_slice(hops.direct(query));
    if let Some(acting) = acting {
        facts.extend(hops.fine(acting, &facts));
    }
    facts
}

fn listens_elsewhere(configs: &[ProxyConfig], address: &Address) -> Option<Fact> {
    if configs.is_empty() || configs.iter().any(|config| config.listens(address)) {
        return None;
    }
    let kind = if configs.len() > 1 { FactKind::Unsure } else { FactKind::ListensElsewhere };
    Some(Fact::of(kind, format!("No configuration listens on {address}")))
}

impl<'a> Hops<'a> {
    fn of(configs: &'a [ProxyConfig], query: &Query, disk: &dyn Disk) -> Self {
        let mut all = Vec::new();
        for config in configs {
            all.push(Hop { config, analysis: config.analysis(query, disk) });
        }
        let path = path(&all, &query.site.address);
        Self { all, path }
    }

    /// The path of the file on another disk. If the direct location serves the file from a path
    /// that does not exist on this disk, the proxy sees another disk, perhaps in a container, and
    /// the file is at that path there.
    fn file_on_other_disk(&self) -> Option<String> {
        for hop in &self.all {
            for fact in &hop.analysis.direct {
                if let FactKind::DirectOpens { path, state: FileState::Missing, other: true } =
                    &fact.kind
                {
                    return Some(path.clone());
                }
            }
        }
        None
    }

    /// The hops that the client's request passes through, the outermost first.
    fn on_path(&self) -> impl DoubleEndedIterator<Item = &Hop<'a>> + ExactSizeIterator {
        self.path.iter().map(|position| &self.all[*position])
    }

    /// The position on the path of the proxy that acts on the header: the one nearest to the app,
    /// unless a proxy between it and the app removes the header.
    fn acting(&self) -> Option<usize> {
        let (place, hop) = self.innermost_that_does_not_pass_header()?;
        if hop.analysis.fate == HeaderFate::Dropped {
            return None;
        }
        Some(place)
    }

    fn innermost_that_does_not_pass_header(&self) -> Option<(usize, &Hop<'a>)> {
        for (place, position) in self.path.iter().enumerate().rev() {
            let hop = &self.all[*position];
            if hop.analysis.fate != HeaderFate::Passed {
                return Some((place, hop));
            }
        }
        None
    }

    /// The facts about the download URL.
    fn download(&self) -> Vec<Fact> {
        let mut facts = Vec::new();
        for (place, hop) in self.on_path().enumerate() {
            let is_last = place + 1 == self.path.len();
            for fact in &hop.analysis.download {
                // The upstream of an outer proxy is the next proxy and not the app.
                let is_about_app =
                    matches!(fact.kind, FactKind::AppElsewhere | FactKind::PathRewritten);
                if is_last || !is_about_app {
                    facts.push(fact.clone());
                }
            }
            if is_last {
                for fact in &hop.analysis.header {
                    if matches!(fact.kind, FactKind::NotAnnounced | FactKind::MappingWrong) {
                        facts.push(fact.clone());
                    }
                }
            }
        }
        facts
    }

    /// The facts about the hand-off on which a proxy acts.
    fn handoff(&self, acting: usize) -> Vec<Fact> {
        let analysis = &self.all[self.path[acting]].analysis;
        let mut facts = Vec::new();
        for fact in &analysis.header {
            if fact.kind == FactKind::HeaderObeyed {
                facts.push(fact.clone());
            }
        }
        match self.swallowed(acting) {
            Some(swallowed) => facts.push(swallowed),
            None => facts.extend_from_slice(&analysis.target),
        }
        facts
    }

    /// The fact that an inner proxy acts on the header but cannot serve the file, while an outer
    /// one could.
    fn swallowed(&self, acting: usize) -> Option<Fact> {
        let inner = &self.all[self.path[acting]].analysis;
        if leads_right(inner) {
            return None;
        }
        let mut outer = self.on_path().take(acting);
        let serving = outer.rfind(|hop| obeys(hop) && leads_right(&hop.analysis))?;
        let obeyed = first_of(&inner.header, &FactKind::HeaderObeyed)?;
        let at = obeyed.at.clone()?;
        let detail = format!(
            "acts on the header but cannot serve the file; the proxy configured in {} could",
            serving.config.path
        );
        let is_nginx = at.text.contains("_pass ");
        let suggestion = format!(
            "After {}, add `proxy_ignore_headers X-Accel-Redirect; proxy_pass_header \
             X-Accel-Redirect;`",
            at.line()
        );
        let fact = Fact::at(FactKind::SwallowedBetween, at, detail);
        Some(if is_nginx { fact.mended_by(suggestion) } else { fact })
    }

    /// Why no proxy on the path acts on the header: one removes it, another configuration would act
    /// on it, or the feature is disabled.
    fn inaction(&self) -> Vec<Fact> {
        if let Some(dropped) = self.dropped() {
            return vec![dropped];
        }
        if let Some(bypassed) = self.bypassed() {
            return vec![bypassed];
        }
        let mut facts = Vec::new();
        for hop in self.on_path().rev() {
            for fact in &hop.analysis.header {
                if matches!(fact.kind, FactKind::FeatureOff | FactKind::OverrideForbidden) {
                    facts.push(fact.clone());
                }
            }
        }
        facts
    }

    /// The fact that an inner proxy removes the header on which an outer one would act.
    fn dropped(&self) -> Option<Fact> {
        let (place, inner) = self.innermost_that_does_not_pass_header()?;
        let serving = self.on_path().take(place).rfind(|hop| obeys(hop))?;
        // If a single directive causes the removal, name that directive.
        let causes = &inner.analysis.header;
        let cause = match causes.iter().rev().find(|fact| fact.kind == FactKind::FeatureOff) {
            Some(off) => off,
            None => first_of(&inner.analysis.download, &FactKind::DownloadAsksApp)?,
        };
        let at = cause.at.clone()?;
        let path = &serving.config.path;
        let detail =
            format!("removes the header, on which the proxy configured in {path} would act");
        let suggestion =
            format!("In {}, pass the header on to the proxy configured in {path}", at.line());
        Some(Fact::at(FactKind::SwallowedBetween, at, detail).mended_by(suggestion))
    }

    /// The fact that a proxy that is not on the path would act on the header.
    fn bypassed(&self) -> Option<Fact> {
        let last = &self.all[*self.path.last()?];
        let path = &self.beside_that_obeys()?.config.path;
        let detail = format!(
            "passes requests directly to the app, so the proxy configured in {path}, which acts on \
             the hand-off, is bypassed"
        );
        let mut at = None;
        for fact in &last.analysis.download {
            if fact.kind == FactKind::DownloadAsksApp && fact.at.is_some() {
                at.clone_from(&fact.at);
                break;
            }
        }
        let mut fix = None;
        if let Some(at) = &at {
            fix = Some(format!(
                "In {}, pass the request to the proxy configured in {path} instead of the app",
                at.line()
            ));
        }
        Some(Fact { kind: FactKind::Bypassed, at, detail, fix })
    }

    fn beside_that_obeys(&self) -> Option<&Hop<'a>> {
        for (position, hop) in self.all.iter().enumerate() {
            if !self.path.contains(&position) && obeys(hop) {
                return Some(hop);
            }
        }
        None
    }

    /// The facts about the direct location: of the proxy that listens at its address, else of the
    /// first proxy on the path.
    fn direct(&self, query: &Query) -> &[Fact] {
        let Some(direct) = &query.direct else { return &[] };
        let listening = self.all.iter().find(|hop| hop.config.listens(&direct.address));
        match listening.or(self.on_path().next()) {
            Some(hop) => &hop.analysis.direct,
            None => &[],
        }
    }

    /// The fact that the client gets the file, according to the configurations.
    fn fine(&self, acting: usize, facts: &[Fact]) -> Option<Fact> {
        for hop in self.on_path() {
            if hop.analysis.unsure {
                return None;
            }
            first_of(&hop.analysis.download, &FactKind::DownloadAsksApp)?;
        }
        if facts.iter().any(misleads) {
            return None;
        }
        let acting = &self.all[self.path[acting]].analysis;
        if !leads_right(acting) {
            return None;
        }
        let readable = acting.target.iter().find(|fact| opens_file(fact))?;
        Some(Fact { kind: FactKind::Fine, ..readable.clone() })
    }
}

/// The positions of the proxies that the client's request passes through, the outermost first.
fn path(all: &[Hop<'_>], site: &Address) -> Vec<usize> {
    let listening = |address: &Address| all.iter().position(|hop| hop.config.listens(address));
    let front = match listening(site) {
        Some(front) => front,
        // A port without a listener is mapped to another port. Then the last configuration is used.
        None if !all.is_empty() => all.len() - 1,
        None => return Vec::new(),
    };
    let mut path = vec![front];
    let mut last = front;
    while path.len() < LONGEST {
        let Some(upstream) = &all[last].analysis.forwards_to else { break };
        let Some(next) = listening(upstream) else { break };
        if path.contains(&next) {
            break;
        }
        path.push(next);
        last = next;
    }
    path
}

fn obeys(hop: &Hop<'_>) -> bool {
    hop.analysis.fate == HeaderFate::Obeyed
}

fn first_of<'a>(facts: &'a [Fact], kind: &FactKind) -> Option<&'a Fact> {
    facts.iter().find(|fact| fact.kind == *kind)
}

/// Whether the hand-off leads to the file, as far as it is known.
fn leads_right(analysis: &RouteAnalysis) -> bool {
    let mut leads_somewhere = false;
    for fact in &analysis.target {
        if leads_astray(&fact.kind) {
            return false;
        }
        if matches!(fact.kind, FactKind::TargetOpens { .. } | FactKind::TargetAsksStore) {
            leads_somewhere = true;
        }
    }
    leads_somewhere
}

/// Whether a fact about the target shows that the hand-off does not lead to the file.
fn leads_astray(kind: &FactKind) -> bool {
    match kind {
        FactKind::TargetOpens { wrong, state, .. } => {
            wrong.is_some()
                || matches!(state, FileState::Missing | FileState::Directory | FileState::Closed)
        }
        FactKind::TargetFallsThrough
        | FactKind::TargetShadowed
        | FactKind::TargetInOtherServer
        | FactKind::TargetRefused
        | FactKind::TargetPathUnknown
        | FactKind::PathNotAllowed
        | FactKind::ValueNotRead
        | FactKind::NoResolver
        | FactKind::HostWrong
        | FactKind::AuthorizationForwarded
        | FactKind::PathDecoded
        | FactKind::QueryDropped
        | FactKind::StoreKeyWrong
        | FactKind::StoreKeyCaptured
        | FactKind::StoreKeyOfVariable
        | FactKind::StorePrefixKept => true,
        _ => false,
    }
}

/// Whether a fact shows that the request may not reach the app, or the hand-off not the proxy.
fn misleads(fact: &Fact) -> bool {
    matches!(
        fact.kind,
        FactKind::PathRewritten
            | FactKind::AppElsewhere
            | FactKind::Guarded
            | FactKind::SwallowedBetween
            | FactKind::MappingWrong
            | FactKind::NotAnnounced
    )
}

/// Whether the hand-off opens a file that the workers may be able to read.
fn opens_file(fact: &Fact) -> bool {
    matches!(fact.kind, FactKind::TargetOpens { state: FileState::Readable | FileState::There, .. })
}
