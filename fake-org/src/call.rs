//! Requests that the org sends to an app: callouts with a Named Credential.

use std::time::Duration;

use serde_json::Value;

use crate::auth::call::CallToken;
use crate::org::FakeOrg;
use crate::user::User;

/// The token of a callout, as a Named Credential makes it: for a user, signed by a certificate of the org. What it says
/// can be changed, so that it lies.
///
/// Whether a real External Credential makes `kid`, and `org` of a formula, is unverified.
///
/// ```
/// # #[cfg(feature = "embedded")]
/// # async fn test() -> Result<(), salesforce_fake_org::StartError> {
/// use salesforce_fake_org::FakeOrg;
///
/// let org = FakeOrg::start().await?;
/// let certificate = org.call_certificate("orders_2026"); // for the settings of the app
/// let ada = org.user("ada@example.com");
/// let token = org.call(&ada).certificate("orders_2026").audience("https://orders.example.com").token();
/// // … a request with `Authorization: Bearer {token}` …
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing is signed before `token`"]
pub struct Call<'a> {
    org: &'a FakeOrg,
    user: User,
    token: CallToken,
}

impl FakeOrg {
    /// The certificate of this unique name, as PEM; made if missing. Each org has its own.
    #[must_use]
    pub fn call_certificate(&self, name: &str) -> String {
        self.org.call_certificates.get(name).map(|certificate| certificate.pem.clone()).unwrap_or_default()
    }

    /// The same, as DER: what a client shows in TLS.
    #[must_use]
    pub fn call_certificate_der(&self, name: &str) -> Vec<u8> {
        self.org.call_certificates.get(name).map(|certificate| certificate.der.clone()).unwrap_or_default()
    }

    /// A callout in a transaction of this user. By default its token is signed with RS256 by the certificate `fake_org`,
    /// is issued by the instance URL, ends after two minutes on the org's clock, names the org as `org`, and has no `aud`.
    pub fn call(&self, user: &User) -> Call<'_> {
        Call { org: self, user: user.clone(), token: CallToken::default() }
    }
}

impl Call<'_> {
    /// The unique name of the certificate that signs, and that the token names as `kid`.
    pub fn certificate(mut self, name: &str) -> Self {
        self.token.certificate = name.to_owned();
        self
    }

    /// Signs with another certificate than the one that the token names.
    pub fn signed_by(mut self, name: &str) -> Self {
        self.token.signed_by = Some(name.to_owned());
        self
    }

    /// `RS256` or `RS512`; `HS256` signs with the certificate's PEM as a password, `none` not at all.
    pub fn algorithm(mut self, name: &str) -> Self {
        self.token.algorithm = name.to_owned();
        self
    }

    /// The claim `aud`.
    pub fn audience(mut self, audience: &str) -> Self {
        self.token.audience = Some(audience.to_owned());
        self
    }

    /// The claim `iss`.
    pub fn issuer(mut self, issuer: &str) -> Self {
        self.token.issuer = Some(issuer.to_owned());
        self
    }

    /// The time between `iat` and `exp`.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.token.lifetime_seconds = i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX / 4);
        self
    }

    /// Adds or replaces a claim; `null` leaves it out.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.token.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Adds or replaces a member of the header; `null` leaves it out.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.token.header.insert(name.to_owned(), value.into());
        self
    }

    /// Signs the token. Each call has a new one; sent twice, it is a reused one.
    #[must_use]
    pub fn token(self) -> String {
        let org = &self.org.org;
        let token = self.token.sign(&org.call_certificates, &self.user, &org.instance_url(), org.clock.now());
        token.unwrap_or_default()
    }
}
