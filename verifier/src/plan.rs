//! What to ask: first the four layers, then what splits the causes that are still possible. Pure;
//! `probe` does the asking.

use http::{HeaderName, Method};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{
    config::{Depth, FixtureAt, StorageAt, Target, Wish},
    dialect::{self, Names},
    evidence::{Access, Dummy, End, Evidence, Intent, ProbeId, Seen, Sha256, Source},
    probe::{Ask, Contract, ContractError, Wants},
    secret::Redactor,
    url::Url,
};

/// What to ask about one target.
#[derive(Debug)]
pub struct Plan {
    /// The target's name.
    pub target: String,
    /// The nonce of the `full` request, by which the fixture's journal knows it.
    pub nonce: String,
    /// What is sent, and what should come.
    pub wish: Wish,
    /// The right bytes, if they are known beforehand.
    pub dummy: Option<Dummy>,
    /// How to read the storage.
    pub storage: StoragePlan,
    /// The app.
    pub app: Option<Ask>,
    /// The direct location.
    pub direct: Option<Ask>,
    /// The download.
    pub full: Ask,
    /// The fixture, if there is one.
    pub fixture: Option<FixtureAt>,
    /// The fixture's own probes that split causes.
    pub fixture_probes: Vec<FurtherAsk>,
}

/// A further probe that is to be made.
#[derive(Clone, Debug)]
pub struct FurtherAsk {
    /// Which one.
    pub id: ProbeId,
    /// The request.
    pub ask: Ask,
    /// The SHA-256 of what should come, where that is not the dummy.
    pub wants: Option<Sha256>,
}

/// How to read the storage.
#[derive(Debug)]
pub enum StoragePlan {
    /// Not at all, for this reason.
    Skip(&'static str),
    /// At this place.
    Read(StorageAt),
    /// The fixture reads back for us.
    Fixture {
        /// The fixture.
        fixture: FixtureAt,
        /// The dummy's name.
        name: String,
    },
}

impl Plan {
    /// The intention as it may be shown.
    pub fn intent(&self, redactor: &Redactor) -> Intent {
        let intent = &self.wish.intent;
        Intent { value: intent.value.as_deref().map(|it| redactor.url(it)), ..intent.clone() }
    }
}

/// Characters that a request target cannot carry as they are.
const UNSAFE: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Characters that a name in a path cannot carry as they are.
const NAME_UNSAFE: &AsciiSet = &UNSAFE.add(b'%').add(b'?');

/// The name of the parameter by which the fixture's own URLs are made fresh.
const PARAMETER: &str = "sendfile-check";

/// The plan for any app: each layer as it was given.
pub fn plan_of_urls(
    target: &Target,
    nonce: String,
    storage: Option<&StorageAt>,
    app: Option<&Url>,
    direct: Option<&Url>,
    full: &Url,
) -> Plan {
    let wish = target.wish.clone();
    Plan {
        target: target.name.clone(),
        nonce,
        dummy: None,
        storage: storage.map_or(StoragePlan::Skip("no --storage was given"), |it| {
            StoragePlan::Read(it.clone())
        }),
        app: app.map(|url| ask_app(&wish, url.clone())),
        direct: direct.map(|url| Ask::get(url.clone())),
        full: ask_full(&wish, full.clone()),
        fixture: None,
        fixture_probes: Vec::new(),
        wish,
    }
}

/// The plan for a fixture: its contract says the rest.
pub fn plan_of_contract(
    target: &Target,
    nonce: String,
    contract: &Contract,
    fixture: &FixtureAt,
    site: &Url,
    storage: Option<&StorageAt>,
) -> Result<Plan, ContractError> {
    let wrong =
        |problem: String| ContractError::NotAContract { url: fixture.url.to_string(), problem };
    let main = contract
        .dummies
        .iter()
        .find(|it| it.id == "main")
        .ok_or_else(|| wrong("it has no dummy `main`".to_owned()))?;
    let at = |url: &Url, path: &str| {
        let target = format!(
            "{}{}{path}?{PARAMETER}={nonce}",
            url.path().trim_end_matches('/'),
            contract.base
        );
        url.with_target(&target).map_err(|error| wrong(error.to_string()))
    };
    let mut wish = target.wish.clone();
    wish.intent.header = Some(contract.handoff.header.clone());
    wish.intent.value = Some(main.handoff.clone());
    wish.intent.expect.push(("content-type".to_owned(), main.content_type.clone()));
    wish.intent
        .expect
        .extend(main.content_disposition.clone().map(|it| ("content-disposition".to_owned(), it)));
    wish.unix_socket.clone_from(&fixture.unix_socket);
    let hash = |text: &str| text.parse().map_err(wrong);
    let dummy = Dummy {
        size: main.size,
        sha256: hash(&main.sha256)?,
        source: Source::Contract,
        nonce: Some(main.nonce.clone()),
        instance: Some(contract.instance.clone()),
        key: Some(main.key.clone()),
        previous: main.previous.as_ref().map(|it| hash(&it.sha256)).transpose()?,
    };
    let storage = match storage {
        Some(root) => StoragePlan::Read(below(root, &main.key).map_err(wrong)?),
        None => StoragePlan::Fixture { fixture: fixture.clone(), name: main.name.clone() },
    };
    let probe_at = |path: &str| at(site, path.strip_prefix(&contract.base)?).ok();
    let fixture_probes = fixture_probes(contract, probe_at);
    let app = fixture
        .url
        .with_target(&format!("{}/download?{PARAMETER}={nonce}-app", fixture.url.path()));
    Ok(Plan {
        target: target.name.clone(),
        dummy: Some(dummy),
        storage,
        app: Some(ask_app(&wish, app.map_err(|error| wrong(error.to_string()))?)),
        direct: Some(Ask::get(at(site, &format!("/direct/{}", encoded(&main.name)))?)),
        full: ask_full(&wish, at(site, "/download")?),
        fixture: Some(fixture.clone()),
        fixture_probes,
        nonce,
        wish,
    })
}

/// The plan for a fixture that does not answer: the site can still be asked, the app is known to be
/// silent.
pub fn plan_without_contract(
    target: &Target,
    nonce: String,
    fixture: &FixtureAt,
    site: &Url,
) -> Option<Plan> {
    let base = fixture.url.path();
    let full = format!("{}{base}/download?{PARAMETER}={nonce}", site.path().trim_end_matches('/'));
    let app = fixture.url.with_target(&format!("{base}/download?{PARAMETER}={nonce}-app")).ok()?;
    let mut plan =
        plan_of_urls(target, nonce, None, Some(&app), None, &site.with_target(&full).ok()?);
    plan.storage = StoragePlan::Skip("the fixture, which places the dummy, does not answer");
    if let Some(app) = &mut plan.app {
        app.unix_socket.clone_from(&fixture.unix_socket);
    }
    Some(plan)
}

fn ask_app(wish: &Wish, url: Url) -> Ask {
    Ask {
        method: wish.full_method.clone(),
        url,
        headers: wish.app_headers.clone(),
        unix_socket: wish.unix_socket.clone(),
        wants: Wants::HandOff(wish.intent.header.clone()),
    }
}

fn ask_full(wish: &Wish, url: Url) -> Ask {
    Ask { method: wish.full_method.clone(), headers: wish.full_headers.clone(), ..Ask::get(url) }
}

/// A key below a storage's root.
fn below(root: &StorageAt, key: &str) -> Result<StorageAt, String> {
    match root {
        StorageAt::File(path) => {
            Ok(StorageAt::File(format!("{}/{key}", path.trim_end_matches('/'))))
        }
        StorageAt::Http(url) => {
            let target = format!("{}/{}", url.path().trim_end_matches('/'), encoded(key));
            url.with_target(&target).map(StorageAt::Http).map_err(|error| error.to_string())
        }
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NAME_UNSAFE).to_string()
}

/// What to ask when the four layers have answered.
pub fn further(plan: &Plan, evidence: &Evidence, depth: Depth) -> Vec<FurtherAsk> {
    let mut asks = exposure(plan, evidence);
    let lost = !delivered(evidence);
    let split = lost && undecided(evidence) || depth == Depth::Thorough;
    if split {
        asks.extend(who_answers(plan, evidence));
        asks.extend(other_visitors(plan));
    }
    if !plan.wish.app_headers.is_empty() && (lost || streamed(evidence)) {
        asks.extend(
            plan.app.clone().map(|app| (ProbeId::AppBare, Ask { headers: Vec::new(), ..app })),
        );
    }
    let asks = asks.into_iter().map(|(id, ask)| FurtherAsk { id, ask, wants: None });
    let of_fixture = plan.fixture_probes.iter().filter(|_| split).cloned();
    asks.chain(of_fixture).collect()
}

/// The fixture's probes that split causes, asked through the site.
fn fixture_probes(contract: &Contract, at: impl Fn(&str) -> Option<Url>) -> Vec<FurtherAsk> {
    let known = [ProbeId::Plain, ProbeId::DirectUri, ProbeId::DoubleSlash, ProbeId::NoExtension]
        .into_iter();
    let offered = known.filter_map(|id| {
        let probe = contract.probes.iter().find(|it| it.id == id.to_string())?;
        let wants = probe.sha256.as_deref().and_then(|it| it.parse().ok());
        at(&probe.path).map(|url| FurtherAsk { id, ask: Ask::get(url), wants })
    });
    offered.collect()
}

/// Whether a visitor gets the dummy.
pub(crate) fn delivered(evidence: &Evidence) -> bool {
    let Some(full) = evidence.full.answer() else { return false };
    if full.status != 200 || full.body.end != End::Whole {
        return false;
    }
    let announced = || full.header("content-length").and_then(|it| it.parse::<u64>().ok());
    match evidence.full.asked.method.as_str() {
        "HEAD" => evidence.dummy.as_ref().is_some_and(|it| announced() == Some(it.size)),
        _ => evidence.is_dummy(&full.body),
    }
}

/// Whether the bytes lack what a file served by the proxy has: the time of the file, by which
/// caches and ranges work.
pub(crate) fn streamed(evidence: &Evidence) -> bool {
    let validator = |name| evidence.full.answer().is_some_and(|it| it.header(name).is_some());
    !validator("last-modified") && !validator("etag")
}

/// A storage without the file, or an app that does not hand over, needs no further question.
fn undecided(evidence: &Evidence) -> bool {
    let no_storage = matches!(evidence.storage.seen, Seen::Nothing(_));
    let no_direct = evidence.direct.answer().is_none_or(|it| !evidence.is_dummy(&it.body));
    // Something came, and nothing tells whether it is right: no further question would tell.
    let no_yardstick =
        evidence.dummy.is_none() && evidence.full.answer().is_some_and(|it| it.status == 200);
    !(no_yardstick || no_storage && no_direct)
}

/// Whether others can have the file: asked always, whatever the layers say.
fn exposure(plan: &Plan, evidence: &Evidence) -> Vec<(ProbeId, Ask)> {
    let refused = plan
        .wish
        .refused
        .iter()
        .zip(1..)
        .map(|(url, n)| (ProbeId::Refused(n), Ask::get(url.clone())));
    let mut asks: Vec<_> = refused.collect();
    asks.extend(
        target(plan, evidence, &plan.full.url).map(|url| (ProbeId::TargetOutside, Ask::get(url))),
    );
    if plan.wish.intent.access == Access::Private {
        let stranger = Ask { headers: Vec::new(), ..plan.full.clone() };
        asks.push((ProbeId::Anonymous, stranger));
        asks.extend(
            plan.app
                .clone()
                .map(|app| (ProbeId::AppAnonymous, Ask { headers: stranger_to_app(plan), ..app })),
        );
    }
    asks
}

/// The headers that the proxy sends to the app for a stranger: those that no visitor brings.
fn stranger_to_app(plan: &Plan) -> Vec<(HeaderName, http::HeaderValue)> {
    let visitor = |name: &HeaderName| plan.wish.full_headers.iter().any(|(it, _)| it == name);
    plan.wish.app_headers.iter().filter(|(name, _)| !visitor(name)).cloned().collect()
}

/// The hand-off's URI on another origin, where the hand-off names a URI at all.
fn target(plan: &Plan, evidence: &Evidence, origin: &Url) -> Option<Url> {
    let intended = plan.wish.intent.header.as_deref().zip(plan.wish.intent.value.as_deref());
    let sent = evidence
        .app
        .answer()
        .and_then(|it| dialect::handoff_of(it, plan.wish.intent.header.as_deref()));
    let (name, value) = intended.or(sent)?;
    let names_uri = dialect::header_named(name).is_none_or(|it| it.names == Names::Uri);
    let url = (names_uri && value.starts_with('/'))
        .then(|| origin.with_target(&as_target(value)))?
        .ok()?;
    let declared_public = |it: &Ask| it.url.path() == url.path() && it.url.origin() == url.origin();
    (!plan.direct.as_ref().is_some_and(declared_public)).then_some(url)
}

/// A hand-off's value as a request target: what a request line cannot carry is encoded, and nothing
/// is encoded twice.
fn as_target(value: &str) -> String {
    let mut target = String::new();
    for (n, part) in value.split('%').enumerate() {
        if n > 0 {
            let escape =
                part.as_bytes().get(..2).is_some_and(|it| it.iter().all(u8::is_ascii_hexdigit));
            target.push_str(if escape { "%" } else { "%25" });
        }
        target.extend(utf8_percent_encode(part, UNSAFE));
    }
    target
}

/// Who answers for the download, for its neighbours, and for any path: app or proxy.
fn who_answers(plan: &Plan, evidence: &Evidence) -> Vec<(ProbeId, Ask)> {
    let full = &plan.full.url;
    let elsewhere = format!("/sendfile-check-{}", plan.nonce);
    let neighbour = neighbour(full.path(), &plan.nonce);
    let mut asks = Vec::new();
    let mut add = |id, url: Result<Url, _>| asks.extend(url.ok().map(|url| (id, Ask::get(url))));
    add(ProbeId::Neighbour, full.with_target(&neighbour));
    add(ProbeId::Elsewhere, full.with_target(&elsewhere));
    if let Some(app) = &plan.app {
        add(ProbeId::AppNeighbour, app.url.with_target(&neighbour));
        add(ProbeId::AppElsewhere, app.url.with_target(&elsewhere));
        asks.extend(
            target(plan, evidence, &app.url).map(|url| (ProbeId::AppTarget, Ask::get(url))),
        );
    }
    for (_, ask) in asks.iter_mut().filter(|(id, _)| {
        matches!(id, ProbeId::AppNeighbour | ProbeId::AppElsewhere | ProbeId::AppTarget)
    }) {
        ask.unix_socket.clone_from(&plan.wish.unix_socket);
    }
    asks.extend(
        target(plan, evidence, full)
            .map(|url| (ProbeId::TargetOptions, Ask { method: Method::OPTIONS, ..Ask::get(url) })),
    );
    asks
}

/// A path beside another one, with the same ending, that surely names nothing.
fn neighbour(path: &str, nonce: &str) -> String {
    let (folder, name) = path.trim_end_matches('/').rsplit_once('/').unwrap_or(("", path));
    let ending = name.rsplit_once('.').map_or(String::new(), |(_, ending)| format!(".{ending}"));
    format!("{folder}/sendfile-check-{nonce}{ending}")
}

/// The same download asked in other ways: past a cache, with GET, without a login, at the inner
/// proxies.
fn other_visitors(plan: &Plan) -> Vec<(ProbeId, Ask)> {
    let full = &plan.full;
    let mut asks = Vec::new();
    let fresh = full.url.with_parameter(&format!("{PARAMETER}-again={}", plan.nonce));
    asks.extend(fresh.ok().map(|url| (ProbeId::FreshQuery, Ask { url, ..full.clone() })));
    if full.method != Method::GET {
        asks.push((ProbeId::FullGet, Ask { method: Method::GET, ..full.clone() }));
    }
    if full.headers.iter().any(|(name, _)| name == http::header::AUTHORIZATION) {
        let headers = full
            .headers
            .iter()
            .filter(|(name, _)| name != http::header::AUTHORIZATION)
            .cloned()
            .collect();
        asks.push((ProbeId::WithoutAuthorization, Ask { headers, ..full.clone() }));
    }
    let inner = plan.wish.inner.iter().zip(1..);
    asks.extend(
        inner.map(|(url, n)| (ProbeId::Inner(n), Ask { url: url.clone(), ..full.clone() })),
    );
    asks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_and_neighbours() {
        assert_eq!(as_target("/p/a b%20c%.pdf#1"), "/p/a%20b%20c%25.pdf%231");
        assert_eq!(as_target("/p/ü?x=1&y=%2F"), "/p/%C3%BC?x=1&y=%2F");
        assert_eq!(neighbour("/a/b.xlsx", "n"), "/a/sendfile-check-n.xlsx");
        assert_eq!(neighbour("/listen/7/", "n"), "/listen/sendfile-check-n");
        assert_eq!(neighbour("/", "n"), "/sendfile-check-n");
    }
}
