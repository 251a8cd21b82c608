//! The probes: the view with other values, each of which reveals one misconfiguration of a proxy.
//!
//! The values are fixed at startup, and a client never chooses one. A client that could choose a
//! hand-off could read every file that the proxy can read.

use std::fmt;

use serde::Serialize;

use crate::{
    catalog::{DummyId, Item},
    dummy::Instance,
    handoff::{Handoff, HandoffError, Value, ValueKind},
    key::Key,
};

/// The response to the probe `plain`.
pub(crate) const PLAIN: &str = "sendfile-fixture plain\n";

/// The page below the base path to which the probe `relay` links instead of the store.
pub(crate) const ASTRAY_PAGE: &str = "astray";

/// The body of that page.
pub(crate) const ASTRAY: &str = "sendfile-fixture astray\n";

/// One probe.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) id: ProbeId,
    pub(crate) action: Action,
    pub(crate) expect: Expect,
}

/// The id of a probe in the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ProbeId {
    Plain,
    Stream,
    Missing,
    Nowhere,
    DoubleSlash,
    Relay,
    DirectUri,
    Parent,
    /// The hand-off of a decoy.
    #[serde(untagged)]
    Dummy(DummyId),
}

/// The response of the fixture to a probe.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// A hand-off with this value.
    Handoff(Value),
    /// No hand-off, a short body.
    Plain,
    /// No hand-off, the download itself as the body.
    Stream,
}

/// The response that a client gets if the proxy is configured correctly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// This dummy.
    Dummy(DummyId),
    /// The fixture's own body.
    Body,
    /// An error page.
    Nothing,
}

/// The data from which the values are made.
#[derive(Clone, Copy)]
pub(crate) struct ProbeContext<'a> {
    pub(crate) handoff: &'a Handoff,
    pub(crate) base: &'a str,
    pub(crate) instance: Instance,
    /// The dummies, the download first.
    pub(crate) items: &'a [Item],
    /// The last segment of the storage directory; empty if the storage is not a directory.
    pub(crate) storage_name: &'a str,
}

/// Lists the probes that the dialect supports.
pub(crate) fn probes(context: ProbeContext<'_>) -> Result<Vec<Probe>, HandoffError> {
    let mut probes = vec![
        Probe { id: ProbeId::Plain, action: Action::Plain, expect: Expect::Body },
        Probe { id: ProbeId::Stream, action: Action::Stream, expect: Expect::Body },
    ];
    if let [main, decoys @ ..] = context.items {
        probes.extend(main_probes(context, main)?);
        for decoy in decoys {
            probes.push(decoy_probe(context, main, decoy)?);
        }
    }
    Ok(probes)
}

/// Returns a path in the directory of the dummies that does not exist.
pub(crate) fn missing(main: &Key, instance: Instance) -> String {
    let directory = main.as_str().strip_suffix(main.name()).unwrap_or_default();
    format!("{directory}{instance}-missing.bin")
}

fn main_probes(context: ProbeContext<'_>, main: &Item) -> Result<Vec<Probe>, HandoffError> {
    let ProbeContext { handoff, base, instance, storage_name, .. } = context;
    let prefix = &*handoff.path_prefix;
    let key = main.key.as_str();
    let missing = missing(&main.key, instance);
    let nowhere = format!("/sendfile-check-nowhere-{instance}/");
    let found = Expect::Dummy(DummyId::Main);
    let mut probes = vec![
        Probe::new(ProbeId::Missing, handoff.value_below(prefix, &missing)?, Expect::Nothing),
        Probe::new(ProbeId::Nowhere, handoff.value_below(&nowhere, key)?, Expect::Nothing),
        Probe::new(ProbeId::DoubleSlash, handoff.value_below(prefix, &format!("/{key}"))?, found),
    ];
    if handoff.value_kind == ValueKind::Path {
        return Ok(probes);
    }
    if let Some(link) = handoff.links.astray(&format!("{base}/{ASTRAY_PAGE}")) {
        let value = handoff.value_below(prefix, &missing)?.with_link(&link)?;
        probes.push(Probe::new(ProbeId::Relay, value, Expect::Nothing));
    }
    let direct = handoff.value_below(&format!("{base}/direct/"), main.name())?;
    probes.push(Probe::new(ProbeId::DirectUri, direct, found));
    if !storage_name.is_empty() {
        let parent = format!("{}../", prefix.trim_end_matches('/'));
        let value = handoff.value_below(&parent, &format!("{storage_name}/{key}"))?;
        probes.push(Probe::new(ProbeId::Parent, value, Expect::Nothing));
    }
    Ok(probes)
}

/// Returns the probe for the root decoy. Its value is that of the download: only a misconfigured
/// proxy serves the decoy for it.
fn decoy_probe(
    context: ProbeContext<'_>,
    main: &Item,
    decoy: &Item,
) -> Result<Probe, HandoffError> {
    let expected = if decoy.id == DummyId::RootDecoy { main } else { decoy };
    let value = context.handoff.value(&expected.key)?;
    Ok(Probe::new(ProbeId::Dummy(decoy.id), value, Expect::Dummy(expected.id)))
}

impl Probe {
    fn new(id: ProbeId, value: Value, expect: Expect) -> Self {
        Self { id, action: Action::Handoff(value), expect }
    }
}

impl fmt::Display for ProbeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{dummy::Filling, handoff::Dialect};

    fn item(id: DummyId, key: &str) -> Item {
        let (key, content_type) = (Key::new(key).unwrap(), "text/plain");
        Item { id, key, size: 1, filling: Filling::Stream, content_type }
    }

    /// Checks the values of all probes but `missing`.
    fn check(dialect: Dialect, path_prefix: &str, expected: &[(&str, &str)]) {
        let context = ProbeContext {
            handoff: &Handoff::new(dialect, path_prefix).unwrap(),
            base: "/base",
            instance: "00000000000000aa".parse().unwrap(),
            items: &[
                item(DummyId::Main, "healthcheck/a b.bin"),
                item(DummyId::Html, "healthcheck/dummy.html"),
                item(DummyId::RootDecoy, "protected/healthcheck/a b.bin"),
            ],
            storage_name: "my media",
        };
        let mut values = Vec::new();
        for probe in probes(context).unwrap() {
            if let Action::Handoff(value) = probe.action
                && probe.id != ProbeId::Missing
            {
                values.push((probe.id.to_string(), value.text));
            }
        }
        let mut texts = Vec::new();
        for (id, value) in &values {
            texts.push((id.as_str(), value.as_str()));
        }
        assert_eq!(texts, expected);
    }

    #[test]
    fn uris_and_paths() {
        let nowhere = "/sendfile-check-nowhere-00000000000000aa/healthcheck/a";
        let expected = [
            ("nowhere", &*format!("{nowhere}%20b.bin")),
            ("double-slash", "/protected//healthcheck/a%20b.bin"),
            ("direct-uri", "/base/direct/a%20b.bin"),
            ("parent", "/protected../my%20media/healthcheck/a%20b.bin"),
            ("html", "/protected/healthcheck/dummy.html"),
            ("root-twin", "/protected/healthcheck/a%20b.bin"),
        ];
        check(Dialect::nginx(), "/protected/", &expected);

        let expected = [
            ("nowhere", &*format!("{nowhere} b.bin")),
            ("double-slash", "/srv/my media//healthcheck/a b.bin"),
            ("html", "/srv/my media/healthcheck/dummy.html"),
            ("root-twin", "/srv/my media/healthcheck/a b.bin"),
        ];
        check(Dialect::XSendfile, "/srv/my media", &expected);
    }
}
