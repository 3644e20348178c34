//! The calls of the API: who may call, and the calls with one response.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::ready;
use futures_util::{Stream, StreamExt as _};
use hyper::body::{Body as HttpBody, Frame, Incoming};
use tonic::body::Body;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::server::Grpc;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;
use tower::service_fn;

use super::fault::Kind;
use super::log::{Logged, Topic, replay_id};
use super::messages::{
    FetchRequest, PublishRequest, PublishResponse, PublishResult, SchemaInfo, SchemaRequest, TopicInfo,
    TopicRequest,
};
use super::stream;
use crate::base::{ids, random};
use crate::state::Org;

/// Most events of a publish request. Source: Pub/Sub API documentation, "Publish RPC Method".
const MOST_EVENTS: usize = 200;
/// Most bytes of a message.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Handles one call.
pub(crate) async fn respond(
    org: Arc<Org>,
    request: http::Request<Incoming>,
) -> http::Response<ResettableBody> {
    let method = request.uri().path().strip_prefix("/eventbus.v1.PubSub/").unwrap_or_default().to_owned();
    org.pubsub.count(&method);
    let reset = Arc::new(AtomicBool::new(false));
    let response = match method.as_str() {
        "GetTopic" => {
            let call = service_fn(move |request: Request<TopicRequest>| ready(get_topic(&org, &request)));
            Grpc::new(ProstCodec::<TopicInfo, TopicRequest>::default()).unary(call, request).await
        }
        "GetSchema" => {
            let call = service_fn(move |request: Request<SchemaRequest>| ready(get_schema(&org, &request)));
            Grpc::new(ProstCodec::<SchemaInfo, SchemaRequest>::default()).unary(call, request).await
        }
        "Publish" => {
            let call = service_fn(move |request: Request<PublishRequest>| {
                let caller = caller(&org, request.metadata());
                let response = caller.and_then(|_| publish(&org, request.into_inner()));
                ready(response.map(Response::new))
            });
            let codec = ProstCodec::<PublishResponse, PublishRequest>::default();
            Grpc::new(codec).max_decoding_message_size(MOST_BYTES).unary(call, request).await
        }
        "PublishStream" => {
            let call = service_fn(move |request: Request<Streaming<PublishRequest>>| {
                let caller = caller(&org, request.metadata());
                ready(caller.map(|_| Response::new(publish_each(Arc::clone(&org), request.into_inner()))))
            });
            let codec = ProstCodec::<PublishResponse, PublishRequest>::default();
            Grpc::new(codec).max_decoding_message_size(MOST_BYTES).streaming(call, request).await
        }
        "Subscribe" => {
            let on_reset = Arc::clone(&reset);
            let call = service_fn(move |request: Request<Streaming<FetchRequest>>| {
                let caller = caller(&org, request.metadata());
                let events = caller
                    .map(|_| stream::open(Arc::clone(&org), request.into_inner(), Arc::clone(&on_reset)));
                ready(events.map(Response::new))
            });
            Grpc::new(ProstCodec::default()).streaming(call, request).await
        }
        _ => Status::unimplemented("no such method").into_http(),
    };
    response.map(|body| ResettableBody { body, reset })
}

/// Returns an error as Salesforce does: its code is in the metadata.
pub(super) fn refusal(status: Code, code: &str, message: &str) -> Status {
    let rpc_id = random::plain(20);
    let mut refusal = Status::new(status, format!("{message} rpcId: {rpc_id}"));
    if !code.is_empty() {
        let values = [("error-code", format!("sfdc.platform.eventbus.grpc.{code}")), ("rpc-id", rpc_id)];
        for (name, value) in values {
            if let Ok(value) = MetadataValue::try_from(value) {
                refusal.metadata_mut().insert(name, value);
            }
        }
    }
    refusal
}

/// The error of a fault.
pub(super) fn fault_status(status: i32, code: &str) -> Status {
    refusal(Code::from_i32(status), code, "A fault on demand.")
}

/// Returns the id of the user who calls.
fn caller(org: &Org, metadata: &MetadataMap) -> Result<String, Status> {
    let get = |name: &str| metadata.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let now = org.clock.now();
    let is_here = get("instanceurl") == org.origins().current_instance()
        && ids::normalize(get("tenantid")).as_deref() == Some(org.organization_id().as_str());
    if !is_here {
        return Err(refusal(
            Code::Unauthenticated,
            "service.auth.headers.invalid",
            "The instanceurl or the tenantid header is invalid.",
        ));
    }
    let session = org.auth(|auth| auth.use_session(now, get("accesstoken")));
    session.map(|(user, _)| user.id).ok_or_else(|| {
        refusal(Code::Unauthenticated, "service.auth.error", "An authentication exception occurred.")
    })
}

fn struck(org: &Org, method: &str) -> Result<(), Status> {
    match org.pubsub.faults.strike(method, 0) {
        Some(Kind::Status { status, code }) => Err(fault_status(status, &code)),
        _ => Ok(()),
    }
}

/// Finds a topic by its name, or says that there is none.
pub(super) fn topic(org: &Org, name: &str) -> Result<Topic, Status> {
    if name.is_empty() {
        return Err(refusal(Code::InvalidArgument, "topic.validation.empty", "The topic name is empty."));
    }
    org.pubsub.log.topic(name).ok_or_else(|| {
        let org = org.organization_id();
        let message =
            format!("The topic information for org CORE/prod/{org} and topic {name} not found or you don't have access to it.");
        refusal(Code::NotFound, "topic.not.found", &message)
    })
}

fn get_topic(org: &Org, request: &Request<TopicRequest>) -> Result<Response<TopicInfo>, Status> {
    struck(org, "GetTopic")?;
    caller(org, request.metadata())?;
    let name = &request.get_ref().topic_name;
    let topic = topic(org, name)?;
    Ok(Response::new(TopicInfo {
        topic_name: name.clone(),
        tenant_guid: format!("CORE/prod/{}", org.organization_id()),
        can_publish: matches!(topic, Topic::Platform(_)),
        can_subscribe: true,
        schema_id: org.pubsub.log.schema_id(&topic).unwrap_or_default(),
        rpc_id: random::plain(20),
    }))
}

fn get_schema(org: &Org, request: &Request<SchemaRequest>) -> Result<Response<SchemaInfo>, Status> {
    struck(org, "GetSchema")?;
    caller(org, request.metadata())?;
    let id = &request.get_ref().schema_id;
    if id.is_empty() {
        return Err(refusal(
            Code::InvalidArgument,
            "schema.validation.failed",
            "The schema ID can't be blank.",
        ));
    }
    // The status is unverified.
    let schema_json = org.pubsub.log.schema(id).ok_or_else(|| {
        refusal(Code::InvalidArgument, "schema.validation.failed", "There is no schema with this ID.")
    })?;
    Ok(Response::new(SchemaInfo { schema_json, schema_id: id.clone(), rpc_id: random::plain(20) }))
}

/// Publishes events without a look at their data, as Salesforce does.
fn publish(org: &Org, request: PublishRequest) -> Result<PublishResponse, Status> {
    struck(org, "Publish")?;
    let PublishRequest { topic_name, events, auth_refresh } = request;
    if !auth_refresh.is_empty() {
        return Err(refusal(
            Code::InvalidArgument,
            "publish.auth.refresh.invalid",
            "auth_refresh is reserved.",
        ));
    }
    if events.is_empty() || events.len() > MOST_EVENTS {
        return Err(refusal(
            Code::InvalidArgument,
            "publish.event.count.invalid",
            "The number of events is invalid.",
        ));
    }
    let log = &org.pubsub.log;
    let Topic::Platform(name) = topic(org, &topic_name)? else {
        return Err(refusal(
            Code::PermissionDenied,
            "topic.meta.permission",
            "The topic can't be published to.",
        ));
    };
    let now = org.clock.now();
    let results = events.into_iter().map(|event| {
        let logged = Logged {
            name: name.clone(),
            id: event.id.clone(),
            schema_id: event.schema_id,
            payload: event.payload,
        };
        let replay_id = replay_id(log.publish(now, logged));
        PublishResult { replay_id, error: None, correlation_key: event.id }
    });
    let results = results.collect();
    let schema_id = log.schema_id(&Topic::Platform(name)).unwrap_or_default();
    Ok(PublishResponse { results, schema_id, rpc_id: random::plain(20) })
}

/// Publishes the events of each request of a stream, which ends with the first that is refused. What Salesforce does with
/// the requests after that is unverified.
fn publish_each(
    org: Arc<Org>,
    requests: Streaming<PublishRequest>,
) -> impl Stream<Item = Result<PublishResponse, Status>> + Send {
    requests.map(move |request| publish(&org, request?))
}

/// A body that can be reset (RST_STREAM) in place of its trailers.
#[derive(Debug)]
pub(crate) struct ResettableBody {
    body: Body,
    reset: Arc<AtomicBool>,
}

impl HttpBody for ResettableBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        let is_end = matches!(&frame, Poll::Ready(None))
            || matches!(&frame, Poll::Ready(Some(Ok(frame))) if frame.is_trailers());
        if is_end && self.reset.load(Ordering::SeqCst) {
            return Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::ConnectionReset, "reset on order"))));
        }
        frame.map_err(io::Error::other)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
