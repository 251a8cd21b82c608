//! The probes: the view with another value, so that one wrong setting of a proxy shows at a time.
//!
//! The values are fixed at the start and never by a client: whoever could choose a hand-off could
//! read any file that the proxy can.

use crate::{
    catalog::Key,
    dummy::Instance,
    handoff::{Handoff, HandoffError, Meaning, Value},
};

/// What the probe `plain` answers.
pub(crate) const PLAIN: &str = "sendfile-fixture plain\n";

/// Where a link leads that leads away from the store, below the base; and what lies there.
pub(crate) const ASTRAY: (&str, &str) = ("astray", "sendfile-fixture astray\n");

/// One probe.
#[derive(Clone, Debug)]
pub(crate) struct Probe {
    pub(crate) id: &'static str,
    pub(crate) action: Action,
    pub(crate) expect: Expect,
}

/// What the fixture answers.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// A hand-off of this value.
    Handoff(Value),
    /// No hand-off, a short body.
    Plain,
    /// No hand-off, the download itself as the body.
    Stream,
}

/// What a visitor gets when the proxy is set up well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// The dummy with this id.
    Dummy(&'static str),
    /// The fixture's own body.
    Body,
    /// An error page.
    Nothing,
}

/// What the values are made of.
pub(crate) struct Setting<'a> {
    pub(crate) handoff: &'a Handoff,
    pub(crate) base: &'a str,
    pub(crate) instance: Instance,
    /// The ids and keys of the dummies, the download first.
    pub(crate) dummies: &'a [(&'static str, Key)],
    /// The last segment of the storage's folder.
    pub(crate) storage_name: &'a str,
}

/// Lists the probes that mean something to the dialect.
pub(crate) fn probes(setting: &Setting<'_>) -> Result<Vec<Probe>, HandoffError> {
    let mut probes = vec![
        Probe { id: "plain", action: Action::Plain, expect: Expect::Body },
        Probe { id: "stream", action: Action::Stream, expect: Expect::Body },
    ];
    let Some((_, main)) = setting.dummies.first() else { return Ok(probes) };
    let values = with_main(setting, main)?.into_iter().chain(with_twins(setting)?);
    probes.extend(values.map(|(id, value, expect)| {
        let action = Action::Handoff(value);
        Probe { id, action, expect }
    }));
    Ok(probes)
}

/// Returns a name in the folder of the dummies that is not there.
pub(crate) fn missing(main: &Key, instance: Instance) -> String {
    let folder = main.as_str().strip_suffix(main.name()).unwrap_or_default();
    format!("{folder}{instance}-missing.bin")
}

type Row = (&'static str, Value, Expect);

fn with_main(setting: &Setting<'_>, main: &Key) -> Result<Vec<Row>, HandoffError> {
    let Setting { handoff, base, instance, storage_name, .. } = *setting;
    let map = &*handoff.map;
    let key = main.as_str();
    let missing = missing(main, instance);
    let nowhere = format!("/sendfile-check-nowhere-{instance}/");
    let mut rows = vec![
        ("missing", handoff.value_below(map, &missing)?, Expect::Nothing),
        ("nowhere", handoff.value_below(&nowhere, key)?, Expect::Nothing),
        ("double-slash", handoff.value_below(map, &format!("/{key}"))?, Expect::Dummy("main")),
    ];
    if handoff.meaning == Meaning::Path {
        return Ok(rows);
    }
    let direct = format!("{base}/direct/");
    if let Some(link) = handoff.links.astray(&format!("{base}/{}", ASTRAY.0)) {
        let value = handoff.value_below(map, &missing)?.beside(&link)?;
        rows.push(("relay", value, Expect::Nothing));
    }
    rows.push(("direct-uri", handoff.value_below(&direct, main.name())?, Expect::Dummy("main")));
    if !storage_name.is_empty() {
        let parent = format!("{}../", map.trim_end_matches('/'));
        let below = format!("{storage_name}/{key}");
        rows.push(("parent", handoff.value_below(&parent, &below)?, Expect::Nothing));
    }
    Ok(rows)
}

/// The root twin has the very value of the download: only a wrong proxy reads it as the twin.
fn with_twins(setting: &Setting<'_>) -> Result<Vec<Row>, HandoffError> {
    let mut rows = Vec::new();
    for (id, key) in setting.dummies.iter().skip(1) {
        let (key, dummy) = match (*id, setting.dummies) {
            ("root-twin", [(main, main_key), ..]) => (main_key, *main),
            _ => (key, *id),
        };
        rows.push((*id, setting.handoff.value(key)?, Expect::Dummy(dummy)));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handoff::Dialect;

    fn values(dialect: Dialect, map: &str) -> Vec<(&'static str, String)> {
        let key = |text: &str| Key::new(text).unwrap();
        let dummies = [
            ("main", key("healthcheck/a b.bin")),
            ("html", key("healthcheck/dummy.html")),
            ("root-twin", key("protected/healthcheck/a b.bin")),
        ];
        let setting = Setting {
            handoff: &Handoff::new(dialect, map).unwrap(),
            base: "/base",
            instance: "00000000000000aa".parse().unwrap(),
            dummies: &dummies,
            storage_name: "my media",
        };
        let probes = probes(&setting).unwrap();
        let value = |it: Probe| match it.action {
            Action::Handoff(value) => Some((it.id, value.text)),
            Action::Plain | Action::Stream => None,
        };
        probes.into_iter().filter_map(value).filter(|(id, _)| *id != "missing").collect()
    }

    #[test]
    fn uris_and_paths() {
        let nowhere = "/sendfile-check-nowhere-00000000000000aa/healthcheck/a";
        let main = "/protected/healthcheck/a%20b.bin";
        let expected = [
            ("nowhere", &*format!("{nowhere}%20b.bin")),
            ("double-slash", "/protected//healthcheck/a%20b.bin"),
            ("direct-uri", "/base/direct/a%20b.bin"),
            ("parent", "/protected../my%20media/healthcheck/a%20b.bin"),
            ("html", "/protected/healthcheck/dummy.html"),
            ("root-twin", main),
        ];
        let expected = expected.map(|(id, value)| (id, value.to_owned()));
        assert_eq!(values(Dialect::nginx(), "/protected/"), expected);

        let expected = [
            ("nowhere", &*format!("{nowhere} b.bin")),
            ("double-slash", "/srv/my media//healthcheck/a b.bin"),
            ("html", "/srv/my media/healthcheck/dummy.html"),
            ("root-twin", "/srv/my media/healthcheck/a b.bin"),
        ];
        let expected = expected.map(|(id, value)| (id, value.to_owned()));
        assert_eq!(values(Dialect::XSendfile, "/srv/my media"), expected);
    }
}
