use std::{io::Write as _, sync::Arc, time::Duration};

use url::Url;

use crate::http::{
    allowed_hosts::AllowedHosts,
    client::HttpClient,
    error::HttpError,
    request::Request,
    response::Response,
    scripted::{Reply, Scripted, Then},
};

fn client(origins: &[&Url]) -> HttpClient {
    HttpClient::new(Arc::new(AllowedHosts::new(origins.iter().copied().cloned()))).unwrap()
}

async fn ask(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Result<Response, HttpError> {
    ask_within(Duration::from_secs(10), reply).await
}

async fn ask_within(
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
async fn only_a_request_that_was_never_sent_counts_as_never_sent() {
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap()
    };
    let error = client(&[&nobody]).send(Request::get(nobody.clone())).await.unwrap_err();
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
async fn an_answer_that_breaks_off_is_lost_however_it_breaks() {
    let half = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"access";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{\"access";
    let head = "HTTP/1.1 200 OK\r\nContent-Le";
    for start in ["", head, half, chunked] {
        for reset in [false, true] {
            let then = move || if reset { Then::Reset } else { Then::Close };
            let error = ask(move || Reply(start.as_bytes().to_vec(), then())).await.unwrap_err();
            assert!(matches!(error, HttpError::ConnectionLost(_)), "{start:?}, reset {reset}: {error:?}");
            assert!(!error.was_not_sent() && error.is_transient());
        }
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_inside_gzip_is_lost_too() {
    let error = ask(|| {
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
    let stranger = Arc::new(Scripted::stranger().await);
    for status in [301, 302, 303, 307, 308] {
        let location = format!("Location: {}secret?token=canary\r\n", stranger.origin);
        let server = Scripted::start(move |_| Reply::new(status, &location, "")).await;
        let http = client(&[&server.origin, &stranger.origin]);
        let request = Request::form(server.origin.clone(), [("refresh_token", "canary")]);
        let error = http.send(request).await.unwrap_err();
        assert!(matches!(error, HttpError::Redirect(named) if named == status), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("canary"));
        assert!(!error.was_not_sent() && !error.is_transient());
    }
    assert!(stranger.seen().is_empty());
}

#[tokio::test]
async fn the_statuses_that_only_look_like_redirects_are_answers() {
    assert_eq!(ask(|| Reply::json(300, "[]")).await.unwrap().status.as_u16(), 300);
    assert_eq!(ask(|| Reply::json(304, "")).await.unwrap().status.as_u16(), 304);
}

#[tokio::test]
async fn a_bomb_stops_at_the_cap() {
    let error = ask({
        let bomb = bomb();
        move || Reply::new(200, "Content-Encoding: gzip\r\n", &bomb)
    })
    .await
    .unwrap_err();
    assert!(matches!(error, HttpError::TooLarge), "{error:?}");
}

#[tokio::test]
async fn an_endless_body_stops_at_the_cap() {
    let start = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
    let error = ask(move || Reply([start, &" ".repeat(65_536)].concat().into_bytes(), Then::Repeat)).await;
    assert!(matches!(error, Err(HttpError::TooLarge)), "{error:?}");
    let announced = "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n";
    let error = ask(move || Reply(announced.into(), Then::Hang)).await;
    assert!(matches!(error, Err(HttpError::TooLarge)), "{error:?}");
}

#[tokio::test]
async fn ten_thousand_headers_are_refused() {
    let headers: String = (0..10_000).map(|n| format!("X-{n}: y\r\n")).collect();
    assert!(ask(move || Reply::new(200, &headers, "{}")).await.is_err());
}

#[tokio::test]
async fn silence_and_drips_end_with_the_deadline() {
    for start in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"] {
        let hang = move || Reply(start.into(), Then::Hang);
        let error = ask_within(Duration::from_millis(300), hang).await.unwrap_err();
        assert!(matches!(error, HttpError::Timeout), "{start:?}: {error:?}");
        assert!(!error.was_not_sent() && error.is_transient());
    }
}

#[tokio::test]
async fn gzip_that_is_none_is_an_error_of_its_own() {
    let error = ask(|| Reply::new(200, "Content-Encoding: gzip\r\n", "{\"plain\": true}")).await.unwrap_err();
    assert!(matches!(error, HttpError::Undecodable(_)) && !error.was_not_sent(), "{error:?}");
}

#[tokio::test]
async fn nothing_of_a_url_is_in_an_error() {
    let server = Scripted::start(|_| Reply(Vec::new(), Then::Close)).await;
    let mut url = server.origin.clone();
    url.set_query(Some("q=canary"));
    let error = client(&[&server.origin]).send(Request::get(url)).await.unwrap_err();
    assert!(!format!("{error:?}").contains("canary"), "{error:?}");
}

#[tokio::test]
async fn the_time_to_wait_is_read_in_seconds_and_nothing_else() {
    let after = |value: &'static str| async move {
        ask(move || Reply::new(503, &format!("Retry-After: {value}\r\n"), "")).await.unwrap().retry_after()
    };
    assert_eq!(after("7").await, Some(Duration::from_secs(7)));
    let day = Some(Duration::from_secs(24 * 60 * 60));
    assert_eq!(after("18446744073709551615").await, day);
    assert_eq!(after("99999999999999999999999").await, day);
    for odd in ["-1", "+7", "1.5", "soon", ""] {
        assert_eq!(after(odd).await, None, "{odd:?}");
    }
}
