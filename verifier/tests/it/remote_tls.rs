//! Hand-offs to a store with TLS: the snippets for an https store, in front of a real store behind a
//! server whose certificate is signed by a test authority.

use std::{fs, path::Path, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use sendfile_check::snippet::{self, Remote};
use sendfile_evidence::Server;
use sendfile_fixture::{Fixture, Header, Running};
use sendfile_rules::Diagnosis;

use crate::{
    remote::{Front, first, nginx_with, serve, verify},
    stores::{self, Store},
};

/// The state of the store's certificate.
#[derive(Clone, Copy, Debug)]
enum Certificate {
    Good,
    /// Issued for a name other than the one that nginx checks.
    OtherName,
    /// Signed by an authority that nginx does not trust.
    OtherAuthority,
}

/// The host name that nginx checks with the snippet.
const NAME: &str = "localhost";

struct SetUp {
    fixture: Running,
    proxy: Front,
}

impl SetUp {
    async fn start(store: &Store, remote: Remote, certificate: Certificate) -> Self {
        let fixture = Fixture::builder().storage(&store.url).large_size(0);
        let hour = Duration::from_secs(3600);
        let fixture = match remote {
            Remote::Signed => fixture.signed_links(hour),
            Remote::SignedHeader => fixture.signed_links_in(Header::link(), hour),
        };
        let options = store.options().into_iter();
        let fixture = options.fold(fixture, |it, (a, b)| it.storage_option(a, b));
        let fixture = fixture.start().await.expect("a running store");
        let (port, authority) = with_tls(store, certificate);
        let (origin, path) =
            store.http_url().split_at(store.http_url().find("/probe").expect("it"));
        let https = format!("https://{NAME}:{port}{path}");
        // The fixture does not trust the test authority, so its links contain the store's own address.
        let snippet = snippet::of(Server::Nginx)
            .and_then(|nginx| nginx.remote_text(remote))
            .expect("a shipped snippet")
            .replace("/etc/ssl/certs/ca-certificates.crt", &authority)
            .replace("\"^http://127.0.0.1:9000/bucket/media/", &format!("\"^{origin}{path}/"));
        let proxy = nginx_with(&snippet, &https, &fixture.address().to_string(), &[]);
        Self { fixture, proxy }
    }

    async fn diagnosis(&self, store: &Store, words: &[&str]) -> Diagnosis {
        let fixture = self.fixture.url();
        let mut all = vec!["sendfile-check", "verify", "--timeout", "3s", "--fixture", &fixture];
        all.extend(["--site", &self.proxy.site, "--storage", &store.url]);
        all.extend(words);
        verify(&all, &store.options()).await
    }
}

/// Starts a server with TLS in front of a store; returns its port and the file of the authority.
fn with_tls(store: &Store, certificate: Certificate) -> (u16, String) {
    let run = stores::folder("store-tls");
    let ours = authority(&run, "ours");
    let other = authority(&run, "other");
    let (signer, name) = match certificate {
        Certificate::Good => (&ours, NAME),
        Certificate::OtherName => (&ours, "other.test"),
        Certificate::OtherAuthority => (&other, NAME),
    };
    let key = KeyPair::generate().expect("a key");
    let params = params(name, [name.to_owned()]);
    let signed = params.signed_by(&key, signer).expect("a certificate");
    fs::write(run.join("cert.pem"), signed.pem()).expect("a temporary file");
    fs::write(run.join("key.pem"), key.serialize_pem()).expect("a temporary file");
    let (at, host) = (run.display(), store.http_url().split('/').nth(2).expect("a host"));
    let [port] = stores::free_ports();
    serve(
        &format!(
            "listen 127.0.0.1:{port} ssl; ssl_certificate {at}/cert.pem;\n\
             ssl_certificate_key {at}/key.pem;\n\
             location / {{ proxy_pass http://{host}; proxy_set_header Host {host}; }}"
        ),
        "",
    );
    (port, format!("{at}/ours.pem"))
}

/// Sets the common name; without it a certificate is treated as self-signed.
fn params(name: &str, hosts: impl Into<Vec<String>>) -> CertificateParams {
    let mut params = CertificateParams::new(hosts).expect("names");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// An authority, whose certificate is written to a file with its name.
fn authority(run: &Path, name: &str) -> Issuer<'static, KeyPair> {
    let mut params = params(name, []);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    fs::write(run.join(format!("{name}.pem")), certificate.pem()).expect("a temporary file");
    Issuer::new(params, key)
}

/// The first finding for each certificate, without and with the error log.
const SAID: [(Certificate, &str, &str); 3] = [
    (Certificate::Good, "healthy", "healthy"),
    (Certificate::OtherName, "`proxy.storage-unreachable`", "`proxy.store-not-trusted`"),
    (Certificate::OtherAuthority, "`proxy.storage-unreachable`", "`proxy.store-not-trusted`"),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_certificate_of_a_store_is_checked() {
    let Some(store) = stores::seaweed() else { return };
    let store = store.below("tls");
    for remote in [Remote::Signed, Remote::SignedHeader] {
        for (certificate, outside, inside) in SAID {
            let set_up = SetUp::start(&store, remote, certificate).await;
            let what = format!("{remote:?}, {certificate:?}");
            assert_eq!(first(&set_up.diagnosis(&store, &[]).await), outside, "{what}");
            let log = set_up.proxy.config.replace("nginx.conf", "error.log");
            let config = format!("--proxy-config=nginx:{}", set_up.proxy.config);
            let words = [config.as_str(), "--error-log", &log];
            assert_eq!(
                first(&set_up.diagnosis(&store, &words).await),
                inside,
                "{what}, with the log"
            );
            set_up.fixture.stop().await.expect("a running store");
        }
    }
}
