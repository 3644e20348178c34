//! Salesforce login, protected routes and an authenticated connection for Actix Web.

mod api;
mod clock;
mod error;
mod grant;
mod http;
mod id;
pub mod oauth;
mod secret;
pub mod store;

pub use self::{
    api::{
        ApiUsage, ApiVersion, Connection, Cursor, InvalidApiVersion, InvalidPath, Page, Query, RawRequest,
        RawResponse, Records, SObject, ToRecordId, Upserted, soql,
    },
    error::{Error, ErrorEntry, InvalidAnswer, InvalidRequest, Result},
    grant::{AppKey, GrantKey, InvalidGrantKey, Version},
    http::{HttpError, NotAllowed},
    id::{InvalidId, OrgId, SalesforceId, UserId},
    secret::Secret,
};
