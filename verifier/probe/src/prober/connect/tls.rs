//! The TLS settings: rustls with ring; trusts the system's roots, those of a file, or any
//! certificate.

use std::{path::Path, sync::Arc, time::Duration};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_name,
    },
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
    server::ParsedCertificate,
};
use x509_cert::{Certificate, der::Decode as _};

use sendfile_evidence::{Failure, FailureKind, cause_chain};

use crate::config::Trust;

pub(crate) fn config(trust: &Trust) -> Result<Arc<ClientConfig>, Failure> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| handshake_failed(&error))?;
    let config = match trust {
        Trust::System => builder.with_root_certificates(system_roots()?),
        Trust::File(path) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(FromFile::read(path, provider)?)),
        Trust::Anything => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(NoVerification(provider)))
        }
    };
    Ok(Arc::new(config.with_no_client_auth()))
}

/// Settings that trust no certificate, for a client that does not use TLS and would otherwise load
/// the roots.
pub(crate) fn none() -> Result<ClientConfig, Failure> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| handshake_failed(&error))?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// Validates the certificates that the operator named, before any request is sent.
pub(crate) fn check(trust: &Trust) -> Result<(), String> {
    match trust {
        Trust::File(_) => match config(trust) {
            Ok(_) => Ok(()),
            Err(failure) => Err(failure.chain),
        },
        Trust::System | Trust::Anything => Ok(()),
    }
}

/// The failure for a connection without a TLS session.
pub(super) fn handshake_failed(error: &(dyn std::error::Error + 'static)) -> Failure {
    failure(format!("TLS handshake failed: {}", cause_chain(error)))
}

fn system_roots() -> Result<RootCertStore, Failure> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(failure(
            "the system has no root certificates; add some with --cacert FILE".to_owned(),
        ));
    }
    Ok(roots)
}

fn failure(chain: String) -> Failure {
    Failure { kind: FailureKind::Tls, chain }
}

/// Implements `--cacert`: the file's certificates are issuers, or the server's own, as in curl;
/// webpki alone rejects a self-signed certificate that is marked as a CA.
#[derive(Debug)]
struct FromFile {
    own: Vec<CertificateDer<'static>>,
    signed: Arc<WebPkiServerVerifier>,
}

impl FromFile {
    fn read(path: &Path, provider: Arc<CryptoProvider>) -> Result<Self, Failure> {
        let found = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
        let own: Vec<_> = found.map_err(|error| not_certificates(path, &error))?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(own.clone());
        let signed = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
        let signed = signed.build().map_err(|error| not_certificates(path, &error))?;
        Ok(Self { own, signed })
    }
}

fn not_certificates(path: &Path, error: &(dyn std::error::Error + 'static)) -> Failure {
    let problem = cause_chain(error);
    failure(format!("cannot read certificates from `{}`: {problem}", path.display()))
}

impl ServerCertVerifier for FromFile {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.signed.verify_server_cert(end_entity, intermediates, name, ocsp, now);
        if verified.is_ok() || !self.own.contains(end_entity) {
            return verified;
        }
        // The operator vouches for the issuer; the name and the validity period are still verified.
        verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
        in_force(end_entity, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signed.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.signed.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signed.supported_verify_schemes()
    }
}

fn in_force(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), rustls::Error> {
    let parsed = Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
    let validity = parsed.tbs_certificate().validity();
    let now = Duration::from_secs(now.as_secs());
    if now < validity.not_before.to_unix_duration() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.to_unix_duration() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// Implements `-k`: verifies signatures, but neither names nor issuers.
#[derive(Debug)]
struct NoVerification(Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerification {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
