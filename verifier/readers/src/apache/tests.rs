//! Compares the reader with what the real Apache 2.4 does with the same configuration.

use sendfile_evidence::fact::FileState;

use super::*;
use crate::{hops, in_memory_disk::InMemoryDisk, proxy_config::ProxyConfig};

/// Two virtual hosts on one address; the app is on port 18997.
const SITES: &str = r#"
Listen 127.0.0.1:18998
DocumentRoot /srv/main
ProxyPass /first http://127.0.0.1:18997/main
<VirtualHost 127.0.0.1:18998>
    ServerName a.test
    ServerAlias *.a.test
    DocumentRoot /srv/a
    RewriteEngine On
    RewriteCond %{HTTP_HOST} ^old\. [NC]
    RewriteRule ^/(.*)$ http://new.test/$1 [R,L]
    RewriteRule ^/re/(\w+)$ http://127.0.0.1:18997/rewritten/$1 [P]
    RewriteRule ^/moved/(.*)$ /api/$1 [PT]
    Redirect /gone http://new.test/there
    ProxyPass /api/static !
    ProxyPass /api/ http://127.0.0.1:18997/v1/
    ProxyPass /bare http://127.0.0.1:18997/x
    ProxyPassMatch ^/num/([0-9]+)$ http://127.0.0.1:18997/n/$1
    <Location /loc/>
        ProxyPass http://127.0.0.1:18997/in-location/
    </Location>
    <LocationMatch "^/lm/([0-9]+)$">
        ProxyPass http://127.0.0.1:18997/m/$1
    </LocationMatch>
    ProxyPass /first http://127.0.0.1:18997/host
    ProxyPass /away http://127.0.0.1:18997/away
    <Location /away>
        Redirect /away http://new.test/away
    </Location>
    ScriptAlias /cgi /srv/cgi
    Alias /files/ /srv/files/
    AliasMatch ^/am/(.*)\.x$ /srv/am/$1.y
</VirtualHost>
<VirtualHost 127.0.0.1:18998>
    ServerName b.test
    ProxyPass / http://127.0.0.1:18997/b/
</VirtualHost>
"#;

/// Host, target, and what handles it: the app's path, a file, or a redirect.
const OUTCOMES: [(&str, &str, &str); 20] = [
    ("a.test", "/x", "opens /srv/a/x"),
    ("www.a.test", "/x", "opens /srv/a/x"),
    ("nobody.test", "/x", "opens /srv/a/x"),
    ("old.a.test", "/x", "-> http://new.test/x"),
    ("a.test", "/re/w1", "proxied to /rewritten/w1"),
    ("a.test", "/moved/x", "proxied to /v1/x"),
    ("a.test", "/gone/x", "-> http://new.test/there/x"),
    ("a.test", "/api/x", "proxied to /v1/x"),
    ("a.test", "/api/static/x", "opens /srv/a/api/static/x"),
    ("a.test", "/bare/x", "proxied to /x/x"),
    ("a.test", "/barefoot", "opens /srv/a/barefoot"),
    ("a.test", "/num/12", "proxied to /n/12"),
    ("a.test", "/loc/x", "proxied to /in-location/x"),
    ("a.test", "/lm/12", "proxied to /m/12"),
    ("a.test", "/files/a%20b", "opens /srv/files/a b"),
    ("a.test", "/am/c.x", "opens /srv/am/c.y"),
    ("b.test", "/x", "proxied to /b/x"),
    ("a.test", "/first/x", "proxied to /main/x"),
    ("a.test", "/away/x", "-> http://new.test/away/x"),
    ("a.test", "/cgi/x", "unknown"),
];

fn apache(config: &str) -> Apache {
    let mut disk = InMemoryDisk::default().with("/a.conf", config);
    Apache::read("/a.conf", &mut disk, &mut Vec::new())
}

#[test]
fn outcomes_are_those_of_apache() {
    let apache = apache(SITES);
    let disk = InMemoryDisk::default();
    for (host, target, expected) in OUTCOMES {
        let request = Request {
            address: Address { host: host.to_owned(), port: 18998 },
            ..Request::get(&format!("http://127.0.0.1:18998{target}")).expect("a URL")
        };
        let route = apache.router(&request, &disk).route(&request).expect("a path");
        let outcome = match route.outcome {
            RouteOutcome::Proxied(upstream) => format!("proxied to {}", upstream.path),
            RouteOutcome::Opens(path, _) => format!("opens {path}"),
            RouteOutcome::Redirects(to, _) => format!("-> {to}"),
            RouteOutcome::Responds(status, _) => status.to_string(),
            RouteOutcome::Unknown(_) => "unknown".to_owned(),
        };
        assert_eq!(outcome, expected, "{host} {target}");
    }
}

const PASS: &str = "ProxyPass / http://127.0.0.1:8000/";

/// The facts about a hand-off of `/srv/files/a.bin` in a virtual host.
fn facts_of(host: &str, files: &[(&str, &str)]) -> Vec<Fact> {
    let config = format!(
        "LoadModule proxy_module m\nLoadModule xsendfile_module m\nListen 80\n\
         <VirtualHost *:80>\nDocumentRoot /web\n{host}\n</VirtualHost>"
    );
    let mut disk = InMemoryDisk::default().with("/a.conf", &config).with("/srv/files/a.bin", "");
    for (path, text) in files {
        disk = disk.with(path, text);
    }
    let config = ProxyConfig::read(Server::Apache, "/a.conf", &mut disk);
    let query = Query {
        site: Request::get("http://h.test/download/1").expect("a URL"),
        app: Request::get("http://127.0.0.1:8000/download/1"),
        header: Some("X-Sendfile".to_owned()),
        value: Some("/srv/files/a.bin".to_owned()),
        file: Some("/srv/files/a.bin".to_owned()),
        ..Query::default()
    };
    hops::facts(&[config], &query, &disk)
}

fn has(facts: &[Fact], kind: &FactKind) -> bool {
    facts.iter().any(|fact| fact.kind == *kind)
}

/// Checks that a virtual host that proxies all requests has a fact of a kind at a directive.
fn check(host: &str, kind: &FactKind, at: &str) {
    let facts = facts_of(&format!("{host}\n{PASS}"), &[]);
    let found = facts.iter().find(|fact| fact.kind == *kind);
    let found = found.unwrap_or_else(|| panic!("{kind:?} is none of {facts:#?}"));
    assert_eq!(found.at.as_ref().map(|line| line.text.as_str()), Some(at), "{host}");
}

#[test]
fn where_xsendfile_applies() {
    let opens = FactKind::TargetOpens {
        path: "/srv/files/a.bin".to_owned(),
        state: FileState::Readable,
        wrong: None,
    };
    check("XSendFile On\nXSendFilePath /srv", &FactKind::HeaderObeyed, "XSendFile On");
    check("XSendFile On\nXSendFilePath /srv", &opens, "XSendFilePath /srv");
    check("XSendFile On\nXSendFilePath /srv", &FactKind::Fine, "XSendFilePath /srv");
    check("XSendFile Off", &FactKind::FeatureOff, "XSendFile Off");
    check("", &FactKind::FeatureOff, "<VirtualHost *:80>");
    check("<Directory /web>\nXSendFile On\n</Directory>", &FactKind::FeatureOff, "XSendFile On");
    check("<Location /files>\nXSendFile On\n</Location>", &FactKind::FeatureOff, "XSendFile On");
    let located = "<Location /download>\nXSendFile On\nXSendFilePath /srv/files\n</Location>";
    check(located, &FactKind::Fine, "XSendFilePath /srv/files");
    check(
        "XSendFile On\nXSendFilePath /srv/file",
        &FactKind::PathNotAllowed,
        "XSendFilePath /srv/file",
    );
    check("ProxyPass /download !", &FactKind::DownloadShadowed, "ProxyPass /download !");
}

#[test]
fn a_program_inside_apache_may_be_the_app() {
    for host in [
        "WSGIScriptAlias / /app/wsgi.py",
        "PassengerEnabled on",
        "<FilesMatch 1>\nSetHandler application/x-httpd-php\n</FilesMatch>",
    ] {
        let facts = facts_of(host, &[]);
        assert!(has(&facts, &FactKind::Unsure), "{host}: {facts:#?}");
        assert!(!has(&facts, &FactKind::DownloadNotRouted), "{host}: {facts:#?}");
    }
    let facts = facts_of("Alias /download /web\nWSGIScriptAlias / /app/wsgi.py", &[]);
    assert!(has(&facts, &FactKind::DownloadNotRouted), "an Alias comes first");
}

#[test]
fn which_clients_are_admitted_is_unknown() {
    let fine = "XSendFile On\nXSendFilePath /srv";
    let guard = "<Location />\nRequire ip 10.0.0.0/8\n</Location>";
    let facts = facts_of(&format!("{fine}\n{guard}\n{PASS}"), &[]);
    assert!(has(&facts, &FactKind::Guarded), "{facts:#?}");
    assert!(!has(&facts, &FactKind::Fine));
}

#[test]
fn any_member_of_a_balancer_may_be_the_app() {
    let balancer = "<Proxy balancer://b>\nBalancerMember http://127.0.0.1:8000\n\
                    BalancerMember http://127.0.0.1:8001\n</Proxy>\nProxyPass / balancer://b/";
    let facts = facts_of(balancer, &[]);
    assert!(has(&facts, &FactKind::DownloadAsksApp), "{facts:#?}");
    assert!(!has(&facts, &FactKind::AppElsewhere), "{facts:#?}");
}

#[test]
fn a_htaccess_is_read_where_apache_reads_it() {
    for (allowed, kind) in [
        ("AuthConfig", FactKind::OverrideForbidden),
        ("FileInfo", FactKind::Fine),
        ("All", FactKind::Fine),
        // Apache does not read the file at all.
        ("None", FactKind::FeatureOff),
    ] {
        let host = format!(
            "XSendFilePath /srv\n<Directory /web>\nAllowOverride {allowed}\nRewriteEngine On\n\
             RewriteRule ^(.*)$ http://127.0.0.1:8000/$1 [P]\n</Directory>"
        );
        let facts = facts_of(&host, &[("/web/.htaccess", "XSendFile On\n")]);
        assert!(has(&facts, &kind), "AllowOverride {allowed}: {facts:#?}");
    }
}
