//! The messages of the Pub/Sub API.
//!
//! Source: `pubsub_api.proto` of forcedotcom/pub-sub-api (CC0 1.0), package `eventbus.v1`.

use bytes::Bytes;
use prost::Message;

pub(crate) const GET_TOPIC: &str = "/eventbus.v1.PubSub/GetTopic";
pub(crate) const GET_SCHEMA: &str = "/eventbus.v1.PubSub/GetSchema";
pub(crate) const SUBSCRIBE: &str = "/eventbus.v1.PubSub/Subscribe";
pub(crate) const PUBLISH: &str = "/eventbus.v1.PubSub/Publish";

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TopicRequest {
    #[prost(string, tag = "1")]
    pub(crate) topic_name: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TopicInfo {
    #[prost(string, tag = "1")]
    pub(crate) topic_name: String,
    #[prost(string, tag = "2")]
    pub(crate) tenant_guid: String,
    #[prost(bool, tag = "3")]
    pub(crate) can_publish: bool,
    #[prost(bool, tag = "4")]
    pub(crate) can_subscribe: bool,
    /// Empty for a channel with events of several kinds.
    #[prost(string, tag = "5")]
    pub(crate) schema_id: String,
    #[prost(string, tag = "6")]
    pub(crate) rpc_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SchemaRequest {
    #[prost(string, tag = "1")]
    pub(crate) schema_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SchemaInfo {
    #[prost(string, tag = "1")]
    pub(crate) schema_json: String,
    #[prost(string, tag = "2")]
    pub(crate) schema_id: String,
    #[prost(string, tag = "3")]
    pub(crate) rpc_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ProducerEvent {
    #[prost(string, tag = "1")]
    pub(crate) id: String,
    #[prost(string, tag = "2")]
    pub(crate) schema_id: String,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) payload: Bytes,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ConsumerEvent {
    #[prost(message, optional, tag = "1")]
    pub(crate) event: Option<ProducerEvent>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) replay_id: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum ReplayPreset {
    Latest = 0,
    Earliest = 1,
    Custom = 2,
}

/// The field `auth_refresh` is Salesforce's own and stays empty.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct FetchRequest {
    #[prost(string, tag = "1")]
    pub(crate) topic_name: String,
    #[prost(enumeration = "ReplayPreset", tag = "2")]
    pub(crate) replay_preset: i32,
    #[prost(bytes = "bytes", tag = "3")]
    pub(crate) replay_id: Bytes,
    #[prost(int32, tag = "4")]
    pub(crate) num_requested: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct FetchResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) events: Vec<ConsumerEvent>,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) latest_replay_id: Bytes,
    #[prost(string, tag = "3")]
    pub(crate) rpc_id: String,
    #[prost(int32, tag = "4")]
    pub(crate) pending_num_requested: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PublishRequest {
    #[prost(string, tag = "1")]
    pub(crate) topic_name: String,
    #[prost(message, repeated, tag = "2")]
    pub(crate) events: Vec<ProducerEvent>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PublishResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) results: Vec<PublishResult>,
    #[prost(string, tag = "2")]
    pub(crate) schema_id: String,
    #[prost(string, tag = "3")]
    pub(crate) rpc_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct PublishResult {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) replay_id: Bytes,
    #[prost(message, optional, tag = "2")]
    pub(crate) error: Option<PublishFault>,
    #[prost(string, tag = "3")]
    pub(crate) correlation_key: String,
}

/// `Error` of the API. Its codes say only in which step it failed: 0 unknown, 1 publish, 2 commit.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct PublishFault {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) msg: String,
}
