//! Subscriptions whose login ends, or whose token is refused again and again.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::BoxFuture;

use super::*;
use crate::token::{AccessToken, TokenError, TokenSource};

/// A login that ends.
#[derive(Debug)]
struct Ending {
    token: FixedToken,
    has_ended: AtomicBool,
}

impl Ending {
    fn start(org: &FakeOrg) -> (Connection, Arc<Self>) {
        let tokens = org.issue_tokens(&org.user("ada@example.com"), "api");
        let user = UserRef::new(org.organization_id().parse().unwrap(), "005x00000012Q9P".parse().unwrap());
        let token = Secret::new(tokens.access_token);
        let token = FixedToken::new(user, org.instance_url().parse().unwrap(), &token).unwrap();
        let login = Arc::new(Self { token, has_ended: AtomicBool::new(false) });
        (Connection::new(&client(org), Arc::clone(&login) as Arc<dyn TokenSource>), login)
    }

    fn end(&self) {
        self.has_ended.store(true, Ordering::SeqCst);
    }
}

impl TokenSource for Ending {
    fn user(&self) -> UserRef {
        self.token.user()
    }

    fn token(&self) -> Result<Arc<AccessToken>, TokenError> {
        match self.has_ended.load(Ordering::SeqCst) {
            true => Err(TokenError::LoginRequired),
            false => self.token.token(),
        }
    }

    fn refresh<'a>(&'a self, token: &'a AccessToken) -> BoxFuture<'a, Result<Arc<AccessToken>, TokenError>> {
        self.token.refresh(token)
    }
}

#[tokio::test]
async fn no_event_is_delivered_after_the_login_has_ended() {
    let org = start().await;
    let (sf, login) = Ending::start(&org);
    publish(&sf, 0..3).await;
    // The others are in memory.
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::Earliest);
    assert_eq!(numbers(&mut events, 1).await, [0]);
    let position = events.position();
    login.end();
    assert!(matches!(next(&mut events).await, Err(Error::LoginRequired)));
    assert!(matches!(events.try_next().await, Ok(None)));
    assert_eq!(events.position(), position, "the others were not delivered");
}

#[tokio::test]
async fn a_quiet_subscription_ends_with_its_login() {
    let org = start().await;
    let (sf, login) = Ending::start(&org);
    publish(&sf, [0]).await;
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::Earliest);
    assert_eq!(numbers(&mut events, 1).await, [0]);
    login.end();
    // Salesforce's sign of life.
    org.advance(Duration::from_secs(280));
    assert!(matches!(next(&mut events).await, Err(Error::LoginRequired)));
}

/// Each stream that Salesforce responds to once would cause a token request.
#[tokio::test]
async fn a_token_that_is_refused_after_each_response_is_refreshed_once() {
    let org = start().await;
    let sf = connect(&org).await;
    publish(&sf, 0..5).await;
    org.pubsub().arm(PubSubFault::status(16, "service.auth.error").after_events(1).times(9));
    let before = org.token_calls("client_credentials");
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::Earliest);
    assert_eq!(numbers(&mut events, 2).await, [0, 1]);
    let Err(Error::Events(error)) = next(&mut events).await else { panic!("a third stream") };
    assert_eq!(error.rejected().unwrap().code(), "service.auth.error");
    assert_eq!(org.token_calls("client_credentials"), before + 1);
}

#[tokio::test]
async fn a_token_is_refreshed_again_after_a_stream_has_worked_for_a_minute() {
    let org = start().await;
    let sf = connect(&org).await;
    publish(&sf, 0..2).await;
    let fault = || PubSubFault::status(16, "service.auth.error");
    org.pubsub().arm(fault().after_events(1));
    let before = org.token_calls("client_credentials");
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::Earliest);
    assert_eq!(numbers(&mut events, 2).await, [0, 1]);
    advance(Duration::from_secs(61)).await;
    org.pubsub().arm(fault().after_events(2));
    publish(&sf, 2..4).await;
    assert_eq!(numbers(&mut events, 2).await, [2, 3]);
    assert_eq!(org.token_calls("client_credentials"), before + 2);
}
