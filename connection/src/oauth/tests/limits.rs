//! Responses that are too large, or take too long.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use url::Url;

use super::{client, host, refresh, token_body};
use crate::{
    client::Client,
    connection::Connection,
    http::{
        allowed_hosts::AllowedHosts,
        error::HttpError,
        scripted::{Reply, Scripted, Then},
    },
    oauth::{IdentityUrl, KnownGrant, OAuthClient, OAuthError, TokenTypeHint},
    token::FixedToken,
};

/// The longest time of a response, its head and its body together.
const LIMIT: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_token_response_is_read_up_to_64_kib() {
    for (filler, is_read) in [(50 * 1024, true), (66 * 1024, false)] {
        let result = refresh(move |origin| {
            let mut body = token_body(origin);
            body["something_new"] = "x".repeat(filler).into();
            Reply::json(200, body.to_string())
        })
        .await;
        assert_eq!(result.is_ok(), is_read, "{filler}: {result:?}");
        assert!(is_read || matches!(result, Err(OAuthError::Http(HttpError::TooLarge))));
    }
}

fn known(instance_url: &Url) -> KnownGrant {
    let identity = IdentityUrl::parse(token_body(instance_url)["id"].as_str().unwrap()).unwrap();
    KnownGrant::new(identity.user, identity.url, instance_url.clone(), "api".parse().unwrap())
}

/// Each request to the OAuth endpoints, to the identity URL and for the keys.
fn each_request<'a>(
    client: &'a OAuthClient,
    server: &'a Scripted,
) -> Vec<(&'static str, BoxFuture<'a, Result<(), OAuthError>>)> {
    let (host, origin) = (host(server), &server.origin);
    let user = IdentityUrl::parse(token_body(origin)["id"].as_str().unwrap()).unwrap();
    let (for_code, for_refresh, for_grant, for_state, for_keys) =
        (host.clone(), host.clone(), host.clone(), host.clone(), host);
    vec![
        (
            "code",
            Box::pin(async move {
                let verifier = "v".repeat(43).as_str().into();
                client.exchange(&for_code, origin, &"code".into(), &verifier).await.map(drop)
            }),
        ),
        ("refresh", Box::pin(async move { client.refresh(&for_refresh, &"token".into()).await.map(drop) })),
        (
            "refresh of a known grant",
            Box::pin(async move {
                let refreshed = client.refresh_grant(&for_grant, &"token".into(), &known(origin)).await;
                refreshed.map(drop).map_err(|error| error.error)
            }),
        ),
        ("userinfo", Box::pin(async move { client.userinfo(origin, &"token".into()).await.map(drop) })),
        (
            "identity",
            Box::pin(async move { client.identity(origin, &user, &"token".into()).await.map(drop) }),
        ),
        ("revocation", Box::pin(async move { client.revoke(origin, &"token".into()).await })),
        (
            "introspection",
            Box::pin(async move {
                client.introspect(&for_state, &"token".into(), TokenTypeHint::Access).await.map(drop)
            }),
        ),
        (
            "keys",
            Box::pin(async move {
                client.keys().find(client.http(), &for_keys, "kid", Instant::now()).await.map(drop)
            }),
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_response_that_drips_ends_within_15_seconds() {
    for start in ["HTTP/1.1 200 OK\r\nX-Filler: ", "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"] {
        // The head alone, or the head in time and the body not.
        for wait in [Duration::from_secs(1), Duration::from_millis(100)] {
            let server = Scripted::start(move |_| Reply(start.into(), Then::Drip(wait))).await;
            let client = client(&[&server.origin]);
            for (name, request) in each_request(&client, &server) {
                let began = tokio::time::Instant::now();
                let result = request.await;
                assert!(began.elapsed() <= LIMIT, "{name}: {:?}", began.elapsed());
                let is_timeout = matches!(result, Err(OAuthError::Http(HttpError::Timeout)));
                assert!(is_timeout, "{name} after {start:?}: {result:?}");
            }
        }
    }
}

/// With its retries.
#[tokio::test(start_paused = true)]
async fn the_identity_of_a_connection_that_drips_ends_within_15_seconds() {
    for start in ["HTTP/1.1 200 OK\r\nX-Filler: ", "HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n"] {
        let server =
            Scripted::start(move |_| Reply(start.into(), Then::Drip(Duration::from_millis(100)))).await;
        let allowed_hosts = AllowedHosts::new([server.origin.clone()]);
        let client = Client::builder().allowed_hosts(allowed_hosts).build().unwrap();
        let source =
            FixedToken::new(known(&server.origin).user, server.origin.clone(), &"token".into()).unwrap();
        let began = tokio::time::Instant::now();
        let result = Connection::new(&client, Arc::new(source)).identity().await;
        assert!(result.is_err() && began.elapsed() <= LIMIT, "{:?}: {result:?}", began.elapsed());
    }
}

/// A redirect that drips leaves no time for the request that follows it, or less.
#[tokio::test(start_paused = true)]
async fn a_redirected_refresh_ends_within_15_seconds_in_all() {
    for (wait, requests) in [(Duration::from_millis(20), 2), (Duration::from_millis(75), 1)] {
        let instance =
            Scripted::start(|_| Reply("HTTP/1.1 200 OK\r\n".into(), Then::Drip(Duration::from_secs(1))))
                .await;
        let target = format!("{}services/oauth2/token", instance.origin);
        let redirect = format!("HTTP/1.1 307 X\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n");
        let login = Scripted::start(move |_| Reply(redirect.clone().into(), Then::Drip(wait))).await;
        let client = client(&[&login.origin, &instance.origin]);
        let began = tokio::time::Instant::now();
        let result = client.refresh_grant(&host(&login), &"token".into(), &known(&instance.origin)).await;
        assert!(began.elapsed() <= LIMIT, "{:?}", began.elapsed());
        assert!(result.is_err());
        assert_eq!(login.seen().len() + instance.seen().len(), requests, "{result:?}");
    }
}
