//! Pinned client certificates: a request counts only if its client showed one of them in TLS.

use actix_web::{HttpRequest, dev::Extensions};
use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use sha2::{Digest as _, Sha256};

use super::only_header;
use crate::config::{CertificateHeader, Fingerprint, fingerprint};

/// Base64 with or without padding: proxies differ.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The certificate that the client of a connection showed, for an app that ends TLS itself.
///
/// ```
/// use actix_salesforce::inbound::ClientCertificate;
/// use actix_web::dev::Extensions;
///
/// // HttpServer::new(…).on_connect(|connection, data| {
/// //     if let Some(tls) = connection.downcast_ref::<TlsStream<TcpStream>>() {
/// //         if let Some([certificate, ..]) = tls.get_ref().1.peer_certificates() { … }
/// fn on_connect(certificate: &[u8], data: &mut Extensions) {
///     ClientCertificate::from_der(certificate).store(data);
/// }
/// ```
///
/// TLS has to ask for the certificate, and to verify that the client has its key. Whether it is a trusted one the pins
/// decide: that Salesforce's client certificates have no chain to a public authority is no fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientCertificate(Fingerprint);

impl ClientCertificate {
    /// Takes the certificate in DER.
    pub fn from_der(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// Returns the SHA-256 of the certificate in DER: what is pinned.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.0
    }

    /// Stores it with the connection, in `HttpServer::on_connect`.
    pub fn store(self, connection: &mut Extensions) {
        connection.insert(self);
    }
}

/// Why a request is refused.
pub(super) const NOT_PINNED: &str = "its client showed no certificate that is pinned";

/// Returns whether the client showed one of these certificates. Without pins any client will do.
pub(super) fn is_pinned(
    request: &HttpRequest,
    header: Option<&CertificateHeader>,
    pins: &[Fingerprint],
) -> bool {
    pins.is_empty() || shown(request, header).is_some_and(|shown| pins.contains(&shown))
}

fn shown(request: &HttpRequest, header: Option<&CertificateHeader>) -> Option<Fingerprint> {
    if let Some(ClientCertificate(shown)) = request.conn_data::<ClientCertificate>() {
        return Some(*shown);
    }
    let header = header?;
    if !header.is_trusted(request.peer_addr()?.ip()) {
        return None;
    }
    read(only_header(request.headers(), header.name.as_str())?.to_str().ok()?.trim())
}

/// Reads the value of a header in one of the forms of proxies.
fn read(value: &str) -> Option<Fingerprint> {
    // RFC 9440 section 2.1.
    if let Some(encoded) = value.strip_prefix(':') {
        return of_base64(encoded.strip_suffix(':')?);
    }
    if let Some(found) = fingerprint(value) {
        return Some(found);
    }
    // Envoy's header may have a subject with a `%` that encodes nothing.
    let decoded = percent_decoded(value).unwrap_or_default();
    if let Some(pem) = decoded.trim().strip_prefix("-----BEGIN CERTIFICATE-----") {
        return of_base64(pem.split_once("-----END CERTIFICATE-----")?.0);
    }
    of_envoy(value)
}

/// Reads the `Hash` of Envoy's `X-Forwarded-Client-Cert`. Of several elements, one for each proxy, the first are what the
/// client wrote: they are refused.
fn of_envoy(value: &str) -> Option<Fingerprint> {
    let (mut quoted, mut parts, mut start) = (false, Vec::new(), 0);
    for (place, byte) in value.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => return None,
            b';' if !quoted => {
                parts.push(value.get(start..place)?);
                start = place + 1;
            }
            _ => {}
        }
    }
    parts.push(value.get(start..)?);
    let mut hashes = parts.iter().filter_map(|part| {
        let (name, hash) = part.split_once('=')?;
        name.trim().eq_ignore_ascii_case("hash").then_some(hash)
    });
    match (hashes.next(), hashes.next()) {
        (Some(hash), None) => fingerprint(hash.trim_matches('"')),
        _ => None,
    }
}

fn of_base64(text: &str) -> Option<Fingerprint> {
    let bare: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let der = BASE64.decode(bare).ok().filter(|der| !der.is_empty())?;
    Some(Sha256::digest(der).into())
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        decoded.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_of_a_proxy_gives_the_fingerprint_of_the_certificate() {
        let der = [0x30, 0x03, 0xfb, 0xef, 0xff];
        let expected = ClientCertificate::from_der(&der).fingerprint();
        let hex: String = expected.iter().map(|byte| format!("{byte:02x}")).collect();
        let encoded = "MAP77/8=";
        let escaped = "MAP77%2F8%3D";
        for value in [
            hex.clone(),
            hex.to_uppercase(),
            format!(":{encoded}:"),
            format!("-----BEGIN%20CERTIFICATE-----%0A{escaped}%0A-----END%20CERTIFICATE-----%0A"),
            // AWS leaves + = / as they are.
            format!("-----BEGIN%20CERTIFICATE-----%0A{encoded}%0A-----END%20CERTIFICATE-----%0A"),
            format!("Hash={hex}"),
            format!("By=spiffe://a;Hash={hex};Subject=\"CN=a,O=b;c\""),
            format!("Hash={hex};Subject=\"CN=100% A\""),
        ] {
            assert_eq!(read(&value), Some(expected), "{value}");
        }
        for value in [
            String::new(),
            "canary".to_owned(),
            ":".to_owned(),
            "::".to_owned(),
            format!(":{encoded}"),
            "-----BEGIN CERTIFICATE-----".to_owned(),
            "%".to_owned(),
            "%zz".to_owned(),
            format!("Hash={hex},Hash={hex}"),
            format!("Hash={hex};Hash={hex}"),
            "By=a;URI=b".to_owned(),
            format!("Subject=\"Hash={hex}\""),
        ] {
            assert_eq!(read(&value), None, "{value}");
        }
    }
}
