//! Invalid and hostile responses to every request (A-27, A-28, A-33, A-34 of the threat model).
//!
//! Each must be a specific error, in bounded time and memory, which repeats nothing of the response.
//!
//! The operations of the whole client are listed here; the modules run them against hostile responses.

mod bodies;
#[cfg(feature = "bulk")]
mod bulk;
#[cfg(feature = "bulk")]
mod jobs;
mod transport;

use std::{io::Write as _, pin::Pin};

use serde::Deserialize;

use crate::tests::*;
use crate::{error::Error, query::soql::date::SoqlDateTime, request::retry::Retry};

pub(super) const ID: &str = "001D000000IqhSLIAZ";
const RECORD_TYPE: &str = "012D000000IqhSLIAZ";
const AGENT: &str = "0XxKa0000000001KAA";

#[derive(Deserialize)]
#[allow(dead_code, reason = "read by serde only")]
pub(super) struct Row {
    #[serde(rename = "Name")]
    name: String,
}

type OperationFuture = Pin<Box<dyn Future<Output = crate::error::Result<()>> + Send>>;
pub(super) type Operation = fn(Connection) -> OperationFuture;

macro_rules! operations {
    ($($name:literal: $sf:ident => $method:expr;)*) => {
        [$(($name, (|$sf: Connection| Box::pin(async move { $method.await.map(drop) })) as Operation)),*]
    };
}

#[cfg(feature = "bulk")]
pub(super) use operations;

/// Returns every operation that reads the body of its response.
fn operations_with_body() -> impl Iterator<Item = (&'static str, Operation)> {
    let operations = operations! {
        "query": sf => sf.query::<Row>("SELECT Name FROM A").fetch_all();
        "one row": sf => sf.query::<Row>("SELECT Name FROM A").fetch_one();
        "one row, perhaps": sf => sf.query::<Row>("SELECT Name FROM A").fetch_optional();
        "count": sf => sf.query::<()>("SELECT COUNT() FROM A").count();
        "explain": sf => sf.query::<()>("SELECT Name FROM A").explain();
        "in parts": sf => sf.query::<Row>("SELECT Name FROM A WHERE N IN :n").bind_chunked("n", ["x"]).fetch_all();
        "count in parts": sf => sf.query::<()>("SELECT COUNT() FROM A WHERE N IN :n").bind_chunked("n", ["x"]).count();
        "first page": sf => sf.query::<Row>("SELECT Name FROM A").page();
        "a page": sf => async move { sf.page::<Row>(&format!("{}-2", CURSOR).parse()?).await };
        "create": sf => async move { sf.sobject("A").create(&json!({})).await };
        "retrieve": sf => async move { sf.sobject("A").retrieve::<Row>(ID).await };
        "retrieve fields": sf => async move { sf.sobject("A").retrieve_fields::<Row>(ID, &["Name"]).await };
        "upsert": sf => async move { sf.sobject("A").upsert("E__c", "x", &json!({})).await };
        "create many": sf => async move { sf.sobject("A").create_many([json!({})]).await };
        "update many": sf => async move { sf.sobject("A").update_many([(ID, json!({}))]).await };
        "upsert many": sf => async move { sf.sobject("A").upsert_many("E__c", [json!({})]).await };
        "delete many": sf => async move { sf.sobject("A").delete_many([ID]).await };
        "retrieve many": sf => async move { sf.sobject("A").retrieve_many::<Row, _>([ID], &["Name"]).await };
        "describe": sf => async move { sf.sobject("A").describe().await };
        "describe global": sf => async move { sf.describe_global().await };
        "updated": sf => async move { sf.sobject("A").updated(moment(), moment()).await };
        "deleted": sf => async move { sf.sobject("A").deleted(moment(), moment()).await };
        "recent": sf => async move { sf.recent::<Row>(5).await };
        "limits": sf => async move { sf.limits().await };
        "versions": sf => async move { sf.versions().await };
        "identity": sf => async move { sf.identity().await };
        "search": sf => sf.search("acme").fetch_all();
        "search in SOSL": sf => sf.sosl("FIND {acme}").fetch_all();
        "composite": sf => async move {
            let mut requests = sf.composite();
            requests.create("A", &json!({}))?;
            requests.send().await
        };
        "batch": sf => async move {
            let mut requests = sf.batch();
            requests.create("A", &json!({}))?;
            requests.send().await
        };
        "graph": sf => async move {
            let mut graph = crate::composite::graph::Graph::new();
            graph.create("A", &json!({}))?;
            sf.graphs([graph]).await
        };
        "tree": sf => async move {
            let mut tree = sf.tree("A")?;
            tree.add(&json!({}))?;
            tree.send().await.map_err(Error::from)
        };
        "read by external id": sf => async move { sf.sobject("A").retrieve_by::<Row>("B__c", "x", &[]).await };
        "read with its revision": sf => async move { sf.sobject("A").retrieve_revision::<Row>(ID, &[]).await };
        "read if it changed": sf => async move {
            sf.sobject("A").retrieve_if_changed::<Row>(ID, &[], &"\"x\"".parse()?).await
        };
        "update by external id": sf => async move { sf.sobject("A").update_by("B__c", "x", &json!({})).await };
        "recent of one kind": sf => async move { sf.sobject("A").recent::<Row>().await };
        "create with a file": sf => async move {
            let file = crate::records::blob::BlobUpload::new("Body", "x", "x");
            sf.sobject("A").create_with_blob(&json!({}), file).await
        };
        "frontdoor": sf => async move { sf.frontdoor_url("/x").await };
        "GraphQL": sf => sf.graphql("{ a }").fetch::<Row>();
        "GraphQL, partial": sf => sf.graphql("{ a }").fetch_partial::<Row>();
        "flow": sf => async move { sf.flow("F").run(&json!({})).await };
        "Apex action": sf => async move { sf.apex_action("A").run_many(&[json!({})]).await };
        "standard action": sf => async move { sf.standard_action("A").run(&json!({})).await };
        "actions": sf => async move { sf.actions(&crate::actions::ActionKind::Flow).await };
        "description of an action": sf => async move { sf.flow("F").describe().await };
        "quick action": sf => async move { sf.quick_action("Q").run(None, &json!({})).await };
        "defaults of a quick action": sf => async move { sf.sobject("A").quick_action("Q").defaults::<Row>(None).await };
        "quick actions": sf => async move { sf.quick_actions().await };
        "named query": sf => sf.named_query("N").page::<Row>();
        "approvals": sf => async move { sf.approvals().list().await };
        "approval": sf => async move {
            sf.approvals().send_one(crate::actions::ApprovalRequest::submit(ID)?).await
        };
        "object info": sf => async move { sf.sobject("A").object_info().await };
        "picklists": sf => async move { sf.sobject("A").picklists(RECORD_TYPE.parse()?).await };
        "picklist": sf => async move { sf.sobject("A").picklist(RECORD_TYPE.parse()?, "F").await };
        "layout": sf => async move { sf.sobject("A").layout(crate::ui::LayoutMode::Edit, None).await };
        "defaults of a record": sf => async move { sf.sobject("A").create_defaults(None).await };
        "Data 360": sf => sf.data360_query::<Row>("SELECT 1").fetch_all();
        "API host": sf => async move {
            let host = sf.api_host(sf.instance_url()?.as_str())?;
            host.request("GET", "/x").send().await?.json::<Row>()
        };
        "agent": sf => async move {
            sf.api_host(sf.instance_url()?.as_str())?.agent(AGENT.parse()?).start().await
        };
        "raw, typed": sf => async move { sf.get("x").send().await?.json::<Row>() };
    };
    operations.into_iter()
}

/// Returns the operations whose response has no body.
fn operations_without_body() -> impl Iterator<Item = (&'static str, Operation)> {
    let operations = operations! {
        "update": sf => async move { sf.sobject("A").update(ID, &json!({})).await };
        "delete by external id": sf => async move { sf.sobject("A").delete_by("B__c", "x").await };
        "delete": sf => async move { sf.sobject("A").delete(ID).await };
        "update with a file": sf => async move {
            let file = crate::records::blob::BlobUpload::new("Body", "x", "x");
            sf.sobject("A").update_with_blob(ID, &json!({}), file).await
        };
    };
    operations.into_iter()
}

const CURSOR: &str = "/services/data/v66.0/query/01gD0000002HU6KIAW";

fn moment() -> SoqlDateTime {
    std::time::SystemTime::UNIX_EPOCH.try_into().unwrap()
}

/// Returns a whole HTTP response as bytes.
pub(super) fn http_response(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let mut bytes = format!(
        "HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend(body);
    bytes
}

const JSON: &str = "Content-Type: application/json;charset=UTF-8\r\n";

/// An org that sends the same response to every request.
struct TestOrg {
    response: Arc<Mutex<Vec<u8>>>,
    sf: Connection,
}

impl TestOrg {
    async fn start() -> Self {
        let response = Arc::new(Mutex::new(Vec::new()));
        let bytes = Arc::clone(&response);
        let server = Server::start(move |_| Reply::Raw(bytes.lock().unwrap().clone())).await;
        let sf = connect(&server);
        Self { response, sf }
    }

    /// Runs an operation whose requests get this response.
    async fn outcome(&self, operation: Operation, response: Vec<u8>) -> crate::error::Result<()> {
        *self.response.lock().unwrap() = response;
        let retry = Retry::default().initial_backoff(Duration::from_millis(1));
        operation(self.sf.with_timeout(Duration::from_secs(10)).with_retry(retry)).await
    }
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Checks that the texts of an error repeat nothing of the response, and that it does not end the login.
pub(super) fn assert_nothing_leaks(name: &str, what: &str, error: &Error) {
    let printed = format!("{error} {error:?}");
    assert!(!printed.contains("canary"), "{name}, {what}: {printed}");
    assert!(!error.needs_login(), "{name}, {what}: {printed}");
}
