//! Compares the reader with what the real lighttpd 1.4.69 does with the same configuration.

use super::{super::in_memory_disk::InMemoryDisk, *};
use crate::proxy_config::ProxyConfig;
use sendfile_evidence::fact::FileState;

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
const ANSWERED: [(&str, &str, &str); 11] = [
    ("a.test", "/x", "opens /srv/main/x"),
    ("c.test", "/x", "opens /srv/a/x"),
    ("d.test", "/x", "opens /srv/d/x"),
    ("b.test", "/x", "asks /x"),
    ("b.test", "/files/x", "asks /files/x"),
    ("a.test", "/api/x", "asks /api/x"),
    ("a.test", "/old/x", "asks /api/x"),
    ("a.test", "/gone/x", "-> /there/x"),
    ("a.test", "/x.php", "asks /x.php"),
    ("a.test", "/files/x", "opens /srv/files/x"),
    ("a.test", "/more/x", "opens /srv/am/x"),
];

#[test]
fn answers_are_those_of_lighttpd() {
    let mut disk = InMemoryDisk::default().with("/l.conf", RULES);
    let lighttpd = Lighttpd::read("/l.conf", &mut disk, &mut Vec::new());
    for (host, target, expected) in ANSWERED {
        let request = Request {
            address: Address { host: host.to_owned(), port: 18998 },
            ..Request::get(&format!("http://127.0.0.1:18998{target}")).expect("a URL")
        };
        let settings = lighttpd.settings(&request).expect("a path");
        let answered = match settings.end(&disk) {
            End::Asks(_) => format!("asks {}", settings.sent_path()),
            End::Opens(path, _) => format!("opens {path}"),
            End::Redirects(to, _) => format!("-> {to}"),
            End::Answers(status, _) => status.to_string(),
            End::Login(_) => "401".to_owned(),
            End::Unknown => "unknown".to_owned(),
        };
        assert_eq!(answered, expected, "{host} {target}");
    }
}

fn told(host: &str) -> Vec<Fact> {
    facts(&format!(
        "proxy.server = ( \"\" => ( ( \"host\" => \"127.0.0.1\", \"port\" => 8000 {host} ) ) )"
    ))
}

fn facts(config: &str) -> Vec<Fact> {
    let config = format!("server.document-root = \"/web\"\n{config}");
    let mut disk = InMemoryDisk::default()
        .with("/l.conf", &config)
        .with("/srv/files/a b.bin", "")
        .linked("/srv/link", "/srv/files")
        .closed("/srv/closed");
    let config = ProxyConfig::read(Server::Lighttpd, "/l.conf", &mut disk);
    let get = |url| Request::get(url).expect("a URL");
    let question = Query {
        site: get("http://h.test/download/1"),
        app: Some(get("http://127.0.0.1:8000/download/1")),
        header: Some("X-Sendfile".to_owned()),
        value: Some("/srv/files/a%20b.bin".to_owned()),
        file: Some("/srv/files/a b.bin".to_owned()),
        ..Query::default()
    };
    super::super::hops::facts(&[config], &question, &disk)
}

#[test]
fn what_may_be_sent() {
    let says = |host: &str, wanted: &FactKind| told(host).iter().any(|it| it.kind == *wanted);
    let on = |folder: &str| {
        format!(", \"x-sendfile\" => \"enable\", \"x-sendfile-docroot\" => ( \"{folder}\" )")
    };
    let opens = FactKind::TargetOpens {
        path: "/srv/files/a b.bin".to_owned(),
        state: FileState::Readable,
        wrong: None,
    };
    assert!(says(&on("/srv/files/"), &opens) && says(&on("/srv/files/"), &FactKind::Fine));
    assert!(says(&on("/srv/fil"), &FactKind::PathNotAllowed));
    assert!(says(&on("/srv/link/"), &FactKind::PathNotAllowed), "links are not resolved");
    assert!(says("", &FactKind::FeatureOff));
    assert!(says(", \"x-sendfile\" => \"enable\"", &FactKind::Fine), "anything may be sent");
}

const APP: &str = r#"( "host" => "127.0.0.1", "port" => 8000, "x-sendfile" => "enable" )"#;

#[test]
fn settings_need_their_module() {
    let with = |modules: &str| {
        facts(&format!("server.modules = ( {modules} )\nproxy.server = ( \"\" => ( {APP} ) )"))
    };
    let asks = |facts: &[Fact]| facts.iter().any(|it| it.kind == FactKind::DownloadAsksApp);
    assert!(asks(&with("\"mod_alias\", \"mod_proxy\"")));
    let without = with("\"mod_alias\"");
    assert!(!asks(&without));
    let fix = without.iter().find_map(|it| it.fix.as_deref());
    assert_eq!(fix, Some("Add \"mod_proxy\" to `server.modules`"));
}

#[test]
fn any_host_may_be_the_app() {
    let other = r#"( "host" => "127.0.0.1", "port" => 1 )"#;
    let facts = facts(&format!("proxy.server = ( \"\" => ( {other}, {APP} ) )"));
    assert!(!facts.iter().any(|it| it.kind == FactKind::AppElsewhere), "{facts:#?}");
    assert!(facts.iter().any(|it| it.kind == FactKind::Fine), "{facts:#?}");
}

#[test]
fn what_leads_elsewhere_by_what_is_on_disk_is_not_guessed() {
    let facts = facts(r#"url.rewrite-if-not-file = ( "^/(.*)$" => "/app/$1" )"#);
    assert!(facts.iter().any(|it| it.kind == FactKind::Unsure), "{facts:#?}");
    assert!(!facts.iter().any(|it| it.kind == FactKind::DownloadNotRouted), "{facts:#?}");
}
