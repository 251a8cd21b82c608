//! Describes the content that was received instead of the dummy, so that a person can verify it.

use sendfile_evidence::{
    Body, End, Evidence, Gunzipped, ProbeId, Response, Same, Server, dialect, dummy_line::DummyLine,
};

/// The kind of content in a response.
pub(crate) enum BodyClass {
    /// The dummy itself.
    Dummy,
    /// An empty body.
    Empty,
    /// The dummy, compressed with gzip.
    Gzip,
    /// An earlier content of the same dummy.
    Older(Option<DummyLine>),
    /// The dummy of another fixture.
    OtherInstance(DummyLine),
    /// Another dummy of the same fixture.
    OtherDummy(DummyLine),
    /// The beginning of the dummy.
    Truncated,
    /// The dummy, changed from this byte on, or a little later.
    Changed(Same),
    /// The dummy, followed by extra bytes.
    Longer,
    /// A redirect to this location.
    Redirect(String),
    /// An error of a store, by its code.
    StoreError(String),
    /// A proxy's own page.
    ProxyPage(Server),
    /// A page that the app returns for another path.
    AppPage,
    /// Anything else.
    Other,
}

/// Classifies a response.
pub(crate) fn body_class(evidence: &Evidence, response: &Response) -> BodyClass {
    let body = &response.body;
    if evidence.is_dummy(body) {
        return BodyClass::Dummy;
    }
    if let (300..=399, Some(location)) = (response.status, response.header("location")) {
        return BodyClass::Redirect(location.to_owned());
    }
    if body.size == 0 {
        return BodyClass::Empty;
    }
    if let Some(it) = of_dummy(evidence, body) {
        return it;
    }
    if let Some(code) = dialect::store_error(body) {
        return BodyClass::StoreError(code);
    }
    match Server::by_error_page(response) {
        Some(product) => BodyClass::ProxyPage(product),
        None if is_app_page(evidence, response) => BodyClass::AppPage,
        None => BodyClass::Other,
    }
}

/// The first line of the file's previous content, if these bytes begin with it. Another fixture
/// that used the storage earlier may have written it.
pub(crate) fn earlier(evidence: &Evidence, head: &[u8]) -> Option<DummyLine> {
    let (line, own) = (DummyLine::read(head)?, own_line(evidence)?);
    // Newer content comes from a rotation in the meantime.
    let before = match line.instance == own.instance {
        true => line.generation < own.generation,
        false => line.placed < own.placed,
    };
    (line.key == own.key && before).then_some(line)
}

/// Whether the fixture changed its files after the download.
pub(crate) fn rotated(evidence: &Evidence) -> bool {
    let Some(own) = own_line(evidence) else { return false };
    let heads = evidence.probes.iter().filter_map(|it| Some(&it.probed.response()?.body.head));
    let mut lines = heads.filter_map(|it| DummyLine::read(it));
    lines.any(|it| it.instance == own.instance && it.generation > own.generation)
}

/// The first line of the dummy, from any layer that returned it.
fn own_line(evidence: &Evidence) -> Option<DummyLine> {
    let responses = [&evidence.full, &evidence.direct].into_iter().filter_map(|it| it.response());
    let bodies = responses.map(|it| &it.body).chain(evidence.storage.response());
    bodies.filter(|it| evidence.is_dummy(it)).find_map(|it| DummyLine::read(&it.head))
}

/// Describes a previous content of the file.
pub(crate) fn told(line: &DummyLine) -> String {
    format!("generation {}, placed {}", line.generation, line.placed)
}

fn of_dummy(evidence: &Evidence, body: &Body) -> Option<BodyClass> {
    let dummy = evidence.dummy.as_ref()?;
    let packed = |it: &Gunzipped| it.size == dummy.size && it.sha256 == dummy.sha256;
    if body.gunzipped.as_ref().is_some_and(packed) {
        return Some(BodyClass::Gzip);
    }
    let line = DummyLine::read(&body.head);
    if dummy.previous == Some(body.sha256) {
        return Some(BodyClass::Older(line));
    }
    match line {
        Some(line) if dummy.instance.as_ref().is_some_and(|it| *it != line.instance) => {
            return Some(BodyClass::OtherInstance(line));
        }
        Some(line) if dummy.key.as_ref().is_some_and(|it| *it != dialect::decoded(&line.key)) => {
            return Some(BodyClass::OtherDummy(line));
        }
        Some(line) if dummy.nonce.as_ref().is_some_and(|it| *it != line.nonce) => {
            return Some(BodyClass::Older(Some(line)));
        }
        _ => {}
    }
    let (Same::Exactly(same) | Same::AtLeast(same)) = body.same?;
    if same == dummy.size && body.size > dummy.size {
        return Some(BodyClass::Longer);
    }
    if body.size < dummy.size && (same == body.size || body.same == Some(Same::AtLeast(same))) {
        return Some(BodyClass::Truncated);
    }
    // A few equal bytes prove nothing, because pages also begin alike. A body of exactly the
    // dummy's size does.
    (same >= 64 || body.size == dummy.size || same * 2 >= dummy.size)
        .then_some(BodyClass::Changed(body.same?))
}

/// Whether a page is one that the app returns for another path.
pub(crate) fn is_app_page(evidence: &Evidence, response: &Response) -> bool {
    [ProbeId::AppTarget, ProbeId::AppNeighbour, ProbeId::AppElsewhere]
        .into_iter()
        .filter_map(|id| evidence.probe(id))
        .any(|page| alike(page, response))
}

/// Whether two responses are the same page: identical bytes, or as similar as a page that contains
/// a token or a time.
pub(crate) fn alike(a: &Response, b: &Response) -> bool {
    let begins_alike = || {
        let length = a.body.head.len().min(b.body.head.len()).min(48);
        length >= 16
            && a.body.head[..length] == b.body.head[..length]
            && a.media_type() == b.media_type()
    };
    let near = a.body.size.abs_diff(b.body.size) <= a.body.size.max(b.body.size) / 5;
    a.status == b.status && (a.body.sha256 == b.body.sha256 || near && begins_alike())
}

/// Describes a response in one line.
pub(crate) fn describe(evidence: &Evidence, response: &Response) -> String {
    format!("{}, {}", response.status, content(evidence, response))
}

/// Describes a response's body in one line.
pub(crate) fn content(evidence: &Evidence, response: &Response) -> String {
    let body = &response.body;
    let size = evidence.dummy.as_ref().map_or(0, |it| it.size);
    let it = evidence.file_is_called();
    let what = match body_class(evidence, response) {
        BodyClass::Dummy if !evidence.has_reference() => {
            format!("the file as received, {} bytes", body.size)
        }
        BodyClass::Dummy => format!("{it}, {} bytes", body.size),
        BodyClass::Empty => "an empty body".to_owned(),
        BodyClass::Gzip => format!("{it} compressed with gzip, {} bytes", body.size),
        BodyClass::Older(Some(line)) => {
            format!("an older version of the dummy, {}", told(&line))
        }
        BodyClass::Older(None) => "an older version of the dummy".to_owned(),
        BodyClass::OtherInstance(line) => {
            format!(
                "the dummy of another fixture, instance {}, placed {}",
                line.instance, line.placed
            )
        }
        BodyClass::OtherDummy(line) => {
            format!("another dummy, placed as {}", dialect::decoded(&line.key))
        }
        BodyClass::Truncated => format!("the first {} of {it}'s {size} bytes", body.size),
        BodyClass::Longer => format!("{it} followed by {} extra bytes", body.size - size),
        BodyClass::Changed(Same::Exactly(at)) => format!("{it}, but changed from byte {at} on"),
        BodyClass::Changed(Same::AtLeast(at)) => {
            format!("{it}, but changed somewhere after byte {at}")
        }
        BodyClass::Redirect(location) => format!("a redirect to {location}"),
        BodyClass::StoreError(code) => format!("the store error {code}"),
        BodyClass::ProxyPage(product) => format!("the {} error page", product.name()),
        BodyClass::AppPage => "a page from the app".to_owned(),
        BodyClass::Other => page(response),
    };
    format!("{what}{}", ending(body))
}

fn page(response: &Response) -> String {
    let kind = response.media_type().unwrap_or_else(|| "no content type".to_owned());
    match title(&response.body.head) {
        Some(title) => {
            format!("another page, {kind}, {} bytes, titled `{title}`", response.body.size)
        }
        None => format!("unknown content, {kind}, {} bytes", response.body.size),
    }
}

fn title(head: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    let (_, rest) = text.split_once("<title>")?;
    let (title, _) = rest.split_once("</title>")?;
    Some(title.chars().filter(|it| !it.is_control()).take(60).collect())
}

fn ending(body: &Body) -> &'static str {
    match body.end {
        End::Whole if body.beyond > 0 => ", and more bytes than announced",
        End::Whole | End::NotAwaited => "",
        End::Cut => ", but the connection closed before the announced length",
        End::TooLong => ", and more beyond the read limit",
        End::TimedOut => ", but the rest timed out",
    }
}
