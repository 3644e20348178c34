use std::{io::Write as _, sync::Arc, time::Duration};

use url::Url;

use crate::http::{
    allowed_hosts::AllowedHosts,
    client::HttpClient,
    error::HttpError,
    proxy::Proxies,
    request::Request,
    response::Response,
    scripted::{Reply, Scripted, Then},
};

fn client(origins: &[&Url]) -> HttpClient {
    HttpClient::new(Arc::new(AllowedHosts::new(origins.iter().copied().cloned())), Proxies::default())
        .unwrap()
}

async fn fetch(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Result<Response, HttpError> {
    fetch_within(Duration::from_secs(10), reply).await
}

async fn fetch_within(
    deadline: Duration,
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> Result<Response, HttpError> {
    let server = Scripted::start(move |_| reply()).await;
    let mut request = Request::get(server.origin.clone());
    request.deadline = deadline;
    client(&[&server.origin]).send(request).await
}

/// 8 MiB of zeros, in 8 KiB.
fn bomb() -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![0; 8 << 20]).unwrap();
    gzip.finish().unwrap()
}

#[tokio::test]
async fn was_not_sent_is_true_only_if_the_server_received_nothing() {
    let closed_port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap()
    };
    let error = client(&[&closed_port]).send(Request::get(closed_port.clone())).await.unwrap_err();
    assert!(
        matches!(error, HttpError::Connect(_)) && error.was_not_sent() && error.is_transient(),
        "{error:?}"
    );

    // A server without TLS: the request itself is never sent.
    let plain = Scripted::start(|_| Reply::json(200, "{}")).await;
    let mut https = plain.origin.clone();
    https.set_scheme("https").unwrap();
    let error = client(&[&https]).send(Request::get(https.clone())).await.unwrap_err();
    assert!(matches!(error, HttpError::Connect(_)) && error.was_not_sent(), "{error:?}");

    let error = client(&[]).send(Request::get(plain.origin.clone())).await.unwrap_err();
    assert!(matches!(error, HttpError::HostNotAllowed(_)) && error.was_not_sent());
    assert!(plain.seen().is_empty());
}

#[tokio::test]
async fn an_incomplete_response_is_a_lost_connection() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"access";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{\"access";
    let head = "HTTP/1.1 200 OK\r\nContent-Le";
    for start in ["", head, half, chunked] {
        for reset in [false, true] {
            let then = move || if reset { Then::Reset } else { Then::Close };
            let error = fetch(move || Reply(start.as_bytes().to_vec(), then())).await.unwrap_err();
            assert!(matches!(error, HttpError::ConnectionLost(_)), "{start:?}, reset {reset}: {error:?}");
            assert!(!error.was_not_sent() && error.is_transient());
        }
    }
}

#[tokio::test]
async fn an_incomplete_gzip_response_is_a_lost_connection() {
    let error = fetch(|| {
        let mut bytes =
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 65000\r\n\r\n".to_vec();
        bytes.extend(&bomb()[..500]);
        Reply(bytes, Then::Close)
    })
    .await
    .unwrap_err();
    assert!(matches!(error, HttpError::ConnectionLost(_)), "{error:?}");
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let untrusted = Arc::new(Scripted::untrusted().await);
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: {}secret?token=canary\r\n", untrusted.origin);
        let server = Scripted::start(move |_| Reply::new(status, &location, "")).await;
        let http = client(&[&server.origin, &untrusted.origin]);
        let request = Request::form(server.origin.clone(), [("refresh_token", "canary")]);
        let error = http.send(request).await.unwrap_err();
        assert!(matches!(error, HttpError::Redirect(named) if named == status), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("canary"));
        assert!(!error.was_not_sent() && !error.is_transient());
    }
    assert!(untrusted.seen().is_empty());
}

#[tokio::test]
async fn statuses_300_and_304_without_location_are_responses() {
    assert_eq!(fetch(|| Reply::json(300, "[]")).await.unwrap().status.as_u16(), 300);
    assert_eq!(fetch(|| Reply::json(304, "")).await.unwrap().status.as_u16(), 304);
}

#[tokio::test]
async fn a_gzip_bomb_is_too_large() {
    let error = fetch({
        let bomb = bomb();
        move || Reply::new(200, "Content-Encoding: gzip\r\n", &bomb)
    })
    .await
    .unwrap_err();
    assert!(matches!(error, HttpError::TooLarge), "{error:?}");
}

#[tokio::test]
async fn an_endless_body_is_too_large() {
    let start = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
    let error = fetch(move || Reply([start, &" ".repeat(65_536)].concat().into_bytes(), Then::Repeat)).await;
    assert!(matches!(error, Err(HttpError::TooLarge)), "{error:?}");
    let announced = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n";
    let error = fetch(move || Reply(announced.into(), Then::Hang)).await;
    assert!(matches!(error, Err(HttpError::TooLarge)), "{error:?}");
}

#[tokio::test]
async fn ten_thousand_headers_are_rejected() {
    let headers: String = (0..10_000).map(|n| format!("X-{n}: y\r\n")).collect();
    assert!(fetch(move || Reply::new(200, &headers, "{}")).await.is_err());
}

#[tokio::test]
async fn an_unfinished_response_ends_with_the_timeout() {
    for start in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"] {
        let hang = move || Reply(start.into(), Then::Hang);
        let error = fetch_within(Duration::from_millis(300), hang).await.unwrap_err();
        assert!(matches!(error, HttpError::Timeout), "{start:?}: {error:?}");
        assert!(!error.was_not_sent() && error.is_transient());
    }
}

#[tokio::test]
async fn invalid_gzip_is_undecodable() {
    let error =
        fetch(|| Reply::new(200, "Content-Encoding: gzip\r\n", "{\"plain\": true}")).await.unwrap_err();
    assert!(matches!(error, HttpError::Undecodable(_)) && !error.was_not_sent(), "{error:?}");
}

#[tokio::test]
async fn errors_contain_no_url() {
    let server = Scripted::start(|_| Reply(Vec::new(), Then::Close)).await;
    let mut url = server.origin.clone();
    url.set_query(Some("q=canary"));
    let error = client(&[&server.origin]).send(Request::get(url)).await.unwrap_err();
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}

#[tokio::test]
async fn retry_after_is_read_in_seconds_only() {
    let after = |value: &'static str| async move {
        fetch(move || Reply::new(503, &format!("Retry-After: {value}\r\n"), "")).await.unwrap().retry_after()
    };
    assert_eq!(after("7").await, Some(Duration::from_secs(7)));
    let day = Some(Duration::from_secs(24 * 60 * 60));
    assert_eq!(after("18446744073709551615").await, day);
    assert_eq!(after("99999999999999999999999").await, day);
    for odd in ["-1", "+7", "1.5", "soon", ""] {
        assert_eq!(after(odd).await, None, "{odd:?}");
    }
}
