//! [`LogName`]: a path without the values in it, for logs.

use std::fmt;

/// See [`ResourcePath::log_name`](super::ResourcePath::log_name).
pub(crate) struct LogName<'a>(pub(super) &'a str);

/// The words in the paths of the developer guides: REST API, Bulk API 2.0, Apex REST, Data 360 queries, Agent API. Any
/// other segment may be a value.
const WORDS: &[&str] = &[
    "a360",
    "actions",
    "agents",
    "ai-agent",
    "analytics",
    "apex",
    "apexrest",
    "api",
    "approvals",
    "batch",
    "batches",
    "chatter",
    "compactLayouts",
    "composite",
    "connect",
    "create",
    "custom",
    "data",
    "defaultValues",
    "deleted",
    "describe",
    "einstein",
    "failedResults",
    "flow",
    "graph",
    "graphql",
    "id",
    "ingest",
    "jobs",
    "layout",
    "layouts",
    "limits",
    "listviews",
    "messages",
    "named",
    "oauth2",
    "object-info",
    "parameterizedSearch",
    "picklist-values",
    "process",
    "query",
    "query-sql",
    "queryAll",
    "quickAction",
    "quickActions",
    "recent",
    "record-defaults",
    "reports",
    "results",
    "rows",
    "rules",
    "search",
    "services",
    "sessions",
    "singleaccess",
    "sobjects",
    "ssot",
    "standard",
    "stream",
    "successfulResults",
    "tabs",
    "theme",
    "token",
    "tooling",
    "tree",
    "ui-api",
    "unprocessedrecords",
    "updated",
    "userinfo",
];

impl fmt::Display for LogName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_version =
            |segment: &str| segment.strip_prefix('v').is_some_and(|rest| rest.parse::<f32>().is_ok());
        let is_name =
            |segment: &str| segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let mut before = "";
        for segment in self.0.split('/').skip(1) {
            let is_known = match before {
                // The name of an object, standard or custom.
                "sobjects" | "tree" => is_name(segment),
                "data" => is_version(segment),
                _ => WORDS.binary_search(&segment).is_ok(),
            };
            write!(f, "/{}", if is_known || segment.is_empty() { segment } else { "{}" })?;
            // A word counts only after another one: what follows a value is not the name of an object.
            before = if is_known { segment } else { "" };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::{request::path::ResourcePath, version::ApiVersion};

    #[test]
    fn the_log_name_contains_no_value() {
        assert!(WORDS.is_sorted());
        for (path, resource) in [
            ("query?q=SELECT+Id+FROM+Account", "/services/data/v66.0/query"),
            ("query/01gx0-2000", "/services/data/v66.0/query/{}"),
            ("sobjects/Account/001x00000012345AAA", "/services/data/v66.0/sobjects/Account/{}"),
            ("sobjects/Account/Code__c/a%40b.example", "/services/data/v66.0/sobjects/Account/{}/{}"),
            ("sobjects/Account/describe/", "/services/data/v66.0/sobjects/Account/describe/"),
            ("composite/sobjects/Account", "/services/data/v66.0/composite/sobjects/Account"),
            ("composite/tree/Account", "/services/data/v66.0/composite/tree/Account"),
            ("jobs/ingest/750x/batches", "/services/data/v66.0/jobs/ingest/{}/batches"),
            ("graphql", "/services/data/v66.0/graphql"),
            ("actions/custom/flow/Discount", "/services/data/v66.0/actions/custom/flow/{}"),
            ("named/query/ByName?name=Ada", "/services/data/v66.0/named/query/{}"),
            ("process/approvals", "/services/data/v66.0/process/approvals"),
            ("ui-api/layout/Account", "/services/data/v66.0/ui-api/layout/{}"),
            ("ssot/query-sql/q-1/rows?offset=3", "/services/data/v66.0/ssot/query-sql/{}/rows"),
            ("/services/a360/token", "/services/a360/token"),
            ("/api/v2/query/b-1", "/api/{}/query/{}"),
            (
                "/einstein/ai-agent/v1/agents/0XxKa0000000001KAA/sessions",
                "/einstein/ai-agent/{}/agents/{}/sessions",
            ),
            (
                "/einstein/ai-agent/v1/sessions/8e7/messages/stream",
                "/einstein/ai-agent/{}/sessions/{}/messages/stream",
            ),
            ("/services/apexrest/orders/4711?email=x", "/services/apexrest/{}/{}"),
            ("/001x00000012345AAA", "/{}"),
            ("/", "/"),
        ] {
            let instance = Url::parse("https://acme.my.salesforce.com").unwrap();
            let path = ResourcePath::parse(path, ApiVersion::CURRENT, &instance).unwrap();
            assert_eq!(path.log_name().to_string(), resource);
        }
    }
}
