//! Salesforce login, protected routes and an authenticated connection for Actix Web.

mod api;
mod error;
pub mod grant;
mod id;
mod secret;
pub mod store;

pub use self::{
    api::{ApiUsage, ApiVersion, Connection, Cursor, InvalidApiVersion, InvalidPath, soql},
    error::{Error, ErrorEntry, InvalidAnswer, InvalidRequest, Result},
    id::{InvalidId, OrgId, SalesforceId, UserId},
    secret::Secret,
};
