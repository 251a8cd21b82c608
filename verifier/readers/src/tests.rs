//! Property tests: no configuration makes its reader panic or hang.

use proptest::prelude::*;
use sendfile_evidence::{Server, request::Request};

use crate::{hops::facts, in_memory_disk::InMemoryDisk, proxy_config::ProxyConfig, query::Query};

/// Tokens of all four configuration languages, and inputs likely to break a parser.
const WORDS: [&str; 84] = [
    "server",
    "location",
    "{",
    "}",
    ";",
    "\n",
    " ",
    "/p/",
    "~",
    "^~",
    "=",
    "internal;",
    "alias",
    "root",
    "/srv/",
    "$1",
    "$x",
    "${y}",
    "set $x $x$x;",
    "map $x $y {",
    "rewrite ^(.*)$ /a$1 last;",
    "try_files $uri @a;",
    "@a",
    "proxy_pass http://127.0.0.1:8000",
    "/",
    "include /l.conf;",
    "if ($x)",
    "return 301 $uri;",
    "\"",
    "'",
    "\\",
    "#",
    "(.*)",
    "(?<n>a+)+$",
    "[",
    "]",
    "<VirtualHost *:80>",
    "</VirtualHost>",
    "ProxyPass / http://127.0.0.1:8000/",
    "XSendFile On",
    "XSendFilePath /srv",
    "<Directory /srv>",
    "</Directory>",
    "RewriteEngine On",
    "RewriteRule ^(.*)$ /$1 [P]",
    "RewriteCond %{REQUEST_URI} !x",
    "Include /l.conf",
    "${V}",
    "Define V a",
    "<IfModule x>",
    "</IfModule>",
    "$HTTP[\"url\"] =~ \"^/\" {",
    "else",
    "proxy.server = ( \"\" => ( ( \"port\" => 8000 ) ) )",
    "+=",
    "(",
    ")",
    "=>",
    ",",
    "var.x = var.x + \"a\"",
    "\"x-sendfile\" => \"enable\"",
    "include \"/l.conf\"",
    "alias.url",
    ":80 {",
    "http://a",
    "handle {",
    "route {",
    "reverse_proxy 127.0.0.1:8000 {",
    "handle_response {",
    "rewrite * {rp.header.X-Accel-Redirect}",
    "file_server",
    "root * /srv",
    "@m path /a*",
    "import /l.conf",
    "import s",
    "(s) {",
    "handle_path /p/* {",
    "uri strip_prefix /p",
    "try_files {path} /x",
    "{\"apps\":",
    "\u{e9}",
    "\u{0}",
    "*",
    "?",
];

/// At most sixty tokens, in any order.
fn odd_text() -> impl Strategy<Value = String> {
    let words = prop::collection::vec(prop::sample::select(&WORDS[..]), 0..60);
    words.prop_map(|words| words.concat())
}

fn query(header: &str) -> Query {
    let get = |url| Request::get(url).expect("a URL");
    Query {
        site: get("http://127.0.0.1/p/a%20b/../c?x=1"),
        direct: Some(get("http://127.0.0.1/srv/a%20b")),
        app: Some(get("http://127.0.0.1:8000/p/c")),
        header: Some(header.to_owned()),
        value: Some("/p/a%20b%".to_owned()),
        file: Some("/srv/a b".to_owned()),
        ..Query::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn no_text_is_too_odd(text in odd_text()) {
        for server in [Server::Nginx, Server::Apache, Server::Lighttpd, Server::Caddy] {
            let mut disk = InMemoryDisk::default().with("/l.conf", &text).with("/srv/a b", "x");
            let config = ProxyConfig::read(server, "/l.conf", &mut disk);
            let configs = [config];
            for header in ["X-Accel-Redirect", "X-Sendfile"] {
                facts(&configs, &query(header), &disk);
            }
        }
    }
}
