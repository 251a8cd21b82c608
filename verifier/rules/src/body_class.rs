//! Describes the content that was received instead of the dummy, so that a person can verify it.

use sendfile_evidence::{
    Body, Dummy, End, Evidence, ProbeId, Response, Same, Server, dialect, dummy_line::DummyLine,
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
    /// The dummy, changed at this byte or soon after.
    Changed(Same),
    /// The dummy, followed by extra bytes.
    Longer,
    /// A redirect to this location.
    Redirect(String),
    /// An error of a store, by its code.
    StoreError(String),
    /// A proxy's own page.
    ProxyPage(Server),
    /// A page that the app also returns for another path.
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
    if let Some(class) = of_dummy(evidence, body) {
        return class;
    }
    if let Some(code) = dialect::store_error(body) {
        return BodyClass::StoreError(code);
    }
    match Server::by_error_page(response) {
        Some(server) => BodyClass::ProxyPage(server),
        None if is_app_page(evidence, response) => BodyClass::AppPage,
        None => BodyClass::Other,
    }
}

/// The first line of the file's previous content, if these bytes begin with it. Another fixture
/// that used the storage earlier may have written it.
pub(crate) fn earlier(evidence: &Evidence, head: &[u8]) -> Option<DummyLine> {
    let line = DummyLine::read(head)?;
    let own = own_line(evidence)?;
    // Content newer than the dummy comes from a rotation during the run.
    let before = if line.instance == own.instance {
        line.generation < own.generation
    } else {
        line.placed < own.placed
    };
    if line.key == own.key && before { Some(line) } else { None }
}

/// Whether the fixture changed its files after the download.
pub(crate) fn rotated(evidence: &Evidence) -> bool {
    let Some(own) = own_line(evidence) else { return false };
    for extra in &evidence.probes {
        if let Some(response) = extra.probed.response()
            && let Some(line) = DummyLine::read(&response.body.head)
            && line.instance == own.instance
            && line.generation > own.generation
        {
            return true;
        }
    }
    false
}

/// The first line of the dummy, from any layer that returned it.
fn own_line(evidence: &Evidence) -> Option<DummyLine> {
    let full = evidence.full.response().map(|response| &response.body);
    let direct = evidence.direct.response().map(|response| &response.body);
    for body in [full, direct, evidence.storage.response()].into_iter().flatten() {
        if evidence.is_dummy(body)
            && let Some(line) = DummyLine::read(&body.head)
        {
            return Some(line);
        }
    }
    None
}

/// Describes a previous content of the file.
pub(crate) fn described(line: &DummyLine) -> String {
    format!("generation {}, placed {}", line.generation, line.placed)
}

/// The class of a body that is the dummy in some form, or another dummy.
fn of_dummy(evidence: &Evidence, body: &Body) -> Option<BodyClass> {
    let dummy = evidence.dummy.as_ref()?;
    if let Some(content) = &body.gunzipped
        && content.size == dummy.size
        && content.sha256 == dummy.sha256
    {
        return Some(BodyClass::Gzip);
    }
    let line = DummyLine::read(&body.head);
    if dummy.previous == Some(body.sha256) {
        return Some(BodyClass::Older(line));
    }
    if let Some(line) = line
        && let Some(class) = of_dummy_line(dummy, line)
    {
        return Some(class);
    }
    let compared = body.same?;
    let (Same::Exactly(same) | Same::AtLeast(same)) = compared;
    if same == dummy.size && body.size > dummy.size {
        return Some(BodyClass::Longer);
    }
    if body.size < dummy.size && (same == body.size || compared == Same::AtLeast(same)) {
        return Some(BodyClass::Truncated);
    }
    // A few equal bytes prove nothing, because pages also begin alike. A body of exactly the
    // dummy's size does.
    let changed = same >= 64 || body.size == dummy.size || same * 2 >= dummy.size;
    if changed { Some(BodyClass::Changed(compared)) } else { None }
}

/// The class of a body that begins with the first line of another dummy.
fn of_dummy_line(dummy: &Dummy, line: DummyLine) -> Option<BodyClass> {
    if let Some(instance) = &dummy.instance
        && *instance != line.instance
    {
        return Some(BodyClass::OtherInstance(line));
    }
    if let Some(key) = &dummy.key
        && *key != dialect::decoded(&line.key)
    {
        return Some(BodyClass::OtherDummy(line));
    }
    if let Some(nonce) = &dummy.nonce
        && *nonce != line.nonce
    {
        return Some(BodyClass::Older(Some(line)));
    }
    None
}

/// Whether the app also returns this page for another path.
pub(crate) fn is_app_page(evidence: &Evidence, response: &Response) -> bool {
    for id in [ProbeId::AppTarget, ProbeId::AppNeighbour, ProbeId::AppElsewhere] {
        if evidence.probe(id).is_some_and(|page| alike(page, response)) {
            return true;
        }
    }
    false
}

/// Whether two responses are the same page: identical bytes, or two pages that differ only by as
/// much as a token or a time would explain.
pub(crate) fn alike(a: &Response, b: &Response) -> bool {
    if a.status != b.status {
        return false;
    }
    if a.body.sha256 == b.body.sha256 {
        return true;
    }
    let near = a.body.size.abs_diff(b.body.size) <= a.body.size.max(b.body.size) / 5;
    let length = a.body.head.len().min(b.body.head.len()).min(48);
    near && length >= 16
        && a.body.head[..length] == b.body.head[..length]
        && a.media_type() == b.media_type()
}

/// Describes a response in one line.
pub(crate) fn describe(evidence: &Evidence, response: &Response) -> String {
    format!("{}, {}", response.status, content(evidence, response))
}

/// Describes a response's body in one line.
pub(crate) fn content(evidence: &Evidence, response: &Response) -> String {
    let body = &response.body;
    let size = evidence.dummy.as_ref().map_or(0, |dummy| dummy.size);
    let file = evidence.file_is_called();
    let what = match body_class(evidence, response) {
        BodyClass::Dummy if !evidence.has_reference() => {
            format!("the file as received, {} bytes", body.size)
        }
        BodyClass::Dummy => format!("{file}, {} bytes", body.size),
        BodyClass::Empty => "an empty body".to_owned(),
        BodyClass::Gzip => format!("{file} compressed with gzip, {} bytes", body.size),
        BodyClass::Older(Some(line)) => {
            format!("an older version of the dummy, {}", described(&line))
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
        BodyClass::Truncated => format!("the first {} of {file}'s {size} bytes", body.size),
        BodyClass::Longer => format!("{file} followed by {} extra bytes", body.size - size),
        BodyClass::Changed(Same::Exactly(at)) => format!("{file}, but changed from byte {at} on"),
        BodyClass::Changed(Same::AtLeast(at)) => {
            format!("{file}, but changed somewhere after byte {at}")
        }
        BodyClass::Redirect(location) => format!("a redirect to {location}"),
        BodyClass::StoreError(code) => format!("the store error {code}"),
        BodyClass::ProxyPage(server) => format!("the {} error page", server.name()),
        BodyClass::AppPage => "a page from the app".to_owned(),
        BodyClass::Other => page(response),
    };
    format!("{what}{}", ending(body))
}

/// The coding that a response declares, unless it is `identity`.
pub(crate) fn declared_coding(response: &Response) -> Option<&str> {
    // An object that was stored compressed declares its coding correctly.
    let compressed = response.body.head.starts_with(&[0x1f, 0x8b]);
    let coding = response.header("content-encoding")?;
    if compressed || coding.trim().eq_ignore_ascii_case("identity") { None } else { Some(coding) }
}

fn page(response: &Response) -> String {
    let kind = response.media_type().unwrap_or("no content type".to_owned());
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
    Some(title.chars().filter(|char| !char.is_control()).take(60).collect())
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
