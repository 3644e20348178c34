//! The version of the REST API that a connection uses.

use std::{fmt, str::FromStr};

/// A version of the Salesforce REST API, `66.0` for example.
///
/// ```
/// use salesforce_connection::ApiVersion;
///
/// assert_eq!("v66.0".parse::<ApiVersion>()?, "66".parse()?);
/// assert_eq!(ApiVersion::default().to_string(), "66.0");
/// # Ok::<(), salesforce_connection::InvalidApiVersion>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion(u16);

/// The error for a text that is not an API version, or one of a version below 46.0.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid API version: expected a number such as 66.0, at least 46.0")]
#[non_exhaustive]
pub struct InvalidApiVersion;

crate::debug::debug_as_display!(InvalidApiVersion);

impl ApiVersion {
    /// The default: 66.0 (Spring '26), against which this release of the crate was written.
    pub const CURRENT: Self = Self(66);
    /// The newest version that this release of the crate knows: 68.0 (Winter '27).
    ///
    /// Not every org has it: see [`Connection::newest_version`](crate::Connection::newest_version).
    pub const NEWEST_KNOWN: Self = Self(68);
    /// The first version that lists the pages of a bulk query's rows. Source: Bulk API 2.0 Developer Guide, "Get
    /// Parallel Results for a Query Job".
    #[cfg(feature = "bulk")]
    pub(crate) const LISTS_PAGES: Self = Self(58);
    /// The first version of the guide to queries of Data 360.
    pub(crate) const QUERIES_DATA_360: Self = Self(64);
    /// The oldest supported version: below it, the response to an upsert lacks the record's id. Source: REST API
    /// Developer Guide, "Insert or Update (Upsert) a Record Using an External ID".
    const OLDEST: u16 = 46;
    /// Releases in the three years for which Salesforce supports each version.
    pub(crate) const SUPPORTED_RELEASES: u16 = 9;

    /// Returns whether Salesforce may announce the end of this version, as far as this release of the crate knows.
    pub(crate) fn is_near_end(self) -> bool {
        Self::NEWEST_KNOWN.releases_after(self) >= Self::SUPPORTED_RELEASES
    }

    /// Returns how many releases lie between an older version and this one.
    pub(crate) fn releases_after(self, older: Self) -> u16 {
        self.0.saturating_sub(older.0)
    }
}

/// Which version of the REST API a client uses. An [`ApiVersion`] is one, too.
///
/// ```
/// use salesforce_connection::{ApiVersion, VersionChoice};
///
/// assert_eq!("newest".parse::<VersionChoice>()?, VersionChoice::Newest);
/// assert_eq!("66.0".parse::<VersionChoice>()?, ApiVersion::CURRENT.into());
/// # Ok::<(), salesforce_connection::InvalidApiVersion>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersionChoice {
    /// The same version for all orgs.
    Fixed(ApiVersion),
    /// The newest version that the org has. It is asked for before the first request to an org, and again after an hour.
    ///
    /// An org gets a new version three times a year, and a newer one may respond differently.
    Newest,
}

impl From<ApiVersion> for VersionChoice {
    fn from(version: ApiVersion) -> Self {
        Self::Fixed(version)
    }
}

impl Default for VersionChoice {
    /// [`ApiVersion::CURRENT`].
    fn default() -> Self {
        Self::Fixed(ApiVersion::CURRENT)
    }
}

impl FromStr for VersionChoice {
    type Err = InvalidApiVersion;

    /// Reads a version, or `newest`.
    fn from_str(text: &str) -> Result<Self, InvalidApiVersion> {
        if text.eq_ignore_ascii_case("newest") { Ok(Self::Newest) } else { text.parse().map(Self::Fixed) }
    }
}

impl Default for ApiVersion {
    fn default() -> Self {
        Self::CURRENT
    }
}

impl FromStr for ApiVersion {
    type Err = InvalidApiVersion;

    fn from_str(text: &str) -> Result<Self, InvalidApiVersion> {
        let number = text.strip_prefix('v').unwrap_or(text);
        let number = number.strip_suffix(".0").unwrap_or(number);
        if number.len() > 3 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidApiVersion);
        }
        match number.parse() {
            Ok(number) if number >= Self::OLDEST => Ok(Self(number)),
            _ => Err(InvalidApiVersion),
        }
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.0", self.0)
    }
}

crate::deserialize::deserialize_from_str!(ApiVersion);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_and_unsupported_versions_are_rejected() {
        for text in ["", "v", "45.0", "66.1", "66.0.0", "+66", "66/../..", "9999", "66.0 "] {
            assert_eq!(text.parse::<ApiVersion>(), Err(InvalidApiVersion), "{text}");
        }
    }
}
