//! A key of a service user, for JWT bearer.

use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};

/// A private key in PEM, and its certificate.
pub(crate) fn pair() -> (String, String) {
    let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
    let certificate = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    (key.serialize_pem(), certificate.pem())
}
