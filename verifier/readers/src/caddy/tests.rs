//! Compares the reader with what the real Caddy 2.6.2 does with the same Caddyfile.

use super::{super::paper::InMemoryDisk, *};
use crate::ProxyConfig;
use sendfile_evidence::{
    Server,
    fact::{FactKind, FileState, Misconfiguration},
};

/// The app is on port 18997.
const SITES: &str = r#"
{
    admin off
    auto_https off
}
(app) {
    reverse_proxy 127.0.0.1:{args.0}
}
http://a.test:18998 {
    root * /srv/main
    @both {
        path /both/*
        method GET
    }
    handle /api/* {
        import app 18997
    }
    handle /api/static/* {
        file_server
    }
    handle_path /cut/* {
        import app 18997
    }
    handle @both {
        rewrite * /two{path}
        import app 18997
    }
    redir /gone/* /there
    handle /sub/* {
        root * /srv/a
        uri strip_prefix /sub
        file_server
    }
    handle {
        respond 418
    }
}
http://*.b.test:18998, http://b.test:18998 {
    route {
        rewrite /x /y
        reverse_proxy 127.0.0.1:18997
    }
}
"#;

/// Host, target, and what handles it.
const ANSWERED: [(&str, &str, &str); 11] = [
    ("a.test", "/api/x", "asks /api/x"),
    ("a.test", "/API/x", "asks /API/x"),
    ("a.test", "/api/static/x", "opens /srv/main/api/static/x"),
    ("a.test", "/cut/x", "asks /x"),
    ("a.test", "/both/x", "asks /two/both/x"),
    ("a.test", "/gone/x", "-> /there"),
    ("a.test", "/sub/x", "opens /srv/a/x"),
    ("a.test", "/other", "418"),
    ("b.test", "/x", "asks /y"),
    ("www.b.test", "/z", "asks /z"),
    ("a.test", "/apix", "418"),
];

fn answered(caddy: &Caddy, host: &str, target: &str) -> String {
    let request = Request {
        address: Address { host: host.to_owned(), port: 18998 },
        ..Request::get(&format!("http://127.0.0.1:18998{target}")).expect("a URL")
    };
    let disk = InMemoryDisk::default();
    let mut walk = Walk::new(&request, &caddy.matcher, &disk).expect("a path");
    let site = caddy.site(&request).expect("a site");
    match walk.through(site.inside()) {
        Some(End::Asks(_)) => format!("asks {}", walk.subject.path),
        Some(End::Opens(path, _)) => format!("opens {path}"),
        Some(End::Redirects(to, _)) => format!("-> {to}"),
        Some(End::Answers(said, _)) => said,
        Some(End::Login(_)) => "401".to_owned(),
        None => "nothing".to_owned(),
    }
}

fn caddy(text: &str) -> Caddy {
    let mut disk = InMemoryDisk::default().with("/Caddyfile", text);
    Caddy::read("/Caddyfile", &mut disk, &mut Vec::new())
}

#[test]
fn answers_are_those_of_caddy() {
    let caddy = caddy(SITES);
    for (host, target, expected) in ANSWERED {
        assert_eq!(answered(&caddy, host, target), expected, "{host} {target}");
    }
}

/// The output of `caddy adapt` for the Caddyfile above.
const ADAPTED: &str = include_str!("adapted.json");

#[test]
fn json_says_the_same() {
    let caddy = caddy(ADAPTED);
    for (host, target, expected) in ANSWERED {
        assert_eq!(answered(&caddy, host, target), expected, "{host} {target}");
    }
}

/// The facts about a hand-off to `/p/a.bin`, whose file is `/srv/files/p/a.bin`.
fn told(response: &str) -> Vec<Fact> {
    let text = format!(":80 {{\n reverse_proxy 127.0.0.1:8000 {{\n{response}\n }}\n}}");
    let mut disk = InMemoryDisk::default().with("/Caddyfile", &text).with("/srv/files/p/a.bin", "");
    let config = ProxyConfig::read(Server::Caddy, "/Caddyfile", &mut disk);
    let get = |url| Request::get(url).expect("a URL");
    let question = Query {
        site: get("http://h.test/download/1"),
        app: Some(get("http://127.0.0.1:8000/download/1")),
        header: Some("X-Accel-Redirect".to_owned()),
        value: Some("/p/a.bin".to_owned()),
        answer: vec![("x-accel-redirect".to_owned(), "/p/a.bin".to_owned())],
        file: Some("/srv/files/p/a.bin".to_owned()),
        ..Query::default()
    };
    super::super::chain::facts(&[config], &question, &disk)
}

#[test]
fn what_a_hand_off_leads_to() {
    let says = |response: &str, wanted: &FactKind| {
        let facts = told(response);
        assert!(facts.iter().any(|it| it.kind == *wanted), "{wanted:?} is none of {facts:#?}");
    };
    let opens =
        |path: &str, state, wrong| FactKind::TargetOpens { path: path.to_owned(), state, wrong };
    let taken = |inside: &str| {
        format!("@a header X-Accel-Redirect *\nhandle_response @a {{\n{inside}\nfile_server\n}}")
    };
    let reads = "rewrite * {rp.header.X-Accel-Redirect}";
    says("", &FactKind::FeatureOff);
    says("@a header X-Sendfile *\nhandle_response @a {\n}", &FactKind::FeatureOff);
    says(
        &taken(&format!("root * /srv/files\n{reads}")),
        &opens("/srv/files/p/a.bin", FileState::Readable, None),
    );
    says(&taken(&format!("root * /srv/files\n{reads}")), &FactKind::Fine);
    says(
        &taken(&format!("root * /srv/old\n{reads}")),
        &opens("/srv/old/p/a.bin", FileState::Missing, Some(Misconfiguration::Folder)),
    );
    says(
        &taken(&format!("root * /srv/files/p\n{reads}")),
        &opens("/srv/files/p/p/a.bin", FileState::Missing, Some(Misconfiguration::Root)),
    );
    says(&taken("root * /srv/files\nrewrite * {header.X-Accel-Redirect}"), &FactKind::ValueNotRead);
    says(&taken("root * /srv/files"), &FactKind::ValueNotRead);
}

/// The facts about a download from a site.
fn of_site(site: &str) -> Vec<Fact> {
    let mut disk = InMemoryDisk::default().with("/Caddyfile", site);
    let config = ProxyConfig::read(Server::Caddy, "/Caddyfile", &mut disk);
    let get = |url| Request::get(url).expect("a URL");
    let question = Query {
        site: get("http://h.test/download/1"),
        app: Some(get("http://127.0.0.1:8000/download/1")),
        ..Query::default()
    };
    super::super::chain::facts(&[config], &question, &disk)
}

#[test]
fn what_only_the_running_caddy_knows_is_not_guessed() {
    for site in [
        ":80 {\n php_server\n}",
        ":80 {\n rewrite * /{vars.x}\n reverse_proxy 127.0.0.1:8000\n}",
        ":80 {\n forward_auth a:1\n reverse_proxy 127.0.0.1:8000\n}",
        "http://{$HOST:h.test} {\n reverse_proxy 127.0.0.1:8000\n}",
    ] {
        let facts = of_site(site);
        let says = |wanted: FactKind| facts.iter().any(|it| it.kind == wanted);
        assert!(says(FactKind::Unsure), "{site}: {facts:#?}");
        assert!(
            !says(FactKind::DownloadNotRouted) && !says(FactKind::ListensElsewhere),
            "{facts:#?}"
        );
    }
}

#[test]
fn any_upstream_may_be_the_app() {
    let facts = of_site(":80 {\n reverse_proxy 127.0.0.1:1 127.0.0.1:8000\n}");
    assert!(!facts.iter().any(|it| it.kind == FactKind::AppElsewhere), "{facts:#?}");
}

#[test]
fn what_grows_without_end_ends() {
    let path = "a".repeat(16_000);
    let long = "b".repeat(20_000);
    let grows = format!(":80 {{\n route {{\n rewrite * /{path}\n uri replace a {long}\n }}\n}}");
    assert!(of_site(&grows).iter().any(|it| it.kind == FactKind::Unsure));
    let word = "x".repeat(1 << 18);
    let imports = format!("(s) {{\n a {word}\n}}\n:80 {{\n{}}}", "import s\n".repeat(499));
    assert!(of_site(&imports).iter().any(|it| it.kind == FactKind::Unread));
}
