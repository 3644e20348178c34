//! Salesforce login, protected routes and an authenticated connection for Actix Web.

pub mod grant;
mod id;
mod secret;
pub mod store;

pub use self::{
    id::{InvalidId, OrgId, SalesforceId, UserId},
    secret::Secret,
};
