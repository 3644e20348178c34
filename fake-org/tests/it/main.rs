//! What the fake org promises, through its library, its HTTP surface and its program.
#![recursion_limit = "256"]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod access;
mod actions;
mod api_quirks;
mod blobs;
mod bulk;
mod codes;
mod composite;
mod conditional;
mod control;
mod doors;
mod every_fault;
mod faults;
mod front_door;
mod grants;
mod graphql;
mod guard;
mod headless;
mod identity;
mod login;
mod policy;
mod process;
mod program;
mod query;
mod query_pages;
mod quirks;
mod records;
mod refresh;
mod rest_shapes;
mod revoke;
mod rotated_credentials;
mod schema_files;
mod search;
mod sessions;
mod shapes;
mod shapes_helpers;
mod shapes_query;
mod shapes_tokens;
mod site;
mod support;
mod tls;
mod tooling;
mod ui;
mod user_agent;
mod xml;
