//! Reads the proxies' own configuration for one download: which rule matches a URL, what it does
//! with the hand-off, which file it would open, and which line to change.
//!
//! Pure: texts in, facts out. Everything on disk is accessed through [`Disk`]; `probe::local` reads
//! it. A fact describes what the configuration says, never what the running server does:
//! measurements take precedence over configuration.

use sendfile_evidence::{
    fact::{Fact, Kind},
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
mod uri;

pub use chain::facts;
pub use disk::{Access, Disk, Look, Text, Worker};
pub use pattern::glob;
pub use question::Query;

/// A parsed configuration.
pub struct ProxyConfig {
    /// The path of the file, as given.
    pub path: String,
    parsed: Parsed,
    unread: Vec<Fact>,
}

enum Parsed {
    Nginx(Box<nginx::Nginx>),
    Apache(Box<apache::Apache>),
    Lighttpd(Box<lighttpd::Lighttpd>),
    Caddy(Box<caddy::Caddy>),
}

impl ProxyConfig {
    /// Reads and parses a configuration. Anything that could not be read becomes a fact.
    pub fn read(kind: Kind, path: &str, disk: &mut dyn Disk) -> Self {
        let mut unread = Vec::new();
        let parsed = match kind {
            Kind::Nginx => Parsed::Nginx(Box::new(nginx::Nginx::read(path, disk, &mut unread))),
            Kind::Apache => Parsed::Apache(Box::new(apache::Apache::read(path, disk, &mut unread))),
            Kind::Lighttpd => {
                Parsed::Lighttpd(Box::new(lighttpd::Lighttpd::read(path, disk, &mut unread)))
            }
            Kind::Caddy => Parsed::Caddy(Box::new(caddy::Caddy::read(path, disk, &mut unread))),
        };
        Self { path: path.to_owned(), parsed, unread }
    }

    /// The user that reads the files.
    pub fn worker(&self) -> Worker {
        match &self.parsed {
            Parsed::Nginx(it) => it.worker(),
            Parsed::Apache(it) => it.worker(),
            Parsed::Lighttpd(it) => it.worker(),
            Parsed::Caddy(_) => Worker { server: "Caddy", ..Worker::default() },
        }
    }

    /// Whether it listens on an address.
    fn listens(&self, address: &Address) -> bool {
        match &self.parsed {
            Parsed::Nginx(it) => it.listens(address),
            Parsed::Apache(it) => it.listens(address),
            Parsed::Lighttpd(it) => it.listens(address),
            Parsed::Caddy(it) => it.listens(address),
        }
    }

    fn treatment(&self, question: &Query, disk: &dyn Disk) -> RouteAnalysis {
        let worker = self.worker();
        let mut treatment = match &self.parsed {
            Parsed::Nginx(it) => it.treatment(question, disk, &worker),
            Parsed::Apache(it) => it.treatment(question, disk, &worker),
            Parsed::Lighttpd(it) => it.treatment(question, disk, &worker),
            Parsed::Caddy(it) => it.treatment(question, disk, &worker),
        };
        if !self.unread.is_empty() {
            treatment.unsure = true;
        }
        treatment
    }
}

/// How one proxy handles the download, as far as its configuration shows.
#[derive(Debug, Default)]
struct RouteAnalysis {
    /// Facts about the download URL.
    download: Vec<Fact>,
    /// Facts about the hand-off header.
    header: Vec<Fact>,
    /// Facts about the hand-off's target.
    target: Vec<Fact>,
    /// Facts about the direct location.
    direct: Vec<Fact>,
    /// The upstream that it passes the download URL to.
    asks: Option<Address>,
    /// What it does with the hand-off header.
    fate: HeaderFate,
    /// Whether something in the configuration could not be evaluated.
    unsure: bool,
}

/// What a proxy does with a hand-off header in a response that passes through it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum HeaderFate {
    /// It acts on the header.
    Obeyed,
    /// It passes the header on to the client.
    #[default]
    Passed,
    /// It removes the header.
    Dropped,
}

#[cfg(test)]
mod tests {
    use sendfile_evidence::{fact::KINDS, request::Request};

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
            let (_, kind) = KINDS[round % KINDS.len()];
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
