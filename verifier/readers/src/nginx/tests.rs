//! Compares the reader with what the real nginx 1.22.1 does with the same configuration: each table
//! was verified with it, by `X-Location` and by `$request_filename`.

use sendfile_evidence::fact::FileState;

use sendfile_evidence::{
    fact::{FactKind, Misconfiguration},
    request::Request,
};

use super::*;
use crate::{ProxyConfig, hops, in_memory_disk::InMemoryDisk, uri};

/// Each location names itself.
const SERVERS: &str = r#"
events {}
http {
    server {
        listen 127.0.0.1:18999;
        server_name a.test *.a.test;
        location = /exact { add_header X-Location a-exact always; return 204; }
        location /exact { add_header X-Location a-prefix always; return 204; }
        location ~ \.PDF$ { add_header X-Location a-capitals always; return 204; }
        location ~* \.pdf$ { add_header X-Location a-pdf always; return 204; }
        location ^~ /only/ { add_header X-Location a-only always; return 204; }
        location ~ /\.(?!well-known) { add_header X-Location a-dot always; return 204; }
        location /nest/ {
            add_header X-Location a-nest always;
            location /nest/in/ { add_header X-Location a-nest-in always; return 204; }
            location ~ ^/nest/re { add_header X-Location a-nest-re always; return 204; }
            return 204;
        }
        location / { add_header X-Location a-root always; return 204; }
    }
    server {
        listen 127.0.0.1:18999 default_server;
        server_name www.a.test mail.* "~^c(\d+)\.test$";
        location "/a b/" { add_header X-Location b-space always; return 204; }
        location /p/ { add_header X-Location b-p always; proxy_pass http://127.0.0.1:1; }
        location / { add_header X-Location b-root always; return 204; }
    }
    server {
        listen 127.0.0.2:18999;
        location / { add_header X-Location c-root always; return 204; }
    }
    server {
        listen 18999;
        location / { add_header X-Location d-root always; return 204; }
    }
}
"#;

/// Address, Host, target, and the location that nginx selects.
const CHOSEN: [(&str, &str, &str, &str); 29] = [
    ("127.0.0.1", "a.test", "/exact", "a-exact"),
    ("127.0.0.1", "a.test", "/exact/", "a-prefix"),
    ("127.0.0.1", "a.test", "/exactly", "a-prefix"),
    ("127.0.0.1", "a.test", "/exact/x.pdf", "a-pdf"),
    ("127.0.0.1", "a.test", "/x.PDF", "a-capitals"),
    ("127.0.0.1", "a.test", "/x.Pdf", "a-pdf"),
    ("127.0.0.1", "a.test", "/only/x.pdf", "a-only"),
    ("127.0.0.1", "a.test", "/only", "a-root"),
    ("127.0.0.1", "a.test", "//only///x.pdf", "a-only"),
    ("127.0.0.1", "a.test", "/y/../only/x.pdf", "a-only"),
    ("127.0.0.1", "a.test", "/%6fnly/x.pdf", "a-only"),
    ("127.0.0.1", "a.test", "/.git/config", "a-dot"),
    ("127.0.0.1", "a.test", "/.well-known/x", "a-root"),
    ("127.0.0.1", "a.test", "/nest/x", "a-nest"),
    ("127.0.0.1", "a.test", "/nest/in/x", "a-nest-in"),
    ("127.0.0.1", "a.test", "/nest/in/x.pdf", "a-pdf"),
    ("127.0.0.1", "a.test", "/nest/re.pdf", "a-nest-re"),
    ("127.0.0.1", "a.test", "/?x=/exact", "a-root"),
    ("127.0.0.1", "A.Test", "/", "a-root"),
    ("127.0.0.1", "x.a.test", "/", "a-root"),
    ("127.0.0.1", "www.a.test", "/", "b-root"),
    ("127.0.0.1", "mail.x.test", "/", "b-root"),
    ("127.0.0.1", "c12.test", "/a%20b/x", "b-space"),
    ("127.0.0.1", "other.test", "/", "b-root"),
    ("127.0.0.1", "a.test:18999", "/", "a-root"),
    ("127.0.0.1", "other.test", "/p", "301"),
    ("127.0.0.2", "a.test", "/exact", "c-root"),
    ("127.0.0.3", "a.test", "/exact", "d-root"),
    ("127.0.0.3", "other.test", "/", "d-root"),
];

/// The `$request_filename` of each target is the file that nginx opens.
const PATHS: &str = r#"
events {}
http {
    add_header X-File $request_filename always;
    map $arg_to $directory { default none; ~^q(.)$ Q$1; one 1; }
    server {
        listen 127.0.0.1:18999;
        root /srv/base/;
        set $top /srv/top;
        location /plain/ { root /srv/plain; }
        location /alias/ { alias /srv/alias/; }
        location /lost/ { alias /srv/lost; }
        location /bare { alias /srv/bare/; }
        location ~ ^/re/(.*)/(?<name>[^/]+)$ { alias /srv/re/$1-$name; }
        location ~ ^/reroot/(.*)$ { root /srv/reroot; }
        location /map/ { alias /srv/map/$directory/; }
        location /set/ { set $top /srv/set/$host; root $top; }
        location /top/ { root $top; }
        location /if/ { root /srv/if; if ($arg_to = one) { root /srv/one; } }
        location /test/ { root /srv/test; if (!-f $request_filename) { rewrite ^ /alias/no last; } }
        location /out/ { alias /srv/out/; location /out/in/ { expires 1d; } }
        location /old/ { rewrite ^/old/(.*)$ /alias/new/$1 last; }
        location /cut/ { rewrite ^/cut/(.*)$ /$1 break; root /srv/cut; }
        location /try/ { try_files $uri /nowhere/$uri @named; }
        location @named { root /srv/named; }
        location /inside/ { internal; alias /srv/inside/; }
        location /empty/ { if ($arg_to = "") { root /srv/empty; } }
        location /full/ { if ( $arg_to != '' ) { root /srv/full; } }
        location ~ ^/retry/(.*)$ { alias /srv/re/$1; try_files $uri @named; }
        location /to-inside/ { try_files /nowhere /inside/x; }
    }
}
"#;

/// A target and the path.
const OPENED: [(&str, &str); 26] = [
    ("/x", "/srv/base/x"),
    ("/plain/x", "/srv/plain/plain/x"),
    ("/alias/a%20b", "/srv/alias/a b"),
    ("/alias//x/../y", "/srv/alias/y"),
    ("/lost/x", "/srv/lostx"),
    ("/bare/x", "/srv/bare//x"),
    ("/barefoot", "/srv/bare/foot"),
    ("/re/a/b/c", "/srv/re/a/b-c"),
    ("/reroot/x", "/srv/reroot/reroot/x"),
    ("/map/x", "/srv/map/none/x"),
    ("/map/x?to=one", "/srv/map/1/x"),
    ("/map/x?to=q7", "/srv/map/Q7/x"),
    ("/set/x", "/srv/set/h.test/set/x"),
    ("/top/x", "/srv/top/top/x"),
    ("/if/x", "/srv/if/if/x"),
    ("/if/x?to=one", "/srv/one/if/x"),
    ("/test/x", "/srv/alias/no"),
    ("/out/in/x", "/srv/out/in/x"),
    ("/old/x", "/srv/alias/new/x"),
    ("/cut/x", "/srv/cut/x"),
    ("/try/x", "/srv/named/try/x"),
    ("/to-inside/", "/srv/inside/x"),
    ("/empty/x", "/srv/empty/empty/x"),
    ("/empty/x?to=one", "/srv/base/empty/x"),
    ("/full/x", "/srv/base/full/x"),
    ("/retry/x", "/srv/named/retry/x"),
];

fn read(config: &str) -> Nginx {
    let mut disk = InMemoryDisk::default().with("/n.conf", config);
    let mut unread = Vec::new();
    let nginx = Nginx::read("/n.conf", &mut disk, &mut unread);
    assert_eq!(unread, []);
    nginx
}

#[test]
fn servers_and_locations_are_those_that_nginx_selects() {
    let nginx = read(SERVERS);
    let servers = nginx.servers();
    for (address, host, target, expected) in CHOSEN {
        let address = Address { host: address.to_owned(), port: 18999 };
        let server = server::choose(&servers, &address, host, &nginx.matcher).expect("a server");
        let path = target.split('?').next().expect("a path");
        let uri = uri::normalised(&uri::decoded(path), uri::Slashes::Merged).expect("a path");
        let found = location::find(server.block, &uri, &nginx.matcher).expect("plain patterns");
        let chosen = match found.locations.last().and_then(|location| location.child("add_header"))
        {
            _ if found.adds_slash => "301",
            header => header.map_or("none", |header| header.arg(1)),
        };
        assert_eq!(chosen, expected, "{address} {host} {target}");
    }
}

#[test]
fn paths_are_those_that_nginx_opens() {
    let nginx = read(PATHS);
    let disk = InMemoryDisk::default().with("/srv/re/x", "");
    let servers = nginx.servers();
    let maps: Vec<&Directive> = nginx.http.children("map").collect();
    let worker = Worker::default();
    for (target, expected) in OPENED {
        let request = Request::get(&format!("http://h.test:18999{target}")).expect("a URL");
        let query = Query { site: request.clone(), ..Query::default() };
        let evaluator = Evaluator {
            http: &nginx.http,
            server: servers[0].block,
            matcher: &nginx.matcher,
            disk: &disk,
        };
        let context = EvalContext {
            query: &query,
            worker: &worker,
            servers: &servers,
            maps: &maps,
            evaluator,
        };
        let route = evaluator.route(context.env(&request).expect("a path"));
        let opened = match route.outcome {
            route::RouteOutcome::Opens(opened, _) => opened.path,
            _ => "nothing".to_owned(),
        };
        assert_eq!(opened, expected, "{target}");
    }
}

/// The facts about a hand-off to `/p/a.bin`, whose file is `/srv/files/a.bin`, in a server block.
fn facts_of(server: &str) -> Vec<Fact> {
    facts(server, &query())
}

fn query() -> Query {
    let get = |url| Request::get(url).expect("a URL");
    Query {
        site: get("http://h.test/download/1"),
        app: Some(get("http://127.0.0.1:8000/download/1")),
        header: Some("X-Accel-Redirect".to_owned()),
        value: Some("/p/a.bin".to_owned()),
        intended: Some("/p/a.bin".to_owned()),
        file: Some("/srv/files/a.bin".to_owned()),
        ..Query::default()
    }
}

fn facts(server: &str, query: &Query) -> Vec<Fact> {
    let config = format!("http {{ server {{ listen 80;\n{server}\n}} }}");
    let mut disk = InMemoryDisk::default()
        .with("/n.conf", &config)
        .with("/srv/files/a.bin", "")
        .linked("/srv/link", "/srv/files");
    let config = ProxyConfig::read(sendfile_evidence::Server::Nginx, "/n.conf", &mut disk);
    hops::facts(&[config], query, &disk)
}

const ASKS: &str = "location / { proxy_pass http://127.0.0.1:8000; }";

fn check(target: &str, kind: &FactKind, fix: &str) {
    let facts = facts_of(&format!("{target}\n{ASKS}"));
    let found = facts.iter().find(|fact| fact.kind == *kind);
    let found = found.unwrap_or_else(|| panic!("{kind:?} is none of {facts:#?}"));
    assert_eq!(found.fix.as_deref().unwrap_or_default(), fix, "{target}");
}

fn opens(path: &str, state: FileState, wrong: Option<Misconfiguration>) -> FactKind {
    FactKind::TargetOpens { path: path.to_owned(), state, wrong }
}

#[test]
fn what_is_wrong_with_a_target_and_how_to_correct_it() {
    use FileState::Missing;
    check(
        "location /p/ { internal;\nalias /srv/files; }",
        &opens("/srv/filesa.bin", Missing, Some(Misconfiguration::Slash)),
        "In /n.conf:3, replace `alias /srv/files;` with `alias /srv/files/;`",
    );
    check(
        "location /p/ { internal;\nroot /srv/files; }",
        &opens("/srv/files/p/a.bin", Missing, Some(Misconfiguration::Root)),
        "In /n.conf:3, replace `root /srv/files;` with `alias /srv/files/;`",
    );
    check(
        "location /p/ { internal; alias /srv/old/; }",
        &opens("/srv/old/a.bin", Missing, Some(Misconfiguration::Directory)),
        "In /n.conf:2, replace `alias /srv/old/;` with `alias /srv/files/;`",
    );
    check(
        "location ~ ^/p/(.+)\\. { internal; alias /srv/files/$1; }",
        &opens("/srv/files/a", Missing, Some(Misconfiguration::Capture)),
        "In /n.conf:2, replace `location ~ ^/p/(.+)\\.` with `location ^~ /p/ { internal; alias /srv/files/; }`",
    );
    check(
        "location /p/ { internal; root /srv/files; try_files $uri =404; }",
        &opens("/srv/files/p/a.bin", Missing, Some(Misconfiguration::Root)),
        "In /n.conf:2, replace `root /srv/files;` with `alias /srv/files/;`",
    );
    check(
        "location /P/ { internal; alias /srv/files/; }",
        &FactKind::TargetFallsThrough,
        "In /n.conf:2, replace `location /P/` with `location ^~ /p/`",
    );
    check(
        "location ~ bin$ { root /var/www; }\nlocation /p/ { internal; alias /srv/files/; }",
        &FactKind::TargetShadowed,
        "In /n.conf:3, replace `location /p/` with `location ^~ /p/`",
    );
    check(
        "location /p/ { deny all; }",
        &FactKind::TargetRefused,
        "In /n.conf:2, replace `deny all;` with `internal;`",
    );
    check(
        "location ~ bin$ { deny all; }\nlocation /p/ { internal; alias /srv/files/; }",
        &FactKind::TargetShadowed,
        "In /n.conf:3, replace `location /p/` with `location ^~ /p/`",
    );
    check(
        "location /p/ { alias /srv/files/; }",
        &FactKind::NotInternal,
        "In /n.conf:2, add `internal;` to `location /p/`",
    );
}

#[test]
fn a_correct_configuration_is_fine_even_with_symbolic_links() {
    for target in [
        "location /p/ { internal; alias /srv/files/; }",
        "location /p { internal; alias /srv/files; }",
        "location /p/ { internal; alias /srv/link/; }",
        "location ~ ^/p/(?<name>.*)$ { internal; alias /srv/files/$name; }",
        "location /p/ { internal; rewrite ^/p/(.*)$ /$1 break; root /srv/files; }",
    ] {
        let facts = facts_of(&format!("{target}\n{ASKS}"));
        assert!(facts.iter().any(|fact| fact.kind == FactKind::Fine), "{target}: {facts:#?}");
    }
}

#[test]
fn in_a_container_the_direct_location_shows_the_path_of_the_file() {
    let server = "location /direct/ { alias /data/; }\nlocation /p/ { internal; alias /data; }";
    let mut query = query();
    query.direct = Request::get("http://h.test/direct/a.bin");
    query.direct_right = true;
    let facts = facts(&format!("{server}\n{ASKS}"), &query);
    let slash = opens("/dataa.bin", FileState::Missing, Some(Misconfiguration::Slash));
    assert!(facts.iter().any(|fact| fact.kind == slash), "{facts:#?}");
    assert!(!facts.iter().any(|fact| fact.kind == FactKind::Fine));
}

#[test]
fn the_size_of_values_is_bounded() {
    let doubles = "set $a xx;".to_owned() + &"set $a $a$a;".repeat(200);
    facts_of(&format!("{doubles} root $a;"));
    facts_of(&"rewrite ^(.*)$ $1$1;".repeat(200));
    let large = format!("set $a {};", "x".repeat(16_000));
    let many: String = (0..200).map(|n| format!("set $b{n} $a;")).collect();
    let facts = facts_of(&format!("{large}{many} location / {{ proxy_pass http://$b199; }}"));
    let known = |fact: &Fact| fact.detail.contains("$b199 is known only at run time");
    assert!(facts.iter().any(known), "all values together are bounded");
}

#[test]
fn rules_that_depend_on_run_time_are_not_fine() {
    let asks_lua = "location / { content_by_lua_block { } }";
    for (server, wanted) in [
        ("location /p/ { internal; auth_request /a; alias /srv/files/; }", FactKind::Guarded),
        (
            "location /p/ { internal; allow 10.0.0.0/8; deny all; alias /srv/files/; }",
            FactKind::Guarded,
        ),
        ("location /p/ { internal; alias /srv/files/; memcached_pass m:1; }", FactKind::Unsure),
        ("location /p/ { internal; alias /srv/files/; js_content a.b; }", FactKind::Unsure),
    ] {
        let facts = facts_of(&format!("{server}\n{ASKS}"));
        assert!(facts.iter().any(|fact| fact.kind == wanted), "{server}: {facts:#?}");
        assert!(!facts.iter().any(|fact| fact.kind == FactKind::Fine), "{server}");
    }
    for server in [asks_lua, "passenger_enabled on; root /app/public;"] {
        let facts = facts_of(server);
        assert!(facts.iter().any(|fact| fact.kind == FactKind::Unsure), "{server}: {facts:#?}");
        assert!(!facts.iter().any(|fact| fact.kind == FactKind::DownloadNotRouted), "{server}");
    }
}

#[test]
fn an_error_page_may_pass_the_request_to_the_app_again() {
    let facts = facts_of(&format!(
        "error_page 404 /404.html;\nlocation /p/ {{ internal; root /x; }}\n{ASKS}"
    ));
    assert!(facts.iter().any(|fact| fact.kind == FactKind::ErrorsMasked), "{facts:#?}");
}
