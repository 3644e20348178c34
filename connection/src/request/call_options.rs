//! What a connection says of itself with each call.
//!
//! Source: REST API Developer Guide, "Call Options Header" (`Sforce-Call-Options: client=…; defaultNamespace=…`).

use reqwest::header::HeaderValue;

/// What a connection says of itself with each call: give it to
/// [`Connection::with_call_options`](crate::connection::Connection::with_call_options).
///
/// ```
/// use salesforce_connection::request::CallOptions;
///
/// let options = CallOptions::default().client("acme-portal")?.default_namespace("acme")?;
/// assert!(CallOptions::default().client("two\r\nlines").is_err());
/// # Ok::<(), salesforce_connection::request::InvalidCallOption>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallOptions {
    client: Option<String>,
    default_namespace: Option<String>,
}

/// A name that cannot stand in the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a client's name and a namespace consist of 1 to 80 letters, digits and -._/")]
#[non_exhaustive]
pub struct InvalidCallOption;

impl CallOptions {
    /// The name by which Salesforce's logs know the caller. (Some partners have a client id from Salesforce.)
    ///
    /// # Errors
    /// A name that cannot stand in a header.
    pub fn client(self, name: impl Into<String>) -> Result<Self, InvalidCallOption> {
        Ok(Self { client: Some(checked(name.into())?), ..self })
    }

    /// The namespace of a managed package whose objects and fields are meant when a name has none.
    ///
    /// # Errors
    /// A name that cannot stand in a header.
    pub fn default_namespace(self, namespace: impl Into<String>) -> Result<Self, InvalidCallOption> {
        Ok(Self { default_namespace: Some(checked(namespace.into())?), ..self })
    }

    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let client = self.client.as_ref().map(|name| format!("client={name}"));
        let namespace = self.default_namespace.as_ref().map(|name| format!("defaultNamespace={name}"));
        let parts: Vec<_> = client.into_iter().chain(namespace).collect();
        if parts.is_empty() { None } else { HeaderValue::try_from(parts.join("; ")).ok() }
    }
}

fn checked(name: String) -> Result<String, InvalidCallOption> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte);
    if (1..=80).contains(&name.len()) && name.bytes().all(plain) { Ok(name) } else { Err(InvalidCallOption) }
}
