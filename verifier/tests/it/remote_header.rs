//! Hand-offs with the link in a separate header: a real store behind the real nginx with its shipped
//! snippet, first healthy, then with one fault each.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    process::Command,
    thread,
    time::Duration,
};

use sendfile_fixture::{Fixture, Header, Running};
use sendfile_rules::Diagnosis;

use crate::{
    remote::{Edit, Front, first, nginx_with, page::curl, verify},
    stores::{self, Store},
};

const SNIPPET: &str = include_str!("../../../nginx/remote-header.conf");

const HOUR: Duration = Duration::from_secs(3600);

struct SetUp {
    fixture: Running,
    proxy: Front,
}

impl SetUp {
    async fn start(store: &Store, header: &str, edits: &[Edit]) -> Self {
        let header: Header = header.parse().expect("a name");
        let fixture = Fixture::builder().signed_links_in(header, HOUR);
        Self::of(store, fixture, SNIPPET, edits).await
    }

    /// The path of the hand-off contains the store's host.
    async fn by_path(store: &Store, edits: &[Edit]) -> Self {
        let place = store.http_url().trim_start_matches("http://");
        let fixture = Fixture::builder().signed_links(HOUR).path_prefix(format!("/fetch/{place}/"));
        Self::of(store, fixture, include_str!("../../../nginx/remote.conf"), edits).await
    }

    async fn of(store: &Store, fixture: Fixture, snippet: &str, edits: &[Edit]) -> Self {
        let fixture = fixture.storage(&store.url).large_size(0);
        let options = store.options().into_iter();
        let fixture = options.fold(fixture, |it, (a, b)| it.storage_option(a, b));
        let fixture = fixture.start().await.expect("a running store");
        let proxy = nginx_with(snippet, store.http_url(), &fixture.address().to_string(), edits);
        Self { fixture, proxy }
    }

    async fn diagnosis(&self, store: &Store, words: &[&str]) -> Diagnosis {
        let fixture = self.fixture.url();
        let mut all = vec!["sendfile-check", "verify", "--timeout", "3s", "--fixture", &fixture];
        all.extend(["--site", &self.proxy.site, "--storage", &store.url]);
        all.extend(words);
        verify(&all, &store.options()).await
    }

    /// The diagnosis of a verifier that can read the configuration.
    async fn diagnosis_with_config(&self, store: &Store, words: &[&str]) -> Diagnosis {
        let config = format!("--proxy-config=nginx:{}", self.proxy.config);
        self.diagnosis(store, &[words, &[&config]].concat()).await
    }
}

fn warned(diagnosis: &Diagnosis) -> Vec<&str> {
    diagnosis.warnings.iter().map(|it| it.rule.id).collect()
}

/// The fault, the app's header, the edit of the snippet, and the first finding on SeaweedFS if the
/// configuration can be read.
const BROKEN: [(&str, &str, &[Edit], &str); 8] = [
    ("none", LINK, &[], "healthy"),
    ("the app sends another header", "X-Other-Url", &[], "`handoff.link-not-allowed`"),
    (
        "the list allows another bucket",
        LINK,
        &[("\"^http://127.0.0.1:9000/bucket/", "\"^http://127.0.0.1:9000/backup/")],
        "`handoff.link-not-allowed`",
    ),
    (
        "nginx requests another bucket",
        LINK,
        &[("9000/bucket/media/$remote_object", "9000/backup/media/$remote_object")],
        "`handoff.store-refuses`",
    ),
    (
        "nginx requests another port",
        LINK,
        &[("9000/bucket/media/$remote_object", "1/bucket/media/$remote_object")],
        "`handoff.upstream-unreachable`",
    ),
    (
        "the proxy sends the site's Host",
        LINK,
        &[("Host 127.0.0.1:9000;           #", "Host $http_host; #")],
        "`handoff.upstream-host-wrong`",
    ),
    (
        "the link reaches the client",
        LINK,
        &[(
            INSIDE,
            "set $link $upstream_http_x_storage_url; add_header X-Storage-Url $link;\n    # Required",
        )],
        "`handoff.link-leaks`",
    ),
    (
        "the location is not internal",
        LINK,
        &[("    internal;\n    # Required", "    # Required")],
        "healthy",
    ),
];

const LINK: &str = "X-Storage-Url";
const INSIDE: &str = "# Required";
const ASKED: &str = "proxy_pass http://127.0.0.1:9000/bucket/media/$remote_object;";
const LIST: &str = "if ($upstream_http_x_storage_url !~";
const DOTS: &str = "if ($remote_object ~*";

/// The edits that turn the snippet into a relay to any server that the app names.
const RELAY: [Edit; 3] = [
    (ASKED, "proxy_pass $link;"),
    (LIST, "set $link $upstream_http_x_storage_url; if ($http_x_none ~"),
    (DOTS, "if ($http_x_none ~*"),
];

/// The section of `docs/storage.md` about links in a separate header.
pub(crate) async fn page() -> String {
    let stores: Vec<_> = [stores::seaweed(), stores::azurite()].into_iter().flatten().collect();
    let mut page = String::from(HEAD);
    for (what, header, edits, expected) in BROKEN {
        page += &format!("| {what} |");
        for store in &stores {
            let store = store.below("header");
            let set_up = SetUp::start(&store, header, edits).await;
            let outside = first(&set_up.diagnosis(&store, &[]).await);
            let with_config = first(&set_up.diagnosis_with_config(&store, &[]).await);
            let strict = store.url.starts_with("s3:");
            assert!(!strict || with_config == expected, "{what}: {outside}, {with_config}");
            // Without the configuration, the reason why a store refuses is unknown.
            let unsaid = expected == "`handoff.upstream-host-wrong`";
            assert!(!strict || unsaid || outside == expected, "{what}: {outside}, {with_config}");
            page += &format!(" {}{outside} | {with_config} |", successes(&set_up, edits));
            set_up.fixture.stop().await.expect("a running store");
        }
        page.push('\n');
    }
    page
}

/// Whether three kinds of requests succeed, if there is no fault.
fn successes(set_up: &SetUp, edits: &[Edit]) -> String {
    let url = format!("{}/healthcheck-utils/download", set_up.proxy.site);
    let right = |words: &[&str], expected: &str| curl(&url, words) == expected;
    let all = right(&[], "200 4096") && right(&["-r", "5-16"], "206 12") && right(&["-I"], "200 0");
    if edits.is_empty() && all { "GET, Range, HEAD: ".to_owned() } else { String::new() }
}

const HEAD: &str = "
## Links in a separate header

The same faults with `--remote signed-header` and `nginx/remote-header.conf`. In the row without a fault, `GET, Range,
HEAD` means that all three requests succeeded.

| fault | SeaweedFS | with `--proxy-config` | Azurite | with `--proxy-config` |
|---|---|---|---|---|
";

/// Every check passes, except for If-Range, which SeaweedFS ignores.
#[tokio::test(flavor = "multi_thread")]
async fn every_check_passes() {
    let Some(store) = stores::seaweed() else { return };
    let store = store.below("header-thorough");
    let set_up = SetUp::start(&store, LINK, &[]).await;
    let diagnosis = set_up.diagnosis_with_config(&store, &["--thorough"]).await;
    assert_eq!(first(&diagnosis), "healthy");
    assert_eq!(warned(&diagnosis), ["storage.range-unknown"], "SeaweedFS ignores If-Range");
    let head = set_up.diagnosis(&store, &["--full-method=HEAD"]).await;
    assert_eq!(first(&head), "healthy");
    set_up.fixture.stop().await.expect("a running store");
}

/// One probe's link leads to the fixture: a proxy that requests it requests any server.
#[tokio::test(flavor = "multi_thread")]
async fn open_relay_is_reported() {
    let Some(store) = stores::seaweed() else { return };
    let store = store.below("header-relay");
    let set_up = SetUp::start(&store, LINK, &RELAY).await;
    let thorough = set_up.diagnosis(&store, &["--thorough"]).await;
    assert!(warned(&thorough).contains(&"handoff.open-relay"), "{:?}", warned(&thorough));
    set_up.fixture.stop().await.expect("a running store");
}

/// The path of the hand-off contains the host: a client that may request it reaches any server.
#[tokio::test(flavor = "multi_thread")]
async fn host_in_the_path_is_a_relay_for_the_app_or_any_client() {
    const SHIPPED: &str = "location ^~ /protected/ {\n    internal;\n    \
                           proxy_pass http://127.0.0.1:9000/bucket/media/;";
    const INTERNAL: &str =
        "location ~ ^/fetch/(?<to>.+)$ {\n    internal; proxy_pass http://$to$is_args$args;";
    const OPEN: &str = "location ~ ^/fetch/(?<to>.+)$ {\n    proxy_pass http://$to$is_args$args;";
    let Some(store) = stores::seaweed() else { return };
    let store = store.below("path-relay");
    let set_up = SetUp::by_path(&store, &[(SHIPPED, INTERNAL)]).await;
    let with_config = set_up.diagnosis_with_config(&store, &[]).await;
    assert_eq!(
        (&*first(&with_config), warned(&with_config)),
        ("healthy", vec!["handoff.open-relay"])
    );
    set_up.fixture.stop().await.expect("a running store");
    let set_up = SetUp::by_path(&store, &[(SHIPPED, OPEN)]).await;
    let outside = set_up.diagnosis(&store, &["--thorough"]).await;
    assert_eq!(first(&outside), "`handoff.relay-for-anybody`");
    let with_config = set_up.diagnosis_with_config(&store, &["--thorough"]).await;
    assert_eq!(first(&with_config), "`handoff.relay-for-anybody`");
    set_up.fixture.stop().await.expect("a running store");
}

/// Links of a manipulated app, and whether nginx sends a request to the store.
const NAMED: [(&str, StoreRequest); 14] = [
    ("@/a.bin", StoreRequest::Sent),
    ("@/a..b/c...bin?x=/../y", StoreRequest::Sent),
    ("@/odd%20name%20%C3%A9%20100%25.bin?X=1", StoreRequest::Sent),
    ("", StoreRequest::Refused),
    ("@/", StoreRequest::Refused),
    ("http://127.0.0.1:1/probe/media/list/a.bin", StoreRequest::Refused),
    ("http://169.254.169.254/latest/meta-data/", StoreRequest::Refused),
    ("@.invalid/a.bin", StoreRequest::Refused),
    ("https@/a.bin", StoreRequest::Refused),
    ("@/../a.bin", StoreRequest::Refused),
    ("@/x/%2E%2e/a.bin", StoreRequest::Refused),
    ("@/x/.%2e%2fa.bin", StoreRequest::Refused),
    ("@/a.bin http://127.0.0.1:1/", StoreRequest::Refused),
    ("@/a.bin#b", StoreRequest::Refused),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum StoreRequest {
    Sent,
    Refused,
}

/// Whatever the app names, nginx only requests objects of the bucket below the prefix.
#[test]
fn only_the_store_is_requested() {
    let Some(store) = stores::seaweed() else { return };
    let root = store.below("list").http_url().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let app = listener.local_addr().expect("a port").to_string();
    let links = NAMED.map(|(link, _)| link.replace('@', &root));
    thread::spawn(move || {
        for (stream, link) in listener.incoming().zip(links) {
            let mut stream = stream.expect("a connection");
            let _ = stream.read(&mut [0; 4096]).expect("a request");
            let handoff = "X-Accel-Redirect: /protected/a.bin";
            write!(stream, "HTTP/1.1 200 OK\r\n{handoff}\r\nX-Storage-Url: {link}\r\n")
                .expect("a connection");
            write!(stream, "Content-Length: 0\r\nConnection: close\r\n\r\n").expect("a connection");
        }
    });
    let proxy = nginx_with(SNIPPET, &root, &app, &[]);
    for (link, expected) in NAMED {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--noproxy", "*", "-m", "20", "-i"]);
        let out = curl.arg(format!("{}/healthcheck-utils/download", proxy.site)).output();
        let answer = String::from_utf8(out.expect("curl").stdout).expect("text");
        let request = match answer.contains("X-Sendfile-Store: not-allowed\r\n") {
            true => StoreRequest::Refused,
            false => StoreRequest::Sent,
        };
        assert_eq!(request, expected, "{link}: {answer}");
        // The link is not signed, so the store refuses the request.
        let refused = answer.contains("X-Sendfile-Store: 200 : 403\r\n");
        assert!(request == StoreRequest::Refused || refused, "{link}: {answer}");
        assert!(answer.starts_with("HTTP/1.1 502"), "{link}: {answer}");
    }
}
