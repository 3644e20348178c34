//! Salesforce login, protected routes and an authenticated connection for Actix Web.

mod clock;
mod grant;
mod http;
mod id;
pub mod oauth;
mod secret;
pub mod store;

pub use self::{
    grant::{AppKey, GrantKey, InvalidGrantKey, Version},
    http::{HttpError, NotAllowed},
    id::{InvalidId, OrgId, SalesforceId, UserId},
    secret::Secret,
};
