//! Compares the reader with what the real Apache 2.4 does with the same configuration.

use super::{super::in_memory_disk::InMemoryDisk, *};
use crate::proxy_config::ProxyConfig;
use sendfile_evidence::fact::FileState;

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
const ANSWERED: [(&str, &str, &str); 20] = [
    ("a.test", "/x", "opens /srv/a/x"),
    ("www.a.test", "/x", "opens /srv/a/x"),
    ("nobody.test", "/x", "opens /srv/a/x"),
    ("old.a.test", "/x", "-> http://new.test/x"),
    ("a.test", "/re/w1", "asks /rewritten/w1"),
    ("a.test", "/moved/x", "asks /v1/x"),
    ("a.test", "/gone/x", "-> http://new.test/there/x"),
    ("a.test", "/api/x", "asks /v1/x"),
    ("a.test", "/api/static/x", "opens /srv/a/api/static/x"),
    ("a.test", "/bare/x", "asks /x/x"),
    ("a.test", "/barefoot", "opens /srv/a/barefoot"),
    ("a.test", "/num/12", "asks /n/12"),
    ("a.test", "/loc/x", "asks /in-location/x"),
    ("a.test", "/lm/12", "asks /m/12"),
    ("a.test", "/files/a%20b", "opens /srv/files/a b"),
    ("a.test", "/am/c.x", "opens /srv/am/c.y"),
    ("b.test", "/x", "asks /b/x"),
    ("a.test", "/first/x", "asks /main/x"),
    ("a.test", "/away/x", "-> http://new.test/away/x"),
    ("a.test", "/cgi/x", "unknown"),
];

fn apache(config: &str) -> Apache {
    let mut disk = InMemoryDisk::default().with("/a.conf", config);
    Apache::read("/a.conf", &mut disk, &mut Vec::new())
}

#[test]
fn answers_are_those_of_apache() {
    let apache = apache(SITES);
    let disk = InMemoryDisk::default();
    for (host, target, expected) in ANSWERED {
        let request = Request {
            address: Address { host: host.to_owned(), port: 18998 },
            ..Request::get(&format!("http://127.0.0.1:18998{target}")).expect("a URL")
        };
        let answered = match apache.site(&request, &disk).find(&request).expect("a path").end {
            End::Asks(asked) => format!("asks {}", asked.path),
            End::Opens(path, _) => format!("opens {path}"),
            End::Redirects(to, _) => format!("-> {to}"),
            End::Answers(status, _) => status.to_string(),
            End::Unknown(_) => "unknown".to_owned(),
        };
        assert_eq!(answered, expected, "{host} {target}");
    }
}

/// The facts about a hand-off of `/srv/files/a.bin` in a virtual host.
fn told(host: &str, more: &[(&str, &str)]) -> Vec<Fact> {
    let config = format!(
        "LoadModule proxy_module m\nLoadModule xsendfile_module m\nListen 80\n\
         <VirtualHost *:80>\nDocumentRoot /web\n{host}\n</VirtualHost>"
    );
    let mut disk = InMemoryDisk::default().with("/a.conf", &config).with("/srv/files/a.bin", "");
    for (path, text) in more {
        disk = disk.with(path, text);
    }
    let config = ProxyConfig::read(Server::Apache, "/a.conf", &mut disk);
    let get = |url| Request::get(url).expect("a URL");
    let question = Query {
        site: get("http://h.test/download/1"),
        app: Some(get("http://127.0.0.1:8000/download/1")),
        header: Some("X-Sendfile".to_owned()),
        value: Some("/srv/files/a.bin".to_owned()),
        file: Some("/srv/files/a.bin".to_owned()),
        ..Query::default()
    };
    super::super::hops::facts(&[config], &question, &disk)
}

const PASS: &str = "ProxyPass / http://127.0.0.1:8000/";

fn check(host: &str, says: &FactKind, at: &str) {
    let facts = told(&format!("{host}\n{PASS}"), &[]);
    let found = facts.iter().find(|it| it.kind == *says);
    let found = found.unwrap_or_else(|| panic!("{says:?} is none of {facts:#?}"));
    assert_eq!(found.at.as_ref().map(|it| it.text.as_str()), Some(at), "{host}");
}

#[test]
fn where_xsendfile_holds() {
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
    let program = |host: &str| {
        let facts = told(host, &[]);
        let says = |wanted: FactKind| facts.iter().any(|it| it.kind == wanted);
        assert!(says(FactKind::Unsure) && !says(FactKind::DownloadNotRouted), "{host}: {facts:#?}");
    };
    program("WSGIScriptAlias / /app/wsgi.py");
    program("PassengerEnabled on");
    program("<FilesMatch 1>\nSetHandler application/x-httpd-php\n</FilesMatch>");
    let facts = told("Alias /download /web\nWSGIScriptAlias / /app/wsgi.py", &[]);
    assert!(facts.iter().any(|it| it.kind == FactKind::DownloadNotRouted), "an Alias comes first");
}

#[test]
fn who_is_let_in_is_not_known() {
    let fine = "XSendFile On\nXSendFilePath /srv";
    let guard = "<Location />\nRequire ip 10.0.0.0/8\n</Location>";
    let facts = told(&format!("{fine}\n{guard}\n{PASS}"), &[]);
    assert!(facts.iter().any(|it| it.kind == FactKind::Guarded), "{facts:#?}");
    assert!(!facts.iter().any(|it| it.kind == FactKind::Fine));
}

#[test]
fn any_member_of_a_balancer_may_be_the_app() {
    let balancer = "<Proxy balancer://b>\nBalancerMember http://127.0.0.1:8000\n\
                    BalancerMember http://127.0.0.1:8001\n</Proxy>\nProxyPass / balancer://b/";
    let facts = told(balancer, &[]);
    assert!(facts.iter().any(|it| it.kind == FactKind::DownloadAsksApp), "{facts:#?}");
    assert!(!facts.iter().any(|it| it.kind == FactKind::AppElsewhere), "{facts:#?}");
}

#[test]
fn a_htaccess_is_read_where_apache_reads_it() {
    let rules = |allow: &str| {
        format!(
            "XSendFilePath /srv\n<Directory /web>\nAllowOverride {allow}\nRewriteEngine On\n\
             RewriteRule ^(.*)$ http://127.0.0.1:8000/$1 [P]\n</Directory>"
        )
    };
    let says = |allow: &str, wanted: &FactKind| {
        let facts = told(&rules(allow), &[("/web/.htaccess", "XSendFile On\n")]);
        facts.iter().any(|it| it.kind == *wanted)
    };
    assert!(says("AuthConfig", &FactKind::OverrideForbidden));
    assert!(says("FileInfo", &FactKind::Fine));
    assert!(says("All", &FactKind::Fine));
    assert!(says("None", &FactKind::FeatureOff), "it is not read at all");
}
