//! The API client that a handler holds.
#![allow(clippy::todo, dead_code, unused)]

use std::sync::Arc;

use url::Url;

use super::{ApiUsage, ApiVersion};
use crate::{OrgId, Result, UserId};

/// A live connection to one organization, on behalf of one user.
#[derive(Clone, Debug)]
pub struct Connection {
    version: ApiVersion,
}

impl Connection {
    /// The organization whose data this connection opens.
    pub fn organization_id(&self) -> OrgId {
        todo!()
    }

    /// The user this connection acts for.
    pub fn user_id(&self) -> UserId {
        todo!()
    }

    /// The organization's address.
    pub fn instance_url(&self) -> Result<Url> {
        todo!()
    }

    /// Starts a query.
    pub fn query<T>(&self, soql: impl Into<String>) -> Query<T> {
        todo!()
    }
}

/// A query.
#[derive(Debug)]
pub struct Query<T>(std::marker::PhantomData<fn() -> T>);
impl<T> Query<T> {
    /// Binds.
    pub fn bind(self, name: &str, value: impl super::soql::ToSoql) -> Self {
        todo!()
    }
    /// All.
    pub async fn fetch_all(self) -> Result<Vec<T>> {
        todo!()
    }
}
