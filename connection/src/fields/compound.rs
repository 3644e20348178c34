//! Compound fields: several fields of a record that Salesforce also returns as one value.
//!
//! Source: SOAP API Developer Guide, "Compound Fields" ("Address Compound Fields", "Geolocation Compound Fields").

use serde::{Deserialize, Serialize};

/// The value of an address field, such as `BillingAddress` of an account. It is read only: write its parts.
///
/// ```
/// use salesforce_connection::records::Address;
///
/// let address: Address = serde_json::from_str(r#"{"city":"Oslo","countryCode":null,"postalCode":"0150"}"#)?;
/// assert_eq!(address.city.as_deref(), Some("Oslo"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Address {
    /// The street, with line breaks.
    pub street: Option<String>,
    /// The city.
    pub city: Option<String>,
    /// The state or province.
    pub state: Option<String>,
    /// The ISO code of the state, in orgs with state and country picklists.
    pub state_code: Option<String>,
    /// The postal code.
    pub postal_code: Option<String>,
    /// The country.
    pub country: Option<String>,
    /// The ISO code of the country, in orgs with state and country picklists.
    pub country_code: Option<String>,
    /// The latitude in degrees.
    pub latitude: Option<f64>,
    /// The longitude in degrees.
    pub longitude: Option<f64>,
    /// How exact latitude and longitude are, for example `Block`.
    pub geocode_accuracy: Option<String>,
}

/// The value of a geolocation field. It is read only: write its parts, `…__Latitude__s` and `…__Longitude__s`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize, Serialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Location {
    /// The latitude in degrees.
    pub latitude: Option<f64>,
    /// The longitude in degrees.
    pub longitude: Option<f64>,
}
