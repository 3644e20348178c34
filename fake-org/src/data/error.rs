//! Why a record operation did not happen.

/// An error in the REST API's words. `status` and `code` are what a single-record request returns; collections
/// carry the same as an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiError {
    pub(crate) status: u16,
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) fields: Vec<String>,
    /// The object and the ids of the records that a duplicate rule found.
    pub(crate) duplicates: Option<(&'static str, Vec<String>)>,
}

impl ApiError {
    pub(crate) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), fields: Vec::new(), duplicates: None }
    }

    pub(crate) fn about(mut self, field: &str) -> Self {
        self.fields.push(field.to_owned());
        self
    }

    pub(crate) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    /// A wrong path, object, id, or a record one may not see: all the same.
    pub(crate) fn not_found() -> Self {
        Self::new(404, "NOT_FOUND", "The requested resource does not exist")
    }

    pub(crate) fn no_external_id(field: &str) -> Self {
        Self::new(
            404,
            "NOT_FOUND",
            format!("Provided external ID field does not exist or is not accessible: {field}"),
        )
    }

    /// Something this emulator cannot do yet: says so instead of responding wrongly.
    pub(crate) fn not_emulated(code: &'static str, what: &str) -> Self {
        Self::bad(code, format!("fake org: {what} is not emulated yet"))
    }
}

/// The record store failed, or refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{}: {}", .0.code, .0.message)]
    Refused(ApiError),
}

impl From<ApiError> for DataError {
    fn from(refusal: ApiError) -> Self {
        Self::Refused(refusal)
    }
}
