//! Composites side by side, each all or none.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    composite::{
        SubAnswers, SubCall, check, check_ids, get, post,
        reference::{Calls, Reference, ToTarget},
        sub_calls,
        subrequest::{Subrequest, calls},
    },
    connection::Connection,
    error::{InvalidRequest, InvalidResponse, Result},
    id::SalesforceId,
    query::{Page, Query},
    records::save_result::SavedRecord,
};

/// How many graphs go into one call, and how many calls they may have together.
const MAX_GRAPHS: usize = 75;
const MAX_NODES: usize = 500;

/// Up to 500 calls that are done all or none, and may use what earlier ones gave, in chains of 15 at most: see
/// [`Connection::graphs`].
#[derive(Debug)]
#[must_use = "nothing is sent before it is given to `Connection::graphs`"]
pub struct Graph(Calls);

/// The answers of [`Connection::graphs`].
#[derive(Debug)]
pub struct GraphResponse(Vec<GraphAnswer>);

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GraphAnswer {
    graph_id: String,
    graph_response: SubAnswers,
    is_successful: bool,
}

impl Default for Graph {
    fn default() -> Self {
        Self::new()
    }
}

calls! { Graph gives Reference }

impl Graph {
    /// A graph without calls.
    pub fn new() -> Self {
        Self(Calls::new())
    }

    /// Adds a call.
    ///
    /// # Errors
    /// [`InvalidRequest::TooManyCalls`] above 500; [`InvalidRequest::Reference`] for a reference to no earlier call of
    /// this graph.
    pub fn add<T>(&mut self, call: Subrequest<T>) -> Result<Reference<T>> {
        self.0.add(call, MAX_NODES)
    }
}

impl Connection {
    /// Sends graphs of calls: each is done all or none, whatever becomes of the others. They are up to 75, with 500
    /// calls together, and count as one against the API limit. Needs API version 50.0.
    ///
    /// ```
    /// # mod fake_org { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/doctest.rs")); }
    /// # fake_org::connected(async |sf| {
    /// use salesforce_connection::composite::Graph;
    /// use serde_json::json;
    ///
    /// let mut acme = Graph::new();
    /// let account = acme.create("Account", &json!({ "Name": "Acme" }))?;
    /// acme.create("Contact", &json!({ "LastName": "Lovelace", "AccountId": account.id() }))?;
    /// let mut other = Graph::new();
    /// other.upsert("Account", "ExternalKey__c", "A-17", &json!({ "Name": "Other" }))?;
    /// let answers = sf.graphs([acme, other]).await?;
    /// for outcome in answers.outcomes() {
    ///     outcome?;
    /// }
    /// println!("{}", answers.get(&account)?);
    /// # Ok(()) });
    /// ```
    ///
    /// It is sent once when a call in it must not be done twice.
    ///
    /// # Errors
    /// [`InvalidRequest::TooManyCalls`] above 75 graphs or 500 calls; otherwise as
    /// [`RawRequest::send`](crate::request::raw::RawRequest::send).
    pub async fn graphs(&self, graphs: impl IntoIterator<Item = Graph>) -> Result<GraphResponse> {
        #[derive(Serialize)]
        struct Whole<'a> {
            graphs: Vec<One<'a>>,
        }
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct One<'a> {
            graph_id: &'a str,
            composite_request: Vec<SubCall<'a>>,
        }
        #[derive(Deserialize)]
        struct Response {
            graphs: Vec<GraphAnswer>,
        }
        let graphs: Vec<Graph> = graphs.into_iter().filter(|graph| !graph.0.list.is_empty()).collect();
        if graphs.is_empty() {
            return Ok(GraphResponse(Vec::new()));
        }
        if graphs.len() > MAX_GRAPHS {
            return Err(InvalidRequest::TooManyCalls { limit: MAX_GRAPHS }.into());
        }
        if graphs.iter().map(|graph| graph.0.list.len()).sum::<usize>() > MAX_NODES {
            return Err(InvalidRequest::TooManyCalls { limit: MAX_NODES }.into());
        }
        let all = graphs.iter().map(|graph| {
            Ok(One { graph_id: graph.0.id()?, composite_request: sub_calls(&graph.0, self.api_version())? })
        });
        let whole = Whole { graphs: all.collect::<Result<_>>()? };
        let harmless = graphs.iter().flat_map(|graph| &graph.0.list).all(|call| call.harmless);
        let answer: Response = post(self, "composite/graph", &whole, harmless).await?;
        if answer.graphs.len() != graphs.len() {
            return Err(InvalidResponse::Unexpected("the answers do not fit the graphs").into());
        }
        for (answer, graph) in answer.graphs.iter().zip(&graphs) {
            if answer.graph_id != graph.0.id()? {
                return Err(InvalidResponse::Unexpected("the answers do not fit the graphs").into());
            }
            check_ids(&answer.graph_response, &graph.0)?;
        }
        Ok(GraphResponse(answer.graphs))
    }
}

impl GraphResponse {
    /// What a call gave, as [`CompositeAnswers::get`](crate::composite::CompositeAnswers::get).
    ///
    /// # Errors
    /// As there.
    pub fn get<T>(&self, call: &Reference<T>) -> Result<T> {
        let of_call = |graph: &&GraphAnswer| call.id.starts_with(&graph.graph_id);
        let graph = self.0.iter().find(of_call);
        get(graph.map_or(&[], |graph| &graph.graph_response.composite_response), call)
    }

    /// How each graph went, in the order of those that had calls: done, or what Salesforce said about the first call
    /// that was refused for a reason of its own.
    pub fn outcomes(&self) -> impl Iterator<Item = Result<()>> {
        self.0.iter().map(|graph| {
            check(&graph.graph_response.composite_response)?;
            if graph.is_successful {
                Ok(())
            } else {
                Err(InvalidResponse::Unexpected("a graph that failed without an error").into())
            }
        })
    }
}
