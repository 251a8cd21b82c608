//! Compares the reader with what the real Caddy 2.6.2 does with the same Caddyfile.

use sendfile_evidence::fact::{FileState, Misconfiguration};

use super::*;
use crate::{hops, in_memory_disk::InMemoryDisk, proxy_config::ProxyConfig};

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
const OUTCOMES: [(&str, &str, &str); 11] = [
    ("a.test", "/api/x", "forwards /api/x"),
    ("a.test", "/API/x", "forwards /API/x"),
    ("a.test", "/api/static/x", "opens /srv/main/api/static/x"),
    ("a.test", "/cut/x", "forwards /x"),
    ("a.test", "/both/x", "forwards /two/both/x"),
    ("a.test", "/gone/x", "-> /there"),
    ("a.test", "/sub/x", "opens /srv/a/x"),
    ("a.test", "/other", "418"),
    ("b.test", "/x", "forwards /y"),
    ("www.b.test", "/z", "forwards /z"),
    ("a.test", "/apix", "418"),
];

fn outcome_of(caddy: &Caddy, host: &str, target: &str) -> String {
    let request = Request {
        address: Address { host: host.to_owned(), port: 18998 },
        ..Request::get(&format!("http://127.0.0.1:18998{target}")).expect("a URL")
    };
    let disk = InMemoryDisk::default();
    let mut evaluator = Evaluator::new(&request, &caddy.matcher, &disk).expect("a path");
    let site = caddy.site(&request).expect("a site");
    match evaluator.evaluate(site.inside()) {
        Some(RouteOutcome::Passes(_)) => format!("forwards {}", evaluator.subject.path),
        Some(RouteOutcome::Opens(path, _)) => format!("opens {path}"),
        Some(RouteOutcome::Redirects(to, _)) => format!("-> {to}"),
        Some(RouteOutcome::Responds(status, _)) => status,
        Some(RouteOutcome::RequiresLogin(_)) => "401".to_owned(),
        None => "nothing".to_owned(),
    }
}

fn caddy(text: &str) -> Caddy {
    let mut disk = InMemoryDisk::default().with("/Caddyfile", text);
    Caddy::read("/Caddyfile", &mut disk, &mut Vec::new())
}

#[test]
fn outcomes_are_those_of_caddy() {
    let caddy = caddy(SITES);
    for (host, target, expected) in OUTCOMES {
        assert_eq!(outcome_of(&caddy, host, target), expected, "{host} {target}");
    }
}

/// The output of `caddy adapt` for the Caddyfile above.
const ADAPTED: &str = include_str!("adapted.json");

#[test]
fn json_has_the_same_outcomes() {
    let caddy = caddy(ADAPTED);
    for (host, target, expected) in OUTCOMES {
        assert_eq!(outcome_of(&caddy, host, target), expected, "{host} {target}");
    }
}

/// The facts about a hand-off to `/p/a.bin`, whose file is `/srv/files/p/a.bin`.
fn facts_of_handoff(response: &str) -> Vec<Fact> {
    let text = format!(":80 {{\n reverse_proxy 127.0.0.1:8000 {{\n{response}\n }}\n}}");
    let mut disk = InMemoryDisk::default().with("/Caddyfile", &text).with("/srv/files/p/a.bin", "");
    let config = ProxyConfig::read(Server::Caddy, "/Caddyfile", &mut disk);
    let get = |url| Request::get(url).expect("a URL");
    let query = Query {
        site: get("http://h.test/download/1"),
        app: Some(get("http://127.0.0.1:8000/download/1")),
        header: Some("X-Accel-Redirect".to_owned()),
        value: Some("/p/a.bin".to_owned()),
        response_headers: vec![("x-accel-redirect".to_owned(), "/p/a.bin".to_owned())],
        file: Some("/srv/files/p/a.bin".to_owned()),
        ..Query::default()
    };
    hops::facts(&[config], &query, &disk)
}

#[test]
fn targets_of_handoffs() {
    let check = |response: &str, wanted: &FactKind| {
        let facts = facts_of_handoff(response);
        assert!(facts.iter().any(|fact| fact.kind == *wanted), "{wanted:?} is none of {facts:#?}");
    };
    let opens =
        |path: &str, state, wrong| FactKind::TargetOpens { path: path.to_owned(), state, wrong };
    let taken = |inside: &str| {
        format!("@a header X-Accel-Redirect *\nhandle_response @a {{\n{inside}\nfile_server\n}}")
    };
    let reads = "rewrite * {rp.header.X-Accel-Redirect}";
    check("", &FactKind::FeatureOff);
    check("@a header X-Sendfile *\nhandle_response @a {\n}", &FactKind::FeatureOff);
    check(
        &taken(&format!("root * /srv/files\n{reads}")),
        &opens("/srv/files/p/a.bin", FileState::Readable, None),
    );
    check(&taken(&format!("root * /srv/files\n{reads}")), &FactKind::Fine);
    check(
        &taken(&format!("root * /srv/old\n{reads}")),
        &opens("/srv/old/p/a.bin", FileState::Missing, Some(Misconfiguration::Directory)),
    );
    check(
        &taken(&format!("root * /srv/files/p\n{reads}")),
        &opens("/srv/files/p/p/a.bin", FileState::Missing, Some(Misconfiguration::Root)),
    );
    check(
        &taken("root * /srv/files\nrewrite * {header.X-Accel-Redirect}"),
        &FactKind::ValueNotRead,
    );
    check(&taken("root * /srv/files"), &FactKind::ValueNotRead);
}

/// The facts about a download from a site.
fn facts_of_site(site: &str) -> Vec<Fact> {
    let mut disk = InMemoryDisk::default().with("/Caddyfile", site);
    let config = ProxyConfig::read(Server::Caddy, "/Caddyfile", &mut disk);
    let get = |url| Request::get(url).expect("a URL");
    let query = Query {
        site: get("http://h.test/download/1"),
        app: Some(get("http://127.0.0.1:8000/download/1")),
        ..Query::default()
    };
    hops::facts(&[config], &query, &disk)
}

#[test]
fn run_time_values_are_not_guessed() {
    for site in [
        ":80 {\n php_server\n}",
        ":80 {\n rewrite * /{vars.x}\n reverse_proxy 127.0.0.1:8000\n}",
        ":80 {\n forward_auth a:1\n reverse_proxy 127.0.0.1:8000\n}",
        "http://{$HOST:h.test} {\n reverse_proxy 127.0.0.1:8000\n}",
    ] {
        let facts = facts_of_site(site);
        let contains = |wanted: FactKind| facts.iter().any(|fact| fact.kind == wanted);
        assert!(contains(FactKind::Unsure), "{site}: {facts:#?}");
        assert!(
            !contains(FactKind::DownloadNotRouted) && !contains(FactKind::ListensElsewhere),
            "{facts:#?}"
        );
    }
}

#[test]
fn any_upstream_may_be_the_app() {
    let facts = facts_of_site(":80 {\n reverse_proxy 127.0.0.1:1 127.0.0.1:8000\n}");
    assert!(!facts.iter().any(|fact| fact.kind == FactKind::AppElsewhere), "{facts:#?}");
}

#[test]
fn growth_is_limited() {
    let path = "a".repeat(16_000);
    let long = "b".repeat(20_000);
    let grows = format!(":80 {{\n route {{\n rewrite * /{path}\n uri replace a {long}\n }}\n}}");
    assert!(facts_of_site(&grows).iter().any(|fact| fact.kind == FactKind::Unsure));
    let word = "x".repeat(1 << 18);
    let imports = format!("(s) {{\n a {word}\n}}\n:80 {{\n{}}}", "import s\n".repeat(499));
    assert!(facts_of_site(&imports).iter().any(|fact| fact.kind == FactKind::Unread));
}
