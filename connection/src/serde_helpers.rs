//! Functions for serde's `deserialize_with`.

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{query::Page, request::decode::MORE_CHILDREN};

/// Reads the child records of a row into a `Vec`.
///
/// Use it as `#[serde(deserialize_with = "salesforce_connection::serde_helpers::child_records")]`.
///
/// ```
/// # use salesforce_connection::SObject;
/// #[derive(serde::Deserialize, SObject)]
/// #[serde(rename_all = "PascalCase")]
/// struct Account {
///     name: String,
///     #[serde(deserialize_with = "salesforce_connection::serde_helpers::child_records")]
///     contacts: Vec<Contact>,
/// }
///
/// #[derive(serde::Deserialize, SObject)]
/// #[serde(rename_all = "PascalCase")]
/// struct Contact { last_name: String }
///
/// // Salesforce writes `null` if there are none.
/// let account: Account = serde_json::from_str(r#"{"Name":"Acme","Contacts":null}"#)?;
/// assert!(account.contacts.is_empty());
/// # Ok::<(), serde_json::Error>(())
/// ```
///
/// If Salesforce has more child records than fit into one page, [`Query`](crate::Query) fetches the rest before it returns
/// the row. A [`Page`] has the first ones only, and [`Connection::rows`](crate::Connection::rows) returns all as a stream.
///
/// # Errors
/// If there are more child records, and the row is read in another way (also by a query above 8 KiB, which is
/// sent in a body), so that a part is never taken for the whole.
pub fn child_records<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let page = Page::<T>::deserialize(deserializer)?;
    if page.next.is_some() { Err(D::Error::custom(MORE_CHILDREN)) } else { Ok(page.records) }
}

/// Reads `null` as the type's default.
pub(crate) fn null_as_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
