//! What a person may change of an account: a form or JSON, with Salesforce's field names.

use actix_web::{Either, HttpRequest, error::ErrorForbidden, web};
use serde::{Deserialize, Serialize};

/// The fields of an account that this app writes. Absent ones stay as they are.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct AccountForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) website: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) industry: Option<String>,
}

/// A form from a page, or JSON from a script.
pub(crate) type Fields = Either<web::Form<AccountForm>, web::Json<AccountForm>>;

/// The fields, without those that a form left empty.
pub(crate) fn fields(fields: Fields) -> AccountForm {
    let mut fields = match fields {
        Either::Left(form) => form.into_inner(),
        Either::Right(json) => return json.into_inner(),
    };
    for field in [&mut fields.name, &mut fields.phone, &mut fields.website, &mut fields.industry] {
        if field.as_deref().is_some_and(|text| text.trim().is_empty()) {
            *field = None;
        }
    }
    fields
}

/// Refuses what another origin's page sends. `Lax` cookies alone do not keep out a sibling subdomain.
pub(crate) fn same_origin(
    request: &HttpRequest,
    salesforce: &actix_salesforce::Salesforce,
) -> actix_web::Result<()> {
    if salesforce.is_same_origin(request) {
        Ok(())
    } else {
        Err(ErrorForbidden("This request did not come from a page of this app."))
    }
}
