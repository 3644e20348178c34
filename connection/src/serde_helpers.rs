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
/// # Errors
/// If Salesforce has more child records than fit into one page, so that a part is never taken for the whole. Read them
/// into a [`Page`] then, and the further pages with [`Connection::rows`](crate::Connection::rows).
pub fn child_records<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let page = Page::<T>::deserialize(deserializer)?;
    if page.next.is_some() { Err(D::Error::custom(MORE_CHILDREN)) } else { Ok(page.records) }
}
