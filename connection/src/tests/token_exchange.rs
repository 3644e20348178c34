//! Tokens of users who are logged in at another identity provider.

use std::{collections::VecDeque, error::Error as StdError, sync::Mutex, time::Duration};

use futures_util::future::{BoxFuture, join_all, ready};
use salesforce_fake_org::{Builder, FakeOrg, PermittedUsers};

use crate::{
    Client, Connection, Error,
    http::AllowedHosts,
    oauth::{
        InvalidTokenExchange, LoginHost, OAuthApp, OAuthClient, OAuthError, SubjectToken, SubjectTokenType,
        TokenExchange,
    },
    token::{ExchangedTokenSource, SubjectTokenSource, TokenError},
};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// The session of a portal's user: its tokens in turn, the last one again and again.
#[derive(Debug)]
struct Session(Mutex<VecDeque<Option<&'static str>>>);

impl Session {
    fn of(tokens: &[Option<&'static str>]) -> Self {
        Self(Mutex::new(tokens.iter().copied().collect()))
    }
}

impl SubjectTokenSource for Session {
    fn subject_token(&self) -> BoxFuture<'_, Result<Option<SubjectToken>, Box<dyn StdError + Send + Sync>>> {
        let mut tokens = self.0.lock().unwrap();
        let token = if tokens.len() > 1 { tokens.pop_front() } else { tokens.front().copied() };
        Box::pin(ready(Ok(token.flatten().map(subject))))
    }
}

fn subject(token: &str) -> SubjectToken {
    SubjectToken::new(token, SubjectTokenType::IdToken).unwrap()
}

fn portal() -> Builder {
    FakeOrg::builder().exchange_token("of-ada", ADA).exchange_token("of-bob", BOB).token_handler("Portal")
}

struct Portal {
    org: FakeOrg,
    client: Client,
    oauth: OAuthClient,
    host: LoginHost,
}

impl Portal {
    async fn start(org: Builder) -> Self {
        let org = org.start().await.unwrap();
        let _ = org.user(BOB);
        let host: LoginHost = org.instance_url().parse().unwrap();
        let hosts = AllowedHosts::new([host.as_url().clone()]);
        let client = Client::builder().allowed_hosts(hosts).build().unwrap();
        let app = OAuthApp::new(org.client_id(), Some(org.client_secret().into()));
        let oauth = OAuthClient::with_client(app, &client);
        Self { org, client, oauth, host }
    }

    fn exchange(&self) -> TokenExchange {
        TokenExchange::new(self.host.clone()).token_handler("Portal").unwrap()
    }

    fn source(&self, session: Session) -> ExchangedTokenSource {
        ExchangedTokenSource::builder(self.oauth.clone(), self.exchange(), session).build()
    }

    async fn connect(&self, source: &ExchangedTokenSource) -> Connection {
        Connection::new(&self.client, source.connect().await.unwrap())
    }
}

fn description(error: &TokenError) -> Option<&'static str> {
    let TokenError::LoginRefused(error) = error else { panic!("{error:?}") };
    OAuthError::description(error)
}

#[tokio::test]
async fn an_exchanged_token_is_exchanged_again_once_for_all_requests() {
    let portal = Portal::start(portal()).await;
    let source = portal.source(Session::of(&[Some("of-ada")]));
    let (one, other) = (portal.connect(&source).await, portal.connect(&source).await);
    assert_eq!(one.identity().await.unwrap().username, ADA);
    portal.org.expire_access_tokens();
    let requests = (0..20).map(|number| if number % 2 == 0 { one.limits() } else { other.limits() });
    assert!(join_all(requests).await.iter().all(Result::is_ok));
    assert_eq!(portal.org.token_calls(GRANT_TYPE), 2);
}

#[tokio::test]
async fn a_refused_exchange_says_why() {
    let portal = Portal::start(portal()).await;
    let error = portal.source(Session::of(&[Some("canary-token")])).connect().await.unwrap_err();
    assert_eq!(description(&error), Some("token handler validation failed"));
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    assert!(matches!(Error::from(error), Error::LoginRefused(_)));

    let exchange = portal.exchange().token_handler("Nope").unwrap();
    let source = ExchangedTokenSource::builder(portal.oauth.clone(), exchange, subject("of-ada")).build();
    assert_eq!(description(&source.connect().await.unwrap_err()), Some("token handler not found"));

    let approved = PermittedUsers::AdminApproved(vec![BOB.into()]);
    let portal = Portal::start(self::portal().permitted_users(approved)).await;
    let error = portal.source(Session::of(&[Some("of-ada")])).connect().await.unwrap_err();
    assert_eq!(description(&error), Some("user hasn't approved this consumer"));
}

/// The portal mixes up its sessions: a connection must not become another user's.
#[tokio::test]
async fn the_connection_of_a_portal_user_stays_that_users() {
    let portal = Portal::start(portal()).await;
    let source = portal.source(Session::of(&[Some("of-ada"), Some("of-bob")]));
    let sf = portal.connect(&source).await;
    let user = sf.user();
    portal.org.expire_access_tokens();
    let error = sf.limits().await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    assert_eq!(sf.user(), user);
    // Bob's token is revoked.
    let bob = portal.org.user(BOB);
    for _ in 0..500 {
        if portal.org.live_access_tokens(&bob).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the other user's token is revoked");
}

#[tokio::test]
async fn a_listener_that_panics_costs_no_token() {
    let portal = Portal::start(portal()).await;
    let source = ExchangedTokenSource::builder(portal.oauth.clone(), portal.exchange(), subject("of-ada"));
    let source = source.on_event(|event| panic!("on demand: {event:?}")).build();
    let sf = portal.connect(&source).await;
    portal.org.expire_access_tokens();
    assert!(sf.limits().await.is_ok());
    assert_eq!(portal.org.token_calls(GRANT_TYPE), 2);
}

#[tokio::test]
async fn an_ended_login_at_the_provider_needs_a_login_and_sends_nothing() {
    let portal = Portal::start(portal()).await;
    let source = portal.source(Session::of(&[Some("of-ada"), None, Some("of-ada")]));
    let sf = portal.connect(&source).await;
    portal.org.expire_access_tokens();
    assert!(matches!(sf.limits().await, Err(Error::LoginRequired)));
    assert_eq!(portal.org.token_calls(GRANT_TYPE), 1);
    assert!(sf.limits().await.is_ok(), "the user has logged in again");
}

#[tokio::test]
async fn an_invalid_exchange_is_rejected_before_anything_is_sent() {
    let token = |text: String| SubjectToken::new(text, SubjectTokenType::Jwt).err();
    assert_eq!(token(String::new()), Some(InvalidTokenExchange::Empty));
    assert_eq!(token("ä".repeat(10_000)), None);
    assert_eq!(token("a".repeat(10_001)), Some(InvalidTokenExchange::TooLong));
    let exchange = TokenExchange::new(LoginHost::production());
    for name in ["", "1a", "a b", "a-b", "ä", &"a".repeat(81)] {
        let error = exchange.clone().token_handler(name).err();
        assert_eq!(error, Some(InvalidTokenExchange::HandlerName), "{name}");
    }
    let portal = Portal::start(portal()).await;
    let error = portal.oauth.exchange_subject_token(&exchange, &subject("of-ada")).await.unwrap_err();
    assert!(matches!(error, OAuthError::NeedsMyDomain), "{error:?}");
    assert_eq!(portal.org.token_calls(GRANT_TYPE), 0);
}
