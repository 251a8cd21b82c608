//! Hand-offs to a store that speaks TLS: the shipped snippets as they are printed for an https store,
//! before a real store behind a server with a certificate of an authority of our own.

use std::{fs, path::Path, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use sendfile_check::snippet::{Proxy, Remote};
use sendfile_fixture::{Fixture, Header, Running};
use sendfile_rules::Diagnosis;

use crate::{
    remote::{Front, first, nginx_with, serve, verify},
    stores::{self, Store},
};

/// What is right or wrong with the store's certificate.
#[derive(Clone, Copy, Debug)]
enum Certificate {
    Good,
    /// For another name than the one that nginx checks.
    OtherName,
    /// Of another authority than the one that nginx trusts.
    OtherAuthority,
}

/// The name that the shipped snippet has nginx check, once it is filled in.
const NAME: &str = "localhost";

struct Scene {
    fixture: Running,
    proxy: Front,
}

impl Scene {
    async fn set(store: &Store, remote: Remote, certificate: Certificate) -> Self {
        let fixture = Fixture::builder().storage(&store.url).large_size(0);
        let hour = Duration::from_secs(3600);
        let fixture = match remote {
            Remote::Signed => fixture.signed_links(hour),
            Remote::SignedHeader => fixture.signed_links_in(Header::link(), hour),
        };
        let options = store.options().into_iter();
        let fixture = options.fold(fixture, |it, (a, b)| it.storage_option(a, b));
        let fixture = fixture.start().await.expect("a store that answers");
        let (port, authority) = with_tls(store, certificate);
        let (origin, path) =
            store.http_url().split_at(store.http_url().find("/probe").expect("it"));
        let https = format!("https://{NAME}:{port}{path}");
        // The fixture knows no authority of ours, so its links begin with the store's own address.
        let snippet = remote
            .text(Proxy::Nginx)
            .expect("it is shipped")
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

/// Puts a server with TLS before a store, and returns its port and the authority to be trusted.
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

/// Without a name of its own a certificate counts as signed by itself.
fn params(name: &str, hosts: impl Into<Vec<String>>) -> CertificateParams {
    let mut params = CertificateParams::new(hosts).expect("names");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

/// An authority, whose certificate is written into a file of its name.
fn authority(run: &Path, name: &str) -> Issuer<'static, KeyPair> {
    let mut params = params(name, []);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.self_signed(&key).expect("a certificate");
    fs::write(run.join(format!("{name}.pem")), certificate.pem()).expect("a temporary file");
    Issuer::new(params, key)
}

/// What is said of a certificate from outside, and with the error log at hand.
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
            let scene = Scene::set(&store, remote, certificate).await;
            let what = format!("{remote:?}, {certificate:?}");
            assert_eq!(first(&scene.diagnosis(&store, &[]).await), outside, "{what}");
            let log = scene.proxy.config.replace("nginx.conf", "error.log");
            let config = format!("--proxy-config=nginx:{}", scene.proxy.config);
            let words = [config.as_str(), "--error-log", &log];
            assert_eq!(
                first(&scene.diagnosis(&store, &words).await),
                inside,
                "{what}, with the log"
            );
            scene.fixture.stop().await.expect("a store that answers");
        }
    }
}
