//! Reads the proxies' own configuration for one download: which rule matches a URL, what it does
//! with the hand-off, which file it would open, and which line to change.
//!
//! Pure: texts in, facts out. Everything on disk is accessed through [`Disk`]; `probe::local` reads
//! it. A fact describes what the configuration says, never what the running server does:
//! measurements take precedence over configuration.

use sendfile_evidence::{
    Server,
    fact::{Fact, FactKind},
    request::Address,
};

mod apache;
mod caddy;
mod chain;
mod directive;
mod disk;
mod files;
mod lighttpd;
pub mod log;
mod nginx;
mod opened;
#[cfg(test)]
mod paper;
mod pattern;
mod question;
mod reader;
mod uri;

pub use chain::facts;
pub use disk::{Access, Disk, Look, Text, Worker};
pub use pattern::glob;
pub use question::Query;
use reader::{Reader, RouteAnalysis};

/// A parsed configuration.
pub struct ProxyConfig {
    /// The path of the file, as given.
    pub path: String,
    server: Server,
    reader: Option<Box<dyn Reader>>,
    unread: Vec<Fact>,
}

impl ProxyConfig {
    /// Reads a configuration and parses it; whatever could not be read is a fact of it.
    pub fn read(server: Server, path: &str, disk: &mut dyn Disk) -> Self {
        let mut unread = Vec::new();
        let reader: Option<Box<dyn Reader>> = match server {
            Server::Nginx => Some(Box::new(nginx::Nginx::read(path, disk, &mut unread))),
            Server::Apache => Some(Box::new(apache::Apache::read(path, disk, &mut unread))),
            Server::Lighttpd => Some(Box::new(lighttpd::Lighttpd::read(path, disk, &mut unread))),
            Server::Caddy => Some(Box::new(caddy::Caddy::read(path, disk, &mut unread))),
            Server::H2o | Server::BuiltIn => None,
        };
        if reader.is_none() {
            let detail = format!("Configurations of {} cannot be read", server.name());
            unread.push(Fact::of(FactKind::Unread, detail));
        }
        Self { path: path.to_owned(), server, reader, unread }
    }

    /// The user that opens the files.
    pub fn worker(&self) -> Worker {
        match &self.reader {
            Some(reader) => reader.worker(),
            None => Worker { server: self.server.name(), ..Worker::default() },
        }
    }

    /// Whether it listens at an address.
    fn listens(&self, address: &Address) -> bool {
        self.reader.as_ref().is_some_and(|reader| reader.listens(address))
    }

    fn treatment(&self, question: &Query, disk: &dyn Disk) -> RouteAnalysis {
        let mut analysis = match &self.reader {
            Some(reader) => reader.analysis(question, disk, &self.worker()),
            None => RouteAnalysis::default(),
        };
        if !self.unread.is_empty() {
            analysis.unsure = true;
        }
        analysis
    }
}

#[cfg(test)]
mod tests {
    use sendfile_evidence::request::Request;

    const SERVERS: [Server; 4] = [Server::Nginx, Server::Apache, Server::Lighttpd, Server::Caddy];

    use super::{paper::InMemoryDisk, *};

    /// A small pseudo-random number generator with a fixed seed, so that failures can be repeated.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            usize::try_from(self.0 % (sides.max(1) as u64)).expect("small")
        }
    }

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

    #[test]
    fn no_text_is_too_odd() {
        let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
        let get = |url| Request::get(url).expect("a URL");
        for round in 0..2_000 {
            let text: String = (0..dice.roll(60)).map(|_| WORDS[dice.roll(WORDS.len())]).collect();
            let mut disk = InMemoryDisk::default().with("/l.conf", &text).with("/srv/a b", "x");
            let kind = SERVERS[round % SERVERS.len()];
            let config = ProxyConfig::read(kind, "/l.conf", &mut disk);
            let question = Query {
                site: get("http://127.0.0.1/p/a%20b/../c?x=1"),
                direct: Some(get("http://127.0.0.1/srv/a%20b")),
                app: Some(get("http://127.0.0.1:8000/p/c")),
                header: Some(
                    if round % 8 < 4 { "X-Accel-Redirect" } else { "X-Sendfile" }.to_owned(),
                ),
                value: Some("/p/a%20b%".to_owned()),
                file: Some("/srv/a b".to_owned()),
                ..Query::default()
            };
            facts(&[config], &question, &disk);
        }
    }
}
