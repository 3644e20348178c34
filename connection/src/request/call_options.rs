//! [`CallOptions`]: a header with which a program identifies itself.
//!
//! Source: REST API Developer Guide, "Call Options Header" (`Sforce-Call-Options: client=…; defaultNamespace=…`).

use reqwest::header::HeaderValue;

/// The program's name and default namespace, sent with every request.
///
/// For [`ClientBuilder::call_options`](crate::ClientBuilder::call_options) or
/// [`Connection::with_call_options`](crate::Connection::with_call_options). The default sends nothing.
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

/// The error for a name that the header cannot contain.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid call option: expected 1 to 80 letters, digits and -._/")]
#[non_exhaustive]
pub struct InvalidCallOption;

crate::debug::debug_as_display!(InvalidCallOption);

impl CallOptions {
    /// Sets the program's name in Salesforce's logs. Default: none.
    ///
    /// Salesforce partners use the client id that they got from Salesforce.
    ///
    /// # Errors
    /// [`InvalidCallOption`] unless the name has 1 to 80 letters, digits and `-._/`.
    pub fn client(self, name: impl Into<String>) -> Result<Self, InvalidCallOption> {
        Ok(Self { client: Some(checked(name.into())?), ..self })
    }

    /// Sets the namespace of a managed package for names of objects and fields without a namespace. Default: none.
    ///
    /// # Errors
    /// [`InvalidCallOption`] unless the namespace has 1 to 80 letters, digits and `-._/`.
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
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte);
    if (1..=80).contains(&name.len()) && name.bytes().all(is_valid) {
        Ok(name)
    } else {
        Err(InvalidCallOption)
    }
}
