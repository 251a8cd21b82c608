//! Compares the reader with what the real lighttpd 1.4.69 does with the same configuration.

use sendfile_evidence::fact::FileState;

use super::*;
use crate::{hops, in_memory_disk::InMemoryDisk, proxy_config::ProxyConfig};

/// The app is on port 18997.
const RULES: &str = r#"
server.port = 18998
server.bind = "127.0.0.1"
server.modules = ( "mod_rewrite", "mod_redirect", "mod_alias", "mod_proxy" )
var.app = ( "host" => "127.0.0.1", "port" => 18997 )
url.rewrite-once = ( "^/old/(.*)$" => "/api/$1" )
url.redirect = ( "^/gone/(.*)$" => "/there/$1" )
alias.url = ( "/files/" => "/srv/files/" )
$HTTP["host"] == "b.test" {
    proxy.server = ( "" => ( var.app ) )
} else $HTTP["url"] =^ "/api/" {
    proxy.server = ( "/api/" => ( var.app ) )
} else $HTTP["url"] =~ "\.php$" {
    proxy.server = ( ".php" => ( var.app ) )
} else {
    alias.url += ( "/more/" => "/srv/am/" )
}
$HTTP["host"] == "d.test" {
    server.document-root = "/srv/d"
}
$HTTP["host"] =~ "^c\." {
    server.document-root = "/srv/a"
}
server.document-root = "/srv/main"
fastcgi.server = ( "" => ( var.app ) )
"#;

/// Host, target, and what handles it.
const OUTCOMES: [(&str, &str, &str); 11] = [
    ("a.test", "/x", "opens /srv/main/x"),
    ("c.test", "/x", "opens /srv/a/x"),
    ("d.test", "/x", "opens /srv/d/x"),
    ("b.test", "/x", "proxied to /x"),
    ("b.test", "/files/x", "proxied to /files/x"),
    ("a.test", "/api/x", "proxied to /api/x"),
    ("a.test", "/old/x", "proxied to /api/x"),
    ("a.test", "/gone/x", "-> /there/x"),
    ("a.test", "/x.php", "proxied to /x.php"),
    ("a.test", "/files/x", "opens /srv/files/x"),
    ("a.test", "/more/x", "opens /srv/am/x"),
];

#[test]
fn outcomes_are_those_of_lighttpd() {
    let mut disk = InMemoryDisk::default().with("/l.conf", RULES);
    let lighttpd = Lighttpd::read("/l.conf", &mut disk, &mut Vec::new());
    for (host, target, expected) in OUTCOMES {
        let request = Request {
            address: Address { host: host.to_owned(), port: 18998 },
            ..Request::get(&format!("http://127.0.0.1:18998{target}")).expect("a URL")
        };
        let settings = lighttpd.settings(&request).expect("a path");
        let outcome = match route(&settings, &disk) {
            RouteOutcome::Proxied(_) => format!("proxied to {}", upstream_path(&settings)),
            RouteOutcome::Opens(path, _) => format!("opens {path}"),
            RouteOutcome::Redirects(to, _) => format!("-> {to}"),
            RouteOutcome::Responds(status, _) => status.to_string(),
            RouteOutcome::Login(_) => "401".to_owned(),
            RouteOutcome::Unknown => "unknown".to_owned(),
        };
        assert_eq!(outcome, expected, "{host} {target}");
    }
}

/// The facts about a hand-off of `/srv/files/a b.bin`.
fn facts(config: &str) -> Vec<Fact> {
    let config = format!("server.document-root = \"/web\"\n{config}");
    let mut disk = InMemoryDisk::default()
        .with("/l.conf", &config)
        .with("/srv/files/a b.bin", "")
        .linked("/srv/link", "/srv/files")
        .closed("/srv/closed");
    let config = ProxyConfig::read(Server::Lighttpd, "/l.conf", &mut disk);
    let query = Query {
        site: Request::get("http://h.test/download/1").expect("a URL"),
        app: Request::get("http://127.0.0.1:8000/download/1"),
        header: Some("X-Sendfile".to_owned()),
        value: Some("/srv/files/a%20b.bin".to_owned()),
        file: Some("/srv/files/a b.bin".to_owned()),
        ..Query::default()
    };
    hops::facts(&[config], &query, &disk)
}

/// The facts about a proxied hand-off, with more entries for the host.
fn facts_of_host(entries: &str) -> Vec<Fact> {
    facts(&format!(
        "proxy.server = ( \"\" => ( ( \"host\" => \"127.0.0.1\", \"port\" => 8000 {entries} ) ) )"
    ))
}

fn has(facts: &[Fact], kind: &FactKind) -> bool {
    facts.iter().any(|fact| fact.kind == *kind)
}

#[test]
fn which_files_may_be_sent() {
    let from = |directory: &str| {
        facts_of_host(&format!(
            ", \"x-sendfile\" => \"enable\", \"x-sendfile-docroot\" => ( \"{directory}\" )"
        ))
    };
    let opens = FactKind::TargetOpens {
        path: "/srv/files/a b.bin".to_owned(),
        state: FileState::Readable,
        wrong: None,
    };
    let facts = from("/srv/files/");
    assert!(has(&facts, &opens) && has(&facts, &FactKind::Fine), "{facts:#?}");
    assert!(has(&from("/srv/fil"), &FactKind::PathNotAllowed));
    assert!(has(&from("/srv/link/"), &FactKind::PathNotAllowed), "links are not resolved");
    assert!(has(&facts_of_host(""), &FactKind::FeatureOff));
    let anywhere = facts_of_host(", \"x-sendfile\" => \"enable\"");
    assert!(has(&anywhere, &FactKind::Fine), "any file may be sent");
}

const APP: &str = r#"( "host" => "127.0.0.1", "port" => 8000, "x-sendfile" => "enable" )"#;

#[test]
fn settings_need_their_module() {
    let with = |modules: &str| {
        facts(&format!("server.modules = ( {modules} )\nproxy.server = ( \"\" => ( {APP} ) )"))
    };
    assert!(has(&with("\"mod_alias\", \"mod_proxy\""), &FactKind::DownloadAsksApp));
    let without = with("\"mod_alias\"");
    assert!(!has(&without, &FactKind::DownloadAsksApp));
    let suggestion = without.iter().find_map(|fact| fact.fix.as_deref());
    assert_eq!(suggestion, Some("Add \"mod_proxy\" to `server.modules`"));
}

#[test]
fn any_host_may_be_the_app() {
    let other = r#"( "host" => "127.0.0.1", "port" => 1 )"#;
    let facts = facts(&format!("proxy.server = ( \"\" => ( {other}, {APP} ) )"));
    assert!(!has(&facts, &FactKind::AppElsewhere), "{facts:#?}");
    assert!(has(&facts, &FactKind::Fine), "{facts:#?}");
}

#[test]
fn a_route_that_depends_on_the_disk_is_unknown() {
    let facts = facts(r#"url.rewrite-if-not-file = ( "^/(.*)$" => "/app/$1" )"#);
    assert!(has(&facts, &FactKind::Unsure), "{facts:#?}");
    assert!(!has(&facts, &FactKind::DownloadNotRouted), "{facts:#?}");
}
