//! Salesforce login, protected routes and an authenticated connection for Actix Web.

mod api;
mod clock;
mod config;
mod error;
mod grant;
mod http;
mod id;
pub mod oauth;
mod secret;
pub mod store;
mod web;

pub use self::{
    api::{
        ApiUsage, ApiVersion, Connection, Cursor, InvalidApiVersion, InvalidPath, Page, Query, RawRequest,
        RawResponse, Records, SObject, ToRecordId, Upserted, soql,
    },
    config::{Config, ConfigError, Problem, Routes, SessionMode},
    error::{Error, ErrorEntry, InvalidAnswer, InvalidRequest, Result},
    grant::{AppKey, GrantInfo, GrantKey, InvalidGrantKey, LoginInfo, Version},
    http::{HttpError, NotAllowed},
    id::{InvalidId, OrgId, SalesforceId, UserId},
    secret::Secret,
    web::{
        Builder, MaybeSalesforceConn, RequireLogin, RequireLoginMiddleware, Routed, Salesforce,
        SalesforceConn, SalesforceMiddleware, SalesforceUser, routes,
    },
};
