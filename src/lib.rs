//! Salesforce login, protected routes and an authenticated connection for Actix Web.
