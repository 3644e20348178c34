//! TLS with a certificate authority that the org generates at its start.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{self, ServerConfig};

/// What clients must trust, and what the hosts show them.
pub(crate) struct Tls {
    /// The authority's certificate as PEM.
    pub(crate) ca_pem: String,
    acceptor: TlsAcceptor,
    http2: TlsAcceptor,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// A certificate could not be made or used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error(transparent)]
    Certificate(#[from] rcgen::Error),
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
    #[error("the certificate's key is of no known form: {0}")]
    Key(&'static str),
}

impl Tls {
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.clone()
    }

    /// The same for HTTP/2, which the client has to ask for (ALPN).
    pub(crate) fn http2_acceptor(&self) -> TlsAcceptor {
        self.http2.clone()
    }

    /// For this machine, and one more name.
    pub(crate) fn new(more: Option<&str>) -> Result<Self, TlsError> {
        let mut ca = CertificateParams::new(Vec::new())?;
        ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        ca.distinguished_name.push(DnType::CommonName, "fake org, for tests on this machine only");
        let ca_key = KeyPair::generate()?;
        let authority = ca.self_signed(&ca_key)?;

        let names = ["localhost", "127.0.0.1", "::1"].into_iter().chain(more).map(str::to_owned);
        let mut leaf = CertificateParams::new(names.collect::<Vec<_>>())?;
        leaf.distinguished_name.push(DnType::CommonName, "localhost");
        let key = KeyPair::generate()?;
        let certificate = leaf.signed_by(&key, &Issuer::from_params(&ca, &ca_key))?;

        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(TlsError::Key)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        let acceptor = TlsAcceptor::from(Arc::new(config.clone()));
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { ca_pem: authority.pem(), acceptor, http2: TlsAcceptor::from(Arc::new(config)) })
    }
}
