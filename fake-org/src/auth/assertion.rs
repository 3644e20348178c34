//! Signed assertions: the JWT bearer grant and `private_key_jwt`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;
use webpki::EndEntityCert;
use webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256;

/// The error for text that is not a certificate.
pub(crate) const NO_CERTIFICATE: &str = "not an X.509 certificate in PEM";

/// DER of a PEM certificate that can be uploaded to an app: X.509 version 3 with an RSA key.
pub(crate) fn certificate(pem: &str) -> Option<Vec<u8>> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    EndEntityCert::try_from(&der).ok()?;
    Some(der.to_vec())
}

/// The claims of a JWS that the key of this certificate (PEM) signed with RS256; `None` for everything else.
pub(crate) fn claims(pem: &str, jws: &str) -> Option<Value> {
    let (message, signature) = jws.rsplit_once('.')?;
    let (header, claims) = message.split_once('.')?;
    let part = |text: &str| -> Option<Value> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?).ok()
    };
    if part(header)?.get("alg")? != "RS256" {
        return None;
    }
    let der = CertificateDer::from(certificate(pem)?);
    let signature = URL_SAFE_NO_PAD.decode(signature.trim_end_matches('=')).ok()?;
    EndEntityCert::try_from(&der)
        .ok()?
        .verify_signature(RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &signature)
        .ok()?;
    part(claims)
}

/// Whether `aud`, a text or a list of them, names one of these.
pub(crate) fn is_for(claims: &Value, audiences: &[String]) -> bool {
    let known = |value: &Value| {
        value.as_str().is_some_and(|text| audiences.iter().any(|a| a == text.trim_end_matches('/')))
    };
    match &claims["aud"] {
        Value::Array(list) => list.iter().any(known),
        one => known(one),
    }
}
