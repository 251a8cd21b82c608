//! Compares the reader with what the real Caddy 2.6.2 does with the same Caddyfile.

use super::{super::paper::Paper, *};
use crate::Config;
use sendfile_evidence::fact::{Kind, Says, State, Wrong};

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
    let disk = Paper::default();
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
    let mut disk = Paper::default().with("/Caddyfile", text);
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
    let mut disk = Paper::default().with("/Caddyfile", &text).with("/srv/files/p/a.bin", "");
    let config = Config::read(Kind::Caddy, "/Caddyfile", &mut disk);
    let get = |url| Request::get(url).expect("a URL");
    let question = Question {
        site: get("http://h.test/download/1"),
        app: Some(get("http://127.0.0.1:8000/download/1")),
        header: Some("X-Accel-Redirect".to_owned()),
        value: Some("/p/a.bin".to_owned()),
        answer: vec![("x-accel-redirect".to_owned(), "/p/a.bin".to_owned())],
        file: Some("/srv/files/p/a.bin".to_owned()),
        ..Question::default()
    };
    super::super::chain::facts(&[config], &question, &disk)
}

#[test]
fn what_a_hand_off_leads_to() {
    let says = |response: &str, wanted: &Says| {
        let facts = told(response);
        assert!(facts.iter().any(|it| it.says == *wanted), "{wanted:?} is none of {facts:#?}");
    };
    let opens =
        |path: &str, state, wrong| Says::TargetOpens { path: path.to_owned(), state, wrong };
    let taken = |inside: &str| {
        format!("@a header X-Accel-Redirect *\nhandle_response @a {{\n{inside}\nfile_server\n}}")
    };
    let reads = "rewrite * {rp.header.X-Accel-Redirect}";
    says("", &Says::FeatureOff);
    says("@a header X-Sendfile *\nhandle_response @a {\n}", &Says::FeatureOff);
    says(
        &taken(&format!("root * /srv/files\n{reads}")),
        &opens("/srv/files/p/a.bin", State::Readable, None),
    );
    says(&taken(&format!("root * /srv/files\n{reads}")), &Says::Fine);
    says(
        &taken(&format!("root * /srv/old\n{reads}")),
        &opens("/srv/old/p/a.bin", State::Missing, Some(Wrong::Folder)),
    );
    says(
        &taken(&format!("root * /srv/files/p\n{reads}")),
        &opens("/srv/files/p/p/a.bin", State::Missing, Some(Wrong::Root)),
    );
    says(&taken("root * /srv/files\nrewrite * {header.X-Accel-Redirect}"), &Says::ValueNotRead);
    says(&taken("root * /srv/files"), &Says::ValueNotRead);
}

/// The facts about a download from a site.
fn of_site(site: &str) -> Vec<Fact> {
    let mut disk = Paper::default().with("/Caddyfile", site);
    let config = Config::read(Kind::Caddy, "/Caddyfile", &mut disk);
    let get = |url| Request::get(url).expect("a URL");
    let question = Question {
        site: get("http://h.test/download/1"),
        app: Some(get("http://127.0.0.1:8000/download/1")),
        ..Question::default()
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
        let says = |wanted: Says| facts.iter().any(|it| it.says == wanted);
        assert!(says(Says::Unsure), "{site}: {facts:#?}");
        assert!(!says(Says::DownloadNotRouted) && !says(Says::ListensElsewhere), "{facts:#?}");
    }
}

#[test]
fn any_upstream_may_be_the_app() {
    let facts = of_site(":80 {\n reverse_proxy 127.0.0.1:1 127.0.0.1:8000\n}");
    assert!(!facts.iter().any(|it| it.says == Says::AppElsewhere), "{facts:#?}");
}

#[test]
fn what_grows_without_end_ends() {
    let path = "a".repeat(16_000);
    let long = "b".repeat(20_000);
    let grows = format!(":80 {{\n route {{\n rewrite * /{path}\n uri replace a {long}\n }}\n}}");
    assert!(of_site(&grows).iter().any(|it| it.says == Says::Unsure));
    let word = "x".repeat(1 << 18);
    let imports = format!("(s) {{\n a {word}\n}}\n:80 {{\n{}}}", "import s\n".repeat(499));
    assert!(of_site(&imports).iter().any(|it| it.says == Says::Unread));
}
