//! The calls of the Pub/Sub API, with the token of a connection.

use std::{sync::Arc, time::Duration};

use futures_util::{FutureExt as _, Stream, future::BoxFuture};
use http::{HeaderMap, HeaderName, HeaderValue, uri::PathAndQuery};
use prost::Message;
use tonic::{Request, Streaming, client::Grpc, metadata::MetadataMap};
use tonic_prost::ProstCodec;

use super::{
    channel::Channel,
    messages::{self, FetchRequest, FetchResponse, SchemaInfo, SchemaRequest, TopicInfo, TopicRequest},
    status::{CallError, PubSubError, Reaction},
};
use crate::{
    connection::Connection,
    error::{Error, Result},
    events::{avro::Schema, error::DecodeError, event::EventSchema},
    token::AccessToken,
};

/// Largest response in bytes. Salesforce allows 1 MB for an event and 100 events in a response; how it splits them is
/// unverified, and 4 MB is the usual limit of gRPC.
const MAX_RESPONSE_BYTES: usize = 16 * 1024 * 1024;

/// Calls the Pub/Sub API as the user of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Calls {
    connection: Connection,
}

impl Calls {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    fn grpc(&self) -> Result<Grpc<Channel>> {
        let pubsub = self.connection.client().pubsub();
        let channel = pubsub.channel(self.connection.http())?;
        let grpc = Grpc::with_origin(channel, pubsub.endpoint().origin().clone());
        Ok(grpc.max_decoding_message_size(MAX_RESPONSE_BYTES))
    }

    /// The metadata of each call. Source: Pub/Sub API documentation, "Supported Authentication".
    fn metadata(&self, token: &AccessToken) -> MetadataMap {
        let mut headers = HeaderMap::new();
        let bearer = token.authorization().as_bytes();
        let values = [
            ("accesstoken", HeaderValue::from_bytes(bearer.strip_prefix(b"Bearer ").unwrap_or(bearer))),
            ("instanceurl", HeaderValue::from_str(&token.instance_url().origin().ascii_serialization())),
            ("tenantid", HeaderValue::from_str(&self.connection.organization_id().to_string())),
        ];
        for (name, value) in values {
            // They are parts of a valid header, of a URL and of an id.
            if let Ok(mut value) = value {
                value.set_sensitive(name == "accesstoken");
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        MetadataMap::from_headers(headers)
    }

    fn request<M>(&self, token: &AccessToken, message: M) -> Request<M> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.metadata(token);
        request
    }

    /// Sends a call with one response. A rejected token is refreshed once.
    pub(crate) async fn unary<M, R>(&self, method: &'static str, message: M) -> Result<R>
    where
        M: Message + Clone + 'static,
        R: Message + Default + 'static,
    {
        let mut token = self.connection.token_source().token()?;
        let mut is_refreshed = false;
        loop {
            match self.unary_with(&token, method, message.clone()).await? {
                Ok(response) => return Ok(response),
                Err(CallError::Rejected(call)) if call.reaction() == Reaction::RefreshToken => {
                    match self.next_token(&token, is_refreshed).await? {
                        Some(fresh) => token = fresh,
                        None => return Err(PubSubError::Rejected(Box::new(call)).into()),
                    }
                    is_refreshed = true;
                }
                Err(error) => return Err(PubSubError::from(error).into()),
            }
        }
    }

    async fn unary_with<M, R>(
        &self,
        token: &AccessToken,
        method: &'static str,
        message: M,
    ) -> Result<Result<R, CallError>>
    where
        M: Message + 'static,
        R: Message + Default + 'static,
    {
        let request = self.request(token, message);
        let mut grpc = self.grpc()?;
        let call = grpc.unary(request, PathAndQuery::from_static(method), ProstCodec::<M, R>::default());
        Ok(match tokio::time::timeout(self.connection.timeout(), call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(status.into()),
            Err(elapsed) => Err(CallError::Transport(Box::new(elapsed))),
        })
    }

    /// Returns the token to use after one was rejected; `None` if another would not help.
    ///
    /// # Errors
    /// [`Error::LoginRequired`] if the login has ended.
    pub(crate) async fn next_token(
        &self,
        rejected: &Arc<AccessToken>,
        is_refreshed: bool,
    ) -> Result<Option<Arc<AccessToken>>> {
        if !is_refreshed {
            return Ok(self.connection.refreshed(rejected).await?);
        }
        if self.connection.token_source().is_revoked().await {
            return Err(Error::LoginRequired);
        }
        self.connection.token_source().rejected_again(rejected).await;
        Ok(None)
    }

    pub(crate) async fn topic(&self, topic: &str) -> Result<TopicInfo> {
        self.unary(messages::GET_TOPIC, TopicRequest { topic_name: topic.to_owned() }).await
    }

    /// Returns a schema, from the cache of the client if it is there.
    pub(crate) async fn schema(&self, id: &str) -> Result<Arc<EventSchema>, SchemaError> {
        let fetch = async {
            let request = SchemaRequest { schema_id: id.to_owned() };
            let SchemaInfo { schema_json, .. } =
                self.unary(messages::GET_SCHEMA, request).await.map_err(SchemaError::of_call)?;
            let schema = Schema::parse(&schema_json).map_err(|error| SchemaError::Event(error.into()))?;
            Ok(EventSchema { id: id.to_owned(), schema })
        };
        let schemas = self.connection.client().pubsub().schemas();
        schemas.get(self.connection.organization_id(), id, fetch).await
    }

    /// Opens a stream. `deadline` is for the head of its response, which may come with the first events only.
    pub(crate) fn subscribe<S>(
        &self,
        token: &AccessToken,
        requests: S,
        deadline: Duration,
    ) -> BoxFuture<'static, Result<Result<Streaming<FetchResponse>, CallError>>>
    where
        S: Stream<Item = FetchRequest> + Send + 'static,
    {
        let request = self.request(token, requests);
        let grpc = self.grpc();
        async move {
            let mut grpc = grpc?;
            let codec = ProstCodec::<FetchRequest, FetchResponse>::default();
            let call = grpc.streaming(request, PathAndQuery::from_static(messages::SUBSCRIBE), codec);
            Ok(match tokio::time::timeout(deadline, call).await {
                Ok(Ok(response)) => Ok(response.into_inner()),
                Ok(Err(status)) => Err(status.into()),
                Err(elapsed) => Err(CallError::Transport(Box::new(elapsed))),
            })
        }
        .boxed()
    }
}

/// Why a schema is missing.
#[derive(Debug)]
pub(crate) enum SchemaError {
    /// The event is wrong: no other call would help.
    Event(DecodeError),
    Call(Error),
}

impl SchemaError {
    fn of_call(error: Error) -> Self {
        match &error {
            Error::Events(PubSubError::Rejected(call)) if call.code() == "schema.validation.failed" => {
                Self::Event(DecodeError::UnknownSchema)
            }
            _ => Self::Call(error),
        }
    }
}

impl From<SchemaError> for Error {
    fn from(error: SchemaError) -> Self {
        match error {
            SchemaError::Call(error) => error,
            SchemaError::Event(error) => PubSubError::Schema(error).into(),
        }
    }
}
