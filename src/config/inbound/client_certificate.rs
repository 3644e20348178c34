//! [`ClientCertificateHeader`]: where a proxy that ends TLS says which certificate its client showed, and the pins of
//! certificates.

use std::net::IpAddr;

use serde::Deserialize;

use crate::config::check::Check;

const HEADER: &str = "inbound.client_certificate_header";
const PINS: &str = "client_certificates";

/// Where a proxy that ends TLS says which certificate its client showed. Needed if a caller or a sender of outbound
/// messages has pinned certificates, unless the app ends TLS itself (see
/// [`ClientCertificate`](crate::inbound::ClientCertificate)).
///
/// The header is taken from the addresses of these proxies only, and they have to overwrite it: a proxy that passes on what
/// a client wrote lets anyone show any certificate, which is public.
///
/// ```
/// use actix_salesforce::{Salesforce, inbound::ClientCertificateHeader};
///
/// // nginx: proxy_set_header X-Client-Cert $ssl_client_escaped_cert;
/// let header = ClientCertificateHeader::new("X-Client-Cert").proxy("10.0.0.0/24");
/// let builder = Salesforce::builder().client_certificate_header(header);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct ClientCertificateHeader {
    /// The name of the header. Its value is a certificate as RFC 9440 (`Client-Cert`) or nginx (`$ssl_client_escaped_cert`)
    /// write it, Envoy's `X-Forwarded-Client-Cert` with `Hash`, or the SHA-256 of the certificate in hexadecimal.
    pub name: String,
    /// The addresses of the proxies, as a connection to the app shows them: `10.0.0.7`, or `10.0.0.0/24`.
    pub proxies: Vec<String>,
}

impl ClientCertificateHeader {
    /// Takes the certificate from the header of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), proxies: Vec::new() }
    }

    /// Adds the address of a proxy, or a range. At least one is required.
    #[must_use]
    pub fn proxy(mut self, address: impl Into<String>) -> Self {
        self.proxies.push(address.into());
        self
    }

    pub(super) fn check(&self, check: &mut Check) -> Option<CertificateHeader> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if self.name.is_empty() || !self.name.bytes().all(is_plain) {
            check.problem(HEADER, "give the name of a header, such as X-Client-Cert");
        }
        let proxies: Option<Vec<_>> = self.proxies.iter().map(|proxy| Network::parse(proxy)).collect();
        let proxies = proxies.filter(|proxies| !proxies.is_empty());
        if proxies.is_none() {
            check.problem(
                HEADER,
                "give the addresses of the proxies that overwrite the header, 10.0.0.7 or 10.0.0.0/24: the header of any \
                 other client is ignored",
            );
        }
        Some(CertificateHeader { name: self.name.to_ascii_lowercase(), proxies: proxies? })
    }
}

/// A checked header.
#[derive(Debug)]
pub(crate) struct CertificateHeader {
    /// In lower case.
    pub(crate) name: String,
    proxies: Vec<Network>,
}

impl CertificateHeader {
    /// Returns whether a connection from this address is one of the proxies'.
    pub(crate) fn is_trusted(&self, peer: IpAddr) -> bool {
        self.proxies.iter().any(|proxy| proxy.contains(peer))
    }
}

/// A range of addresses.
#[derive(Debug)]
struct Network {
    address: IpAddr,
    length: u8,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = match text.trim().split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(most);
        // All addresses are no proxy.
        (1..=most).contains(&length).then_some(Self { address, length })
    }

    fn contains(&self, peer: IpAddr) -> bool {
        // A socket that takes both families shows IPv4 addresses as IPv6.
        match (self.address, peer.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(peer)) => {
                (own.to_bits() ^ peer.to_bits()).leading_zeros() >= u32::from(self.length)
            }
            (IpAddr::V6(own), IpAddr::V6(peer)) => {
                (own.to_bits() ^ peer.to_bits()).leading_zeros() >= u32::from(self.length)
            }
            _ => false,
        }
    }
}

/// The SHA-256 of a certificate in DER.
pub(crate) type Fingerprint = [u8; 32];

/// Reads the fingerprints of pinned certificates.
pub(super) fn pins(check: &mut Check, texts: &[String]) -> Vec<Fingerprint> {
    let pins: Option<Vec<_>> = texts.iter().map(|text| fingerprint(text)).collect();
    pins.unwrap_or_else(|| {
        check.problem(
            PINS,
            "give the SHA-256 of each certificate in DER, 64 hexadecimal digits: openssl x509 -noout -fingerprint -sha256",
        );
        Vec::new()
    })
}

/// Reads 64 hexadecimal digits, with or without colons.
pub(crate) fn fingerprint(text: &str) -> Option<Fingerprint> {
    let digits: Vec<u8> = text.trim().bytes().filter(|byte| *byte != b':').collect();
    let mut fingerprint = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in fingerprint.iter_mut().zip(digits.chunks(2)) {
        let digit = |digit: &u8| char::from(*digit).to_digit(16);
        let (high, low) = (digit(pair.first()?)?, digit(pair.get(1)?)?);
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_proxies_contains_its_addresses_only() {
        let contains =
            |range: &str, peer: &str| Network::parse(range).unwrap().contains(peer.parse().unwrap());
        for (range, inside, outside) in [
            ("10.0.0.7", "10.0.0.7", "10.0.0.8"),
            ("10.0.0.0/24", "10.0.0.255", "10.0.1.0"),
            ("10.0.0.0/24", "::ffff:10.0.0.9", "::1"),
            ("fd00::/8", "fd12::1", "fe80::1"),
            ("::1", "::1", "127.0.0.1"),
        ] {
            assert!(contains(range, inside) && !contains(range, outside), "{range}");
        }
        for text in ["", "x", "10.0.0.0/33", "10.0.0.0/0", "0.0.0.0/0", "::/0", "10.0.0.0/-1", "10.0.0/24"] {
            assert!(Network::parse(text).is_none(), "{text}");
        }
    }
}
