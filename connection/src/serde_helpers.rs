//! Functions for serde's `deserialize_with`.

use serde::{Deserialize, Deserializer};

use crate::{json::error, query::Page, request::decode::MORE_CHILDREN};

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
/// If Salesforce has more child records than fit into one page, [`Query`](crate::Query) fetches the rest before it
/// returns the row, and so does a query in a composite, a graph or a batch. A [`Page`] has the first ones only, and
/// [`Connection::rows`](crate::Connection::rows) returns all as a stream.
///
/// # Errors
/// If there are more child records, and the row is read in another way than by a query, so that a part is never taken for
/// the whole.
pub fn child_records<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let page = Page::<T>::deserialize(deserializer)?;
    if page.next.is_some() { Err(error::own(MORE_CHILDREN)) } else { Ok(page.records) }
}

/// Reads and writes a number as the decimal type of another crate, with all its digits.
///
/// The type is one that reads and writes texts such as `-500.25`, for example `rust_decimal::Decimal` or
/// `bigdecimal::BigDecimal`. Fields that may be empty have [`optional_decimal`].
///
/// ```
/// # type Decimal = salesforce_connection::soql::SoqlDecimal;
/// # use salesforce_connection::SObject;
/// #[derive(serde::Deserialize, serde::Serialize, SObject)]
/// #[serde(rename_all = "PascalCase")]
/// struct Opportunity {
///     #[sobject(value)]
///     #[serde(with = "salesforce_connection::serde_helpers::optional_decimal")]
///     amount: Option<Decimal>,
/// }
///
/// let row: Opportunity = serde_json::from_str(r#"{"Amount":123456789012345678.9}"#)?;
/// assert_eq!(row.amount.unwrap().to_string(), "123456789012345678.9");
/// # Ok::<(), serde_json::Error>(())
/// ```
pub mod decimal {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error as _};

    use crate::query::soql::decimal::SoqlDecimal;

    /// Reads a number.
    ///
    /// # Errors
    /// If it is not a number, or the type does not take it.
    pub fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        parse(&SoqlDecimal::deserialize(deserializer)?)
    }

    /// Writes a number, as [`SoqlDecimal`] does.
    ///
    /// # Errors
    /// If the type writes something other than a number.
    pub fn serialize<T: Display, S: Serializer>(number: &T, serializer: S) -> Result<S::Ok, S::Error> {
        let number: SoqlDecimal = number.to_string().parse().map_err(S::Error::custom)?;
        number.serialize(serializer)
    }

    pub(super) fn parse<T: FromStr, E: serde::de::Error>(number: &SoqlDecimal) -> Result<T, E> {
        // The error of the type may repeat the value.
        number.to_string().parse().map_err(|_| E::custom("the type does not take this number"))
    }
}

/// As [`decimal`], for fields that may be empty.
pub mod optional_decimal {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer};

    use crate::{query::soql::decimal::SoqlDecimal, serde_helpers::decimal};

    /// Reads a number, or `None` for `null`.
    ///
    /// # Errors
    /// As [`decimal::deserialize`].
    pub fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<T>, D::Error> {
        Option::<SoqlDecimal>::deserialize(deserializer)?.map(|number| decimal::parse(&number)).transpose()
    }

    /// Writes a number, or `null`.
    ///
    /// # Errors
    /// As [`decimal::serialize`].
    pub fn serialize<T: Display, S: Serializer>(
        number: &Option<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match number {
            Some(number) => decimal::serialize(number, serializer),
            None => serializer.serialize_none(),
        }
    }
}

/// Reads and writes a field of type multi-select picklist: one text with a semicolon between the values.
///
/// The type is an enum of the program, or `String`. `null` is read as an empty list, and an empty list is written as
/// `null`. Source: SOAP API Developer Guide, "Multi-Select Picklist".
///
/// ```
/// # use salesforce_connection::SObject;
/// #[derive(serde::Deserialize, serde::Serialize, SObject)]
/// struct Project__c {
///     #[sobject(value)]
///     #[serde(rename = "Regions__c", with = "salesforce_connection::serde_helpers::multi_picklist")]
///     regions: Vec<String>,
/// }
///
/// let project: Project__c = serde_json::from_str(r#"{"Regions__c":"North;South"}"#)?;
/// assert_eq!(project.regions, ["North", "South"]);
/// assert_eq!(serde_json::to_string(&project)?, r#"{"Regions__c":"North;South"}"#);
/// let none: Project__c = serde_json::from_str(r#"{"Regions__c":null}"#)?;
/// assert_eq!(serde_json::to_string(&none)?, r#"{"Regions__c":null}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
pub mod multi_picklist {
    use serde::{Deserialize, Deserializer, Serializer};

    /// Reads the values.
    ///
    /// # Errors
    /// If the field is not a text.
    pub fn deserialize<'de, T: From<String>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<T>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?.unwrap_or_default();
        let values = text.split(';').filter(|value| !value.is_empty());
        Ok(values.map(|value| T::from(value.to_owned())).collect())
    }

    /// Writes the values.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<T: Clone + Into<String>, S: Serializer>(
        values: &[T],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        if values.is_empty() {
            return serializer.serialize_none();
        }
        let values: Vec<String> = values.iter().cloned().map(Into::into).collect();
        serializer.serialize_str(&values.join(";"))
    }
}

/// Reads a text; `None` for any other value.
#[cfg(feature = "bulk")]
pub(crate) fn text_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Some(text),
        _ => None,
    })
}

/// Reads `null` as the type's default.
#[cfg(feature = "bulk")]
pub(crate) fn null_as_default<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
