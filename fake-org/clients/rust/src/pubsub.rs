//! `salesforce_core`: its client of the Pub/Sub API.

use std::time::Duration;

use salesforce_core::{
    client::{AuthFlow, Client as Login, Credentials},
    pubsubapi::{
        Client, ConsumerEvent, FetchRequest, ProducerEvent, PublishRequest, PubSubError, SchemaRequest, TopicRequest,
    },
};
use serde_json::Value;
use tokio::sync::mpsc;
use tonic::{Code, transport::Channel};

use crate::{Outcome, member};

const ORDERS: &str = "/event/Order_Event__e";
/// `ReplayPreset` of `pubsub_api.proto`.
const EARLIEST: i32 = 1;
const CUSTOM: i32 = 2;

/// Topic, schema, publishing by request and by stream, subscribing with replay, and what is refused.
pub async fn run(org: &Value) -> Outcome {
    let channel = Channel::from_shared(member(org, "pubsub_url").to_owned())?.connect().await?;
    let mut client = connect(org, &channel, member(org, "organization_id")).await?;

    let topic = client.get_topic(TopicRequest { topic_name: ORDERS.into() }).await?.into_inner();
    assert!(topic.can_publish && topic.can_subscribe, "{topic:?}");
    let schema_id = topic.schema_id;
    let schema = client.get_schema(SchemaRequest { schema_id: schema_id.clone() }).await?.into_inner();
    let schema: Value = serde_json::from_str(&schema.schema_json)?;
    assert_eq!(schema["name"], "Order_Event__e");

    let publish = |ids: &[&str]| PublishRequest {
        topic_name: ORDERS.into(),
        events: ids.iter().map(|id| event(id, &schema_id)).collect(),
        ..PublishRequest::default()
    };
    let published = client.publish(publish(&["one", "two"])).await?.into_inner().results;
    assert_eq!(published.len(), 2);
    assert_eq!((&*published[1].correlation_key, published[1].error.is_some()), ("two", false));

    let (requests, receiver) = mpsc::channel(2);
    requests.send(publish(&["three"])).await?;
    requests.send(publish(&["four", "five"])).await?;
    let mut responses = client.publish_stream(receiver).await?.into_inner();
    for count in [1, 2] {
        assert_eq!(responses.message().await?.ok_or("a response to each request")?.results.len(), count);
    }

    let all = events(&mut client, FetchRequest { replay_preset: EARLIEST, ..fetch(ORDERS) }, 5).await?;
    let ids: Vec<_> = all.iter().filter_map(|event| Some(event.event.as_ref()?.id.as_str())).collect();
    assert_eq!(ids, ["one", "two", "three", "four", "five"]);
    assert_eq!(all[1].replay_id, published[1].replay_id);
    assert_eq!(all[0].event, Some(event("one", &schema_id)), "what was published");
    let replayed =
        FetchRequest { replay_preset: CUSTOM, replay_id: all[1].replay_id.clone(), ..fetch(ORDERS) };
    let rest = events(&mut client, replayed, 3).await?;
    assert_eq!(rest, all[2..]);

    let refused = events(&mut client, fetch("/event/Nothing__e"), 1).await;
    assert_eq!(code(refused), Code::NotFound);
    let unknown = FetchRequest { replay_preset: CUSTOM, replay_id: b"?".to_vec(), ..fetch(ORDERS) };
    assert_eq!(code(events(&mut client, unknown, 1).await), Code::InvalidArgument);
    let read_only = PublishRequest { topic_name: "/data/AccountChangeEvent".into(), ..publish(&["one"]) };
    assert_eq!(code(client.publish(read_only).await.map_err(Into::into)), Code::PermissionDenied);
    let mut other = connect(org, &channel, "00D000000000009EAA").await?;
    let topic = other.get_topic(TopicRequest { topic_name: ORDERS.into() }).await;
    assert_eq!(code(topic.map_err(Into::into)), Code::Unauthenticated);
    Ok(())
}

/// Logs in with client credentials, by the client's own code.
async fn connect(org: &Value, channel: &Channel, tenant: &str) -> Result<Client, Box<dyn std::error::Error>> {
    let credentials = Credentials {
        client_id: member(org, "client_id").into(),
        client_secret: Some(member(org, "client_secret").into()),
        username: None,
        password: None,
        instance_url: member(org, "instance_url").into(),
        tenant_id: Some(tenant.into()),
    };
    let login = Login::builder().credentials(credentials).auth_flow(AuthFlow::ClientCredentials).build()?;
    Ok(Client::new(channel.clone(), login.connect().await?)?)
}

/// An event whose data this org, like Salesforce, does not look at.
fn event(id: &str, schema_id: &str) -> ProducerEvent {
    ProducerEvent { id: id.into(), schema_id: schema_id.into(), payload: id.into(), ..ProducerEvent::default() }
}

fn fetch(topic: &str) -> FetchRequest {
    FetchRequest { topic_name: topic.into(), num_requested: 100, ..FetchRequest::default() }
}

/// Returns the first `count` events of a subscription.
async fn events(
    client: &mut Client,
    first: FetchRequest,
    count: usize,
) -> Result<Vec<ConsumerEvent>, Box<dyn std::error::Error>> {
    let (requests, receiver) = mpsc::channel(1);
    requests.send(first).await?;
    let mut stream = client.subscribe(receiver).await?.into_inner();
    let mut found = Vec::new();
    while found.len() < count {
        let response = tokio::time::timeout(Duration::from_secs(10), stream.message()).await??;
        found.extend(response.ok_or("the stream ended")?.events);
    }
    Ok(found)
}

/// Returns the code of a refusal.
fn code<T: std::fmt::Debug>(outcome: Result<T, Box<dyn std::error::Error>>) -> Code {
    let error = outcome.expect_err("it is refused");
    match (error.downcast_ref::<PubSubError>(), error.downcast_ref::<tonic::Status>()) {
        (Some(PubSubError::Tonic(status)), _) => status.code(),
        (_, Some(status)) => status.code(),
        _ => panic!("{error:?}"),
    }
}
