//! Which resource a path names.

use axum::http::Method;

use super::response::{Response, Result};
use super::rest_request::RestRequest;
use super::{
    actions, approvals, batch, bulk, collections, collections_read, composite, data360, describe,
    external_id, graph, graphql, limits, named_query, parameterized, query, quick_actions, recent, records,
    search, tree, ui, versions,
};
use crate::data::{ApiError, Inner};

type Handler = fn(&RestRequest<'_>, &mut Inner) -> Result;

/// Handles a request below a version.
pub(super) fn dispatch(request: &RestRequest<'_>, data: &mut Inner) -> Response {
    let path: Vec<&str> = request.path.iter().map(String::as_str).collect();
    match handler(request.method.as_str(), &path) {
        Some(handler) => handler(request, data).unwrap_or_else(Response::from),
        None => not_handled(&request.method, &path),
    }
}

fn handler(method: &str, path: &[&str]) -> Option<Handler> {
    Some(match (method, path) {
        ("GET", []) => versions::resources,
        ("GET", ["query"] | ["tooling", "query"]) => query::query,
        ("GET", ["queryAll"]) => query::query_all,
        ("GET", ["query" | "queryAll", _] | ["tooling", "query", _]) => query::next,
        ("GET", ["limits"]) => limits::limits,
        ("GET", ["recent"]) => recent::recent,
        ("GET", ["search"]) => search::search,
        ("GET" | "POST", ["parameterizedSearch"]) => parameterized::search,
        ("GET", ["sobjects"] | ["tooling", "sobjects"]) => describe::global,
        ("GET", ["sobjects", _] | ["tooling", "sobjects", _]) => describe::basic,
        ("POST", ["sobjects", _]) => records::create,
        ("GET", ["sobjects", _, "describe"] | ["tooling", "sobjects", _, "describe"]) => describe::full,
        ("GET" | "POST", ["tooling", "executeAnonymous"]) => describe::execute_anonymous,
        ("GET", ["sobjects", _, "updated"]) => recent::updated,
        ("GET", ["sobjects", _, "deleted"]) => recent::deleted,
        ("GET", ["actions"]) => actions::kinds,
        ("GET", ["actions", "standard"] | ["actions", "custom", _]) => actions::list,
        ("GET", ["actions", "standard", _] | ["actions", "custom", _, _]) => actions::describe,
        ("POST", ["actions", "standard", _] | ["actions", "custom", _, _]) => actions::run,
        ("GET", ["quickActions"] | ["sobjects", _, "quickActions"]) => quick_actions::list,
        ("POST", ["quickActions", _] | ["sobjects", _, "quickActions", _]) => quick_actions::run,
        (
            "GET",
            ["quickActions", _, "defaultValues"]
            | ["sobjects", _, "quickActions", _, "defaultValues"]
            | ["sobjects", _, "quickActions", _, "defaultValues", _],
        ) => quick_actions::defaults,
        ("GET", ["named", "query", _]) => named_query::run,
        ("GET", ["process", "approvals"]) => approvals::list,
        ("POST", ["process", "approvals"]) => approvals::run,
        ("GET", ["sobjects", _, _]) => records::retrieve,
        ("PATCH", ["sobjects", _, _]) => records::update,
        ("DELETE", ["sobjects", _, _]) => records::delete,
        ("GET", ["sobjects", _, _, _]) => external_id::retrieve,
        ("PATCH", ["sobjects", _, _, _]) => external_id::upsert,
        ("DELETE", ["sobjects", _, _, _]) => external_id::delete,
        ("GET", ["ui-api", "object-info", _]) => ui::object_info,
        ("GET", ["ui-api", "object-info", _, "picklist-values", _]) => ui::picklists,
        ("GET", ["ui-api", "object-info", _, "picklist-values", _, _]) => ui::picklist,
        ("GET", ["ui-api", "layout", _]) => ui::layout,
        ("GET", ["ui-api", "record-defaults", "create", _]) => ui::defaults,
        ("POST", ["ssot", "query-sql"]) => data360::create,
        ("GET", ["ssot", "query-sql", _]) => data360::show,
        ("GET", ["ssot", "query-sql", _, "rows"]) => data360::rows,
        ("DELETE", ["ssot", "query-sql", _]) => data360::cancel,
        ("POST", ["graphql"]) => graphql::graphql,
        ("POST", ["composite"]) => composite::composite,
        ("POST", ["composite", "batch"]) => batch::batch,
        ("POST", ["composite", "graph"]) => graph::graph,
        ("POST", ["composite", "tree", _]) => tree::tree,
        ("POST", ["composite", "sobjects"]) => collections::create,
        ("PATCH", ["composite", "sobjects"]) => collections::update,
        ("DELETE", ["composite", "sobjects"]) => collections::delete,
        ("PATCH", ["composite", "sobjects", _, _]) => collections::upsert,
        ("GET" | "POST", ["composite", "sobjects", _]) => collections_read::retrieve,
        ("POST", ["jobs", "ingest"]) => bulk::ingest::create,
        ("GET", ["jobs", "ingest"]) => bulk::ingest::list,
        ("GET", ["jobs", "ingest", _]) => bulk::ingest::show,
        ("PATCH", ["jobs", "ingest", _]) => bulk::ingest::change,
        ("DELETE", ["jobs", "ingest", _]) => bulk::ingest::delete,
        ("PUT", ["jobs", "ingest", _, "batches"]) => bulk::ingest::upload,
        ("GET", ["jobs", "ingest", _, "successfulResults"]) => bulk::ingest::successful,
        ("GET", ["jobs", "ingest", _, "failedResults"]) => bulk::ingest::failed,
        ("GET", ["jobs", "ingest", _, "unprocessedrecords"]) => bulk::ingest::unprocessed,
        ("POST", ["jobs", "query"]) => bulk::query::create,
        ("GET", ["jobs", "query"]) => bulk::query::list,
        ("GET", ["jobs", "query", _]) => bulk::query::show,
        ("PATCH", ["jobs", "query", _]) => bulk::query::change,
        ("DELETE", ["jobs", "query", _]) => bulk::query::delete,
        ("GET", ["jobs", "query", _, "results"]) => bulk::query::results,
        ("GET", ["jobs", "query", _, "resultPages"]) => bulk::query::result_pages,
        _ => return None,
    })
}

/// 405 with what is allowed, or 404 when nothing is.
fn not_handled(method: &Method, path: &[&str]) -> Response {
    let allowed: Vec<&str> = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]
        .into_iter()
        .filter(|method| handler(if *method == "HEAD" { "GET" } else { method }, path).is_some())
        .collect();
    if allowed.is_empty() {
        return ApiError::not_found().into();
    }
    let message = format!("HTTP Method '{method}' not allowed. Allowed are {}", allowed.join(","));
    Response::error(405, "METHOD_NOT_ALLOWED", &message)
}
