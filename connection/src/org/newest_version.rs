//! The newest API version of an org, and how long a version is supported.
//!
//! Source: REST API Developer Guide, "API End-of-Life Policy" and "Versions"; listed in the repository
//! (`docs/protocol/versions.md`).

use futures_util::future::BoxFuture;

use crate::{
    connection::Connection,
    error::{InvalidResponse, Result},
    org::VersionInfo,
    version::{ApiVersion, VersionChoice},
};

/// How well an org supports an API version, returned by [`Connection::version_support`].
///
/// Salesforce supports each version for at least three years, and announces its end at least one year ahead. A version
/// whose end is announced is named in [`Connection::deprecations`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersionSupport {
    /// The version is less than three years older than the org's newest.
    Supported,
    /// The version is older than three years: Salesforce may announce its end, or has done so. Move to a newer one.
    NearEnd,
    /// The org has no such version: it is retired, or the org's release is not there yet. Requests fail.
    Unavailable,
}

impl Connection {
    /// Returns the REST API version of relative paths.
    ///
    /// With [`VersionChoice::Newest`]: [`ApiVersion::CURRENT`] until the org's newest is known, from the first request on.
    pub fn api_version(&self) -> ApiVersion {
        match self.version_choice() {
            VersionChoice::Fixed(version) => version,
            VersionChoice::Newest => self.org().newest_version.last().unwrap_or(ApiVersion::CURRENT),
        }
    }

    /// Returns the newest version of the REST API that the org has. Costs no API request.
    ///
    /// The version is remembered for an hour, for all connections to the org. An org gets a new one with each of the three
    /// releases of a year, and orgs of a release get it on different days.
    ///
    /// A newer version may respond differently. Use it with what the program was tested with as a limit:
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::ApiVersion;
    ///
    /// let tested: ApiVersion = "67".parse()?;
    /// let sf = sf.with_api_version(sf.newest_version().await?.min(tested));
    /// assert_eq!(sf.api_version(), tested);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn newest_version(&self) -> Result<ApiVersion> {
        if let Some(version) = self.org().newest_version.get() {
            return Ok(version);
        }
        let _one_at_a_time = self.org().newest_version.lock().await;
        if let Some(version) = self.org().newest_version.get() {
            return Ok(version);
        }
        let newest = newest_of(&self.versions().await?);
        let newest = newest.ok_or(InvalidResponse::Unexpected("no API version that this crate supports"))?;
        self.org().newest_version.set(newest);
        Ok(newest)
    }

    /// Returns the version for a request of a connection whose [`VersionChoice`](crate::VersionChoice) is the newest. An
    /// org that does not list its versions at the moment keeps the one that is known.
    pub(crate) fn newest_for_request(&self) -> BoxFuture<'_, Result<ApiVersion>> {
        Box::pin(async {
            let known = self.org().newest_version.last();
            match (self.newest_version().await, known) {
                (Err(_), Some(known)) => Ok(known),
                (newest, _) => newest,
            }
        })
    }

    /// Returns the version for a request that names it in more than its own path: in its body, or in the key of a cache.
    pub(crate) async fn version_for_request(&self) -> Result<ApiVersion> {
        match self.version_choice() {
            VersionChoice::Fixed(version) => Ok(version),
            VersionChoice::Newest => self.newest_for_request().await,
        }
    }

    /// Returns the connection for the newest version of the REST API that the org has.
    ///
    /// See [`newest_version`](Self::newest_version).
    ///
    /// # Errors
    /// As [`newest_version`](Self::newest_version).
    pub async fn with_newest_version(&self) -> Result<Self> {
        Ok(self.with_api_version(self.newest_version().await?))
    }

    /// Returns how well the org supports the version of this connection, for a health check. Costs no API request.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::org::VersionSupport;
    ///
    /// assert_eq!(sf.version_support().await?, VersionSupport::Supported);
    /// let old = sf.with_api_version("52".parse()?);
    /// assert_eq!(old.version_support().await?, VersionSupport::NearEnd);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    /// As [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn version_support(&self) -> Result<VersionSupport> {
        let versions = self.versions().await?;
        let version = match self.version_choice() {
            VersionChoice::Fixed(version) => version,
            VersionChoice::Newest => self.newest_version().await?,
        };
        let has = versions.iter().any(|info| info.version.parse() == Ok(version));
        Ok(match newest_of(&versions) {
            Some(newest) if has && newest.releases_after(version) < ApiVersion::SUPPORTED_RELEASES => {
                VersionSupport::Supported
            }
            Some(_) if has => VersionSupport::NearEnd,
            _ => VersionSupport::Unavailable,
        })
    }
}

/// Returns the newest version in a list. Texts that are not versions are ignored.
fn newest_of(versions: &[VersionInfo]) -> Option<ApiVersion> {
    versions.iter().filter_map(|info| info.version.parse().ok()).max()
}
