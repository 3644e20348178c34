//! Subscribing and publishing, against the fake org over HTTP/2.

mod limits;
mod logins;
mod pauses;
mod publishing;
mod subscribing;
mod tls;

use std::{sync::Arc, time::Duration};

use salesforce_fake_org::{FakeOrg, FieldSpec, PubSubFault};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{NotPublished, PubSubError, Subscription};
use crate::{
    Client, Connection, Error, Secret, UserRef,
    events::{Change, Delivery, Patch, Position, RawEvent, StartFrom},
    http::AllowedHosts,
    oauth::{LoginHost, OAuthApp, OAuthClient},
    request::CallOptions,
    token::{FixedToken, ServiceTokenSource, ServiceUser},
};

const ORDERS: &str = "/event/Order_Event__e";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Order {
    #[serde(rename = "Number__c")]
    number: i64,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Account {
    name: Patch<String>,
    phone: Patch<String>,
    billing_address: Patch<Address>,
    annual_revenue: Patch<f64>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Address {
    city: Patch<String>,
    country: Patch<String>,
}

async fn start() -> FakeOrg {
    let number = FieldSpec::new("Number__c", "double");
    FakeOrg::builder()
        .rows(1)
        .execution_user("ada@example.com")
        .change_events(&["Account", "Contact"])
        .platform_event("Order_Event__e", &[number])
        .start()
        .await
        .unwrap()
}

fn client(org: &FakeOrg) -> Client {
    let hosts = AllowedHosts::new([org.instance_url().parse().unwrap(), org.login_url().parse().unwrap()]);
    Client::builder()
        .allowed_hosts(hosts)
        .call_options(CallOptions::default().client("our-client").unwrap())
        .pubsub_endpoint(org.pubsub().endpoint().parse().unwrap())
        .build()
        .unwrap()
}

async fn connect(org: &FakeOrg) -> Connection {
    let client = client(org);
    let host: LoginHost = org.instance_url().parse().unwrap();
    let app = OAuthApp::new(org.client_id(), Some(org.client_secret().into()));
    let user = ServiceUser::client_credentials(host);
    let source = ServiceTokenSource::builder(OAuthClient::with_client(app, &client), user).build();
    Connection::new(&client, source.connect().await.unwrap())
}

async fn publish(sf: &Connection, numbers: impl IntoIterator<Item = i64>) -> Vec<Position> {
    let orders: Vec<Order> = numbers.into_iter().map(|number| Order { number }).collect();
    let results = sf.publish(ORDERS).send(&orders).await.unwrap();
    results.into_iter().map(|result| result.outcome.unwrap()).collect()
}

async fn next<E>(events: &mut Subscription<E>) -> crate::Result<Delivery<E>> {
    let next = tokio::time::timeout(Duration::from_secs(20), events.try_next());
    Ok(next.await.expect("an event within 20 seconds")?.expect("the subscription goes on"))
}

async fn numbers(events: &mut Subscription<Order>, count: usize) -> Vec<i64> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        numbers.push(next(events).await.unwrap().event.number);
    }
    numbers
}

/// Moves tokio's clock and lets real time go on. Sockets do not know of tokio's clock.
async fn advance(by: Duration) {
    tokio::time::pause();
    tokio::time::advance(by).await;
    tokio::time::resume();
    tokio::time::sleep(Duration::from_millis(50)).await;
}
