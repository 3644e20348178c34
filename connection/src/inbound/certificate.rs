//! [`SigningCertificate`]: the public half of a certificate of "Certificate and Key Management" (Setup).

use std::{fmt, sync::Arc, time::SystemTime};

use jsonwebtoken::DecodingKey;
use rustls_pki_types::{CertificateDer, pem::PemObject as _};
use sha2::{Digest as _, Sha256};

use super::der::{BIT_STRING, Elements, INTEGER, OBJECT_ID};
use crate::oauth::jws::MIN_MODULUS_BYTES;

/// The object identifier `rsaEncryption` (RFC 8017 appendix A.1).
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// A certificate whose key signs JSON Web Tokens. It is trusted because the program was given it: neither a chain nor a
/// name is checked.
///
/// `Debug` shows its fingerprint.
#[derive(Clone)]
pub struct SigningCertificate {
    pub(super) key: Arc<DecodingKey>,
    not_before: SystemTime,
    not_after: SystemTime,
    fingerprint: [u8; 32],
}

impl fmt::Debug for SigningCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningCertificate(")?;
        self.fingerprint.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Why a certificate is not taken.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCertificate {
    /// The text is not one certificate in PEM.
    #[error(
        "not a certificate in PEM (BEGIN CERTIFICATE). Download it from Setup, Certificate and Key Management"
    )]
    Form,
    /// The key is not an RSA key: Salesforce signs with RS256 and RS512.
    #[error("the certificate's key is not an RSA key")]
    NotRsa,
    /// The key is shorter than 2048 bits (NIST SP 800-131A).
    #[error("the certificate's RSA key is shorter than 2048 bits")]
    Short,
}

crate::debug::debug_as_display!(InvalidCertificate);

impl SigningCertificate {
    /// Reads a certificate in PEM, as Setup gives it ("Download Certificate").
    ///
    /// Line breaks may also be written `\n`, as is usual in environment variables.
    ///
    /// # Errors
    /// [`InvalidCertificate`].
    pub fn from_pem(pem: &str) -> Result<Self, InvalidCertificate> {
        let pem = pem.replace("\\n", "\n");
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| InvalidCertificate::Form)?;
        Self::from_der(&der)
    }

    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`InvalidCertificate`].
    pub fn from_der(der: &[u8]) -> Result<Self, InvalidCertificate> {
        let parts = Parts::read(der).ok_or(InvalidCertificate::Form)?;
        let (modulus, exponent) = parts.rsa_key().ok_or(InvalidCertificate::NotRsa)?;
        if modulus.len() < MIN_MODULUS_BYTES || (modulus.len() == MIN_MODULUS_BYTES && modulus[0] < 0x80) {
            return Err(InvalidCertificate::Short);
        }
        Ok(Self {
            key: Arc::new(DecodingKey::from_rsa_raw_components(modulus, exponent)),
            not_before: parts.not_before,
            not_after: parts.not_after,
            fingerprint: Sha256::digest(der).into(),
        })
    }

    /// Returns when the certificate begins to be valid.
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// Returns when the certificate ends. Salesforce signs on after that (unverified), so that a token is not refused for
    /// this reason.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Returns the SHA-256 of the certificate in DER.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }
}

/// What is read of a certificate (RFC 5280 section 4.1).
#[derive(Clone, Copy)]
struct Parts<'a> {
    not_before: SystemTime,
    not_after: SystemTime,
    public_key: Elements<'a>,
}

impl<'a> Parts<'a> {
    fn read(der: &'a [u8]) -> Option<Self> {
        let mut all = Elements(der);
        let mut certificate = all.sequence().filter(|_| all.0.is_empty())?;
        let mut body = certificate.sequence()?;
        // The version, which the oldest certificates lack.
        let _ = body.take(0xa0);
        body.take(INTEGER)?;
        let (_algorithm, _issuer) = (body.sequence()?, body.sequence()?);
        let mut validity = body.sequence()?;
        let (not_before, not_after) = (validity.time()?, validity.time()?);
        let _subject = body.sequence()?;
        Some(Self { not_before, not_after, public_key: body.sequence()? })
    }

    /// Returns modulus and exponent, without leading zeros.
    fn rsa_key(mut self) -> Option<(&'a [u8], &'a [u8])> {
        let algorithm = self.public_key.sequence()?.take(OBJECT_ID)?;
        let (unused_bits, key) = self.public_key.take(BIT_STRING)?.split_first()?;
        if algorithm != RSA || *unused_bits != 0 {
            return None;
        }
        let mut key = Elements(key).sequence()?;
        let mut number = || {
            let bytes = key.take(INTEGER)?;
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            bytes.get(zeros..).filter(|number| !number.is_empty())
        };
        Some((number()?, number()?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};

    use super::*;

    fn certificate() -> rcgen::Certificate {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.not_before = rcgen::date_time_ymd(2026, 1, 2);
        params.not_after = rcgen::date_time_ymd(2056, 3, 4);
        params.self_signed(&key).unwrap()
    }

    #[test]
    fn a_certificate_of_an_rsa_key_is_read() {
        let certificate = certificate();
        let read = SigningCertificate::from_pem(&certificate.pem()).unwrap();
        let since_1970 = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        assert_eq!(
            (since_1970(read.not_before()), since_1970(read.not_after())),
            (1_767_312_000, 2_719_353_600)
        );
        let fingerprint: [u8; 32] = Sha256::digest(certificate.der()).into();
        assert_eq!(read.fingerprint(), fingerprint);
        let one_line = certificate.pem().trim().replace('\n', "\\n");
        assert_eq!(SigningCertificate::from_pem(&one_line).unwrap().fingerprint(), fingerprint);
    }

    #[test]
    fn any_other_certificate_is_refused_with_its_reason() {
        let key = KeyPair::generate().unwrap();
        let elliptic = CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
        let read = |pem: &str| SigningCertificate::from_pem(pem).unwrap_err();
        assert_eq!(read(&elliptic.pem()), InvalidCertificate::NotRsa);
        // `openssl req -x509 -newkey rsa:1024 -nodes`.
        assert_eq!(read(include_str!("short_key.pem")), InvalidCertificate::Short);
        for text in [
            "",
            "canary",
            &key.serialize_pem(),
            "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n",
        ] {
            let error = read(text);
            assert_eq!(error, InvalidCertificate::Form);
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = SigningCertificate::from_der(&bytes);
        }
    }

    #[test]
    fn a_cut_or_changed_certificate_does_not_panic() {
        let certificate = certificate();
        let der = certificate.der().to_vec();
        for end in 0..der.len() {
            assert!(SigningCertificate::from_der(&der[..end]).is_err(), "{end}");
            let mut changed = der.clone();
            changed[end] ^= 0xff;
            let _ = SigningCertificate::from_der(&changed);
        }
    }
}
