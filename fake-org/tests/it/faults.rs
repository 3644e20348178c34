//! Each fault, as it looks on the wire.
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::support::{ADA, ALL, Api, refresh, send, userinfo};
use salesforce_fake_org::{FakeOrg, Fault, RawBytes, Route, Rule};
use serde_json::json;

/// What a plain socket sees of the response to `GET /id/keys`: the bytes, and how the connection ended.
async fn raw(org: &FakeOrg) -> (Vec<u8>, Result<(), ErrorKind>) {
    let address = org.login_url().trim_start_matches("http://").to_owned();
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        write!(stream, "GET /id/keys HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n").unwrap();
        let mut bytes = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return (bytes, Ok(())),
                Ok(n) => bytes.extend_from_slice(&buffer[..n]),
                Err(error) => return (bytes, Err(error.kind())),
            }
        }
    })
    .await
    .unwrap()
}

async fn struck(fault: Fault) -> (Vec<u8>, Result<(), ErrorKind>) {
    let org = FakeOrg::start().await.unwrap();
    org.faults().at(Route::Jwks, fault.clone().once());
    let first = raw(&org).await;
    // Once is once.
    let (bytes, end) = raw(&org).await;
    assert!(bytes.starts_with(b"HTTP/1.1 200") && end.is_ok(), "{fault:?}");
    first
}

fn body(bytes: &[u8]) -> &[u8] {
    let at = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    &bytes[at + 4..]
}

fn head(bytes: &[u8]) -> String {
    let at = bytes.windows(4).position(|w| w == b"\r\n\r\n").expect("a head");
    String::from_utf8(bytes[..at].to_vec()).unwrap().to_lowercase()
}

fn content_length(bytes: &[u8]) -> usize {
    head(bytes).split("content-length: ").nth(1).unwrap().lines().next().unwrap().trim().parse().unwrap()
}

#[tokio::test]
async fn resets_are_resets() {
    for fault in [Fault::ResetBeforeRead, Fault::ResetBeforeResponse, Fault::LoseResponse] {
        let (bytes, end) = struck(fault.clone()).await;
        assert_eq!((bytes.len(), end), (0, Err(ErrorKind::ConnectionReset)), "{fault:?}");
    }
    let (bytes, end) = struck(Fault::ResetMidBody).await;
    assert_eq!(end, Err(ErrorKind::ConnectionReset));
    assert!(bytes.starts_with(b"HTTP/1.1 200"));
    assert_eq!(body(&bytes).len(), content_length(&bytes) / 2, "half of the body came through");
}

/// Whatever part of a head came, it is no response: nothing that a client could take for one.
#[tokio::test]
async fn a_head_can_be_cut_in_the_status_line_and_in_the_fields() {
    let (bytes, end) = struck(Fault::ResetMidStatus).await;
    assert_eq!((bytes.as_slice(), end), (&b"HTTP/1.1 2"[..], Err(ErrorKind::ConnectionReset)));
    let (bytes, end) = struck(Fault::ResetMidHead).await;
    assert_eq!(end, Err(ErrorKind::ConnectionReset));
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.len() > 20, "{text}");
    assert!(!text.contains("\r\n\r\n"), "{text}");
}

/// The request was carried out, and a reused connection is cut as a new one is.
#[tokio::test]
async fn a_cut_head_is_of_a_call_that_was_carried_out() {
    let org = FakeOrg::start().await.unwrap();
    let token = org.issue_tokens(&org.user(ADA), ALL).refresh_token.unwrap();
    let kept = crate::support::http();
    let keys = || kept.get(format!("{}/id/keys", org.login_url())).send();
    keys().await.unwrap().bytes().await.unwrap();
    for fault in [Fault::ResetMidStatus, Fault::ResetMidHead] {
        org.faults().at(Route::Jwks, fault.once());
        assert!(keys().await.is_err());
        keys().await.unwrap().bytes().await.unwrap();
    }
    org.faults().refresh(Fault::ResetMidHead.once());
    let url = format!("{}/services/oauth2/token", org.login_url());
    let (id, secret) = (org.client_id(), org.client_secret());
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token.as_str()),
        ("client_id", &id),
        ("client_secret", &secret),
    ];
    assert!(crate::support::http().post(url).form(&form).send().await.is_err());
    assert_ne!(org.live_refresh_tokens(&org.user(ADA)), [token], "the token was rotated");
    assert_eq!(org.live_refresh_tokens(&org.user(ADA)).len(), 1);
}

/// A browser that goes to the callback twice, as one does that restores a tab: the code is the same both times.
#[tokio::test]
async fn a_callback_can_be_duplicated() {
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    org.faults().at(Route::Authorize, Fault::DuplicateCallback.once());
    let browser = crate::support::Browser::default();
    let page = browser.get(&crate::support::authorize_url(&org, &[])).await;
    assert_eq!((page.status, page.header("location")), (200, ""));
    let first = crate::support::attribute(&page.body, "<iframe", "src");
    let second = crate::support::attribute(&page.body, "<meta", "content");
    assert_eq!(second, format!("1;url={first}"));
    let url = url::Url::parse(&first).unwrap();
    let code = url.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    assert_eq!(crate::support::exchange(&org, &code).await.status, 200);
    assert_eq!(browser.get(&crate::support::authorize_url(&org, &[])).await.status, 302, "once is once");
}

/// A server whose clock is off says so in every response.
#[tokio::test]
async fn a_clock_can_be_off() {
    let now = || std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let date = |bytes: &[u8]| {
        let head = head(bytes);
        let text = head.split("\r\ndate: ").nth(1).unwrap().lines().next().unwrap().to_owned();
        // As the head was lowered: day and month begin with a capital, the zone is one.
        let text: String = text
            .split(' ')
            .map(|word| {
                if word == "gmt" {
                    return "GMT ".into();
                }
                let (first, rest) = word.split_at(1);
                format!("{}{rest} ", first.to_uppercase())
            })
            .collect();
        httpdate::parse_http_date(text.trim())
            .unwrap()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs()
    };
    for skew in [-3_600_i64, 3_600, 86_400 * 400] {
        let (bytes, _) = struck(Fault::DateSkew(skew)).await;
        let shown = date(&bytes).checked_add_signed(-skew).unwrap();
        assert!(shown.abs_diff(now()) < 5, "{skew}: {shown}");
        assert_eq!(head(&bytes).matches("\r\ndate: ").count(), 1);
        assert!(serde_json::from_slice::<serde_json::Value>(body(&bytes)).is_ok(), "the response is genuine");
    }
}

#[tokio::test]
async fn a_reset_after_the_body_comes_after_all_of_it() {
    let (bytes, end) = struck(Fault::ResetAfterBody).await;
    assert_eq!(end, Err(ErrorKind::ConnectionReset));
    assert_eq!(body(&bytes).len(), content_length(&bytes));
    assert!(serde_json::from_slice::<serde_json::Value>(body(&bytes)).is_ok());
}

#[tokio::test]
async fn a_short_body_ends_in_order() {
    let (bytes, end) = struck(Fault::ShortBody).await;
    assert_eq!(end, Ok(()));
    assert_eq!(body(&bytes).len(), content_length(&bytes) / 2);
}

#[tokio::test]
async fn a_truncated_body_is_complete_as_http() {
    let (bytes, end) = struck(Fault::Truncated).await;
    assert_eq!((end, body(&bytes).len()), (Ok(()), content_length(&bytes)));
    assert!(serde_json::from_slice::<serde_json::Value>(body(&bytes)).is_err());
}

#[tokio::test]
async fn invalid_responses() {
    let (bytes, _) = struck(Fault::Maintenance).await;
    assert!(head(&bytes).starts_with("http/1.1 503") && head(&bytes).contains("text/html"));
    let (bytes, _) = struck(Fault::Html).await;
    assert!(head(&bytes).starts_with("http/1.1 200") && head(&bytes).contains("text/html"));
    let (bytes, _) = struck(Fault::Garbage).await;
    assert!(head(&bytes).contains("application/json"));
    assert!(std::str::from_utf8(body(&bytes)).is_err());
    let (bytes, _) = struck(Fault::Empty200).await;
    assert!(head(&bytes).starts_with("http/1.1 200") && body(&bytes).is_empty());
    let (bytes, _) = struck(Fault::BadGzip).await;
    assert!(head(&bytes).contains("content-encoding: gzip") && body(&bytes).starts_with(b"{"));
    let (bytes, _) = struck(Fault::DeepJson).await;
    assert_eq!(body(&bytes).iter().filter(|c| matches!(c, b'[' | b'{')).count(), 200_000);
    let (bytes, _) = struck(Fault::ManyHeaders(300)).await;
    assert_eq!(head(&bytes).matches("x-fake-").count(), 300);
    let (bytes, _) = struck(Fault::Redirect { status: 307, location: "http://127.0.0.1:1/x".into() }).await;
    assert!(
        head(&bytes).starts_with("http/1.1 307") && head(&bytes).contains("location: http://127.0.0.1:1/x")
    );
    let (bytes, _) = struck(Fault::RetryAfter { status: 429, seconds: 7 }).await;
    assert!(head(&bytes).starts_with("http/1.1 429") && head(&bytes).contains("retry-after: 7"));
    let raw = Fault::RawBody { status: 418, content_type: "x/y".into(), body: RawBytes(vec![0, 255]) };
    let (bytes, _) = struck(raw).await;
    assert!(head(&bytes).starts_with("http/1.1 418") && body(&bytes) == [0, 255]);
    let (bytes, _) = struck(Fault::Json(json!({ "keys": [] }))).await;
    assert_eq!(body(&bytes), b"{\"keys\":[]}");
    let (bytes, _) = struck(Fault::MergeJson(json!({ "keys": null, "more": 1 }))).await;
    assert_eq!(body(&bytes), b"{\"more\":1}");
}

#[tokio::test]
async fn a_gzip_bomb_inflates_to_its_size() {
    const SIZE: u64 = 5_000_000;
    let org = FakeOrg::start().await.unwrap();
    org.faults().at(Route::Jwks, Fault::GzipBomb(SIZE));
    let response = crate::support::http().get(format!("{}/id/keys", org.login_url())).send().await.unwrap();
    let bytes = response.bytes().await.unwrap();
    assert!(bytes.len() < 50_000, "{}", bytes.len());
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes.as_ref()).read_to_string(&mut text).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["padding"].as_str().unwrap().len() as u64, SIZE);
}

#[tokio::test]
async fn an_endless_response_does_not_end() {
    let org = FakeOrg::start().await.unwrap();
    org.faults().at(Route::Jwks, Fault::Endless);
    let mut response =
        crate::support::http().get(format!("{}/id/keys", org.login_url())).send().await.unwrap();
    let mut got = 0;
    while got < 20_000_000 {
        got += response.chunk().await.unwrap().unwrap().len();
    }
}

#[tokio::test]
async fn a_drip_is_slow() {
    let org = FakeOrg::start().await.unwrap();
    org.faults().at(Route::Jwks, Fault::Drip);
    let begun = Instant::now();
    let mut response =
        crate::support::http().get(format!("{}/id/keys", org.login_url())).send().await.unwrap();
    for _ in 0..2 {
        assert_eq!(response.chunk().await.unwrap().unwrap().len(), 1);
    }
    assert!(begun.elapsed() >= Duration::from_millis(900));
}

#[tokio::test]
async fn errors_are_written_as_the_endpoint_does() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    org.faults().add(Rule::from(Fault::Status(500)).times(2));
    assert_eq!(api.get("/limits").await.error().0, "UNKNOWN_EXCEPTION");
    assert_eq!(refresh(&org, "x").await.error().0, "server_error");
    org.faults().token_endpoint(
        Fault::OauthError { error: "app_blocked".into(), description: "d".into(), status: 400 }.once(),
    );
    assert_eq!(refresh(&org, "x").await.error(), ("app_blocked".into(), "d".into()));
    org.faults()
        .api(Fault::ApiError { status: 400, code: "UNABLE_TO_LOCK_ROW".into(), message: "m".into() }.once());
    assert_eq!(api.get("/limits").await.error(), ("UNABLE_TO_LOCK_ROW".into(), "m".into()));
}

/// A lost response made its change: the refresh token rotated, the record is there.
#[tokio::test]
async fn a_lost_response_made_its_change() {
    let org = FakeOrg::start().await.unwrap();
    let ada = org.user(ADA);
    for fault in [Fault::LoseResponse, Fault::ResetMidBody, Fault::ShortBody] {
        let token = org.issue_tokens(&ada, ALL).refresh_token.unwrap();
        org.faults().refresh(fault.clone().once());
        let url = format!("{}/services/oauth2/token", org.login_url());
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", &token),
            ("client_id", &org.client_id()),
            ("client_secret", &org.client_secret()),
        ];
        let response = match crate::support::http().post(url).form(&form).send().await {
            Ok(response) => response.bytes().await.map(|_| ()),
            Err(error) => Err(error),
        };
        assert!(response.is_err(), "{fault:?}");
        let live = org.live_refresh_tokens(&ada);
        assert!(!live.contains(&token), "{fault:?}: it rotated");
        assert_eq!(refresh(&org, live.last().unwrap()).await.status, 200);
    }
    let api = Api::of(&org);
    org.faults().api(Fault::LoseResponse.once());
    let request = api.http.post(api.url("/sobjects/Account")).bearer_auth(&api.token);
    assert!(request.json(&json!({ "Name": "Lost" })).send().await.is_err());
    assert_eq!(api.records("SELECT Id FROM Account WHERE Name = 'Lost'").await.len(), 1);
}

/// "Instead" changes nothing.
#[tokio::test]
async fn a_response_given_instead_changes_nothing() {
    let org = FakeOrg::start().await.unwrap();
    let token = org.issue_tokens(&org.user(ADA), ALL).refresh_token.unwrap();
    let handle = org.faults().refresh(Fault::Status(503).times(3));
    for _ in 0..3 {
        assert_eq!(refresh(&org, &token).await.status, 503);
    }
    assert_eq!(handle.hits(), 3);
    assert_eq!(refresh(&org, &token).await.status, 200);
}

#[tokio::test]
async fn delays_delay() {
    let org = FakeOrg::start().await.unwrap();
    let time = async || {
        let begun = Instant::now();
        userinfo(&org, "x").await;
        begun.elapsed()
    };
    // Long enough that a busy machine does not look like a delay.
    let wait = Duration::from_millis(900);
    for rule in [
        Fault::Delay(wait).once(),
        Fault::Slow.delay(wait).times(1),
        Rule::from(Fault::Slow).delay_after(wait).times(1),
        Rule::from(Fault::Slow).delay_status(403, wait).times(1),
    ] {
        org.faults().at(Route::Userinfo, rule.clone());
        assert!(time().await >= wait, "{rule:?}");
        assert!(time().await < wait, "{rule:?}");
    }
    org.faults().at(Route::Userinfo, Rule::from(Fault::Slow).delay_status(200, wait));
    assert!(time().await < wait, "another status");
}

/// A client that went away does not stop the work.
#[tokio::test]
async fn a_client_that_goes_away_stops_nothing() {
    let org = FakeOrg::start().await.unwrap();
    let ada = org.user(ADA);
    let token = org.issue_tokens(&ada, ALL).refresh_token.unwrap();
    org.faults().refresh(Fault::Delay(Duration::from_millis(200)).once());
    let arrived = async {
        while org.token_calls("refresh_token") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        _ = refresh(&org, &token) => panic!("the response is delayed"),
        () = arrived => {}
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(!org.live_refresh_tokens(&ada).contains(&token), "it rotated");
}

#[tokio::test]
async fn routes_choose_their_calls() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let query = org.faults().query(Fault::Status(500));
    let path = org.faults().path("/services/oauth2/user", Fault::Status(500));
    assert_eq!(api.get("/limits").await.status, 200);
    assert_eq!(api.query("SELECT Id FROM Account").await.status, 500);
    assert_eq!(userinfo(&org, "x").await.status, 500);
    assert_eq!((query.hits(), path.hits()), (1, 1));
    path.remove();
    assert_eq!(userinfo(&org, "x").await.status, 403);
    org.faults().clear();
    assert_eq!(api.query("SELECT Id FROM Account").await.status, 200);
    let last = org.requests().into_iter().find(|request| request.fault.is_some()).unwrap();
    assert_eq!(last.fault.as_deref(), Some("status"));
    let _ = send(crate::support::http().get(org.login_url())).await;
}
