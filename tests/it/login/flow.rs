//! The login flow: one attempt, one browser, one use.

use std::{collections::HashSet, time::Instant};

use crate::support::{ADA, CALLBACK, Client, LOGIN, TestApp, client::query, raw};
use actix_salesforce::{owner::ConnectDecision, store::GrantFilter};
use salesforce_fake_org::FakeOrg;
use url::Url;

fn with(url: &Url, name: &str, value: &str) -> Url {
    let pairs: Vec<_> = url.query_pairs().into_owned().filter(|(key, _)| key != name).collect();
    let mut url = url.clone();
    url.query_pairs_mut().clear().extend_pairs(pairs).append_pair(name, value);
    url
}

///
#[actix_web::test]
async fn every_login_asks_for_a_code_with_its_own_state_verifier_and_nonce() {
    let app = TestApp::start().await;
    let (mut states, mut challenges, mut nonces) = (HashSet::new(), HashSet::new(), HashSet::new());
    for _ in 0..50 {
        let url = Client::new().open(&app.url(LOGIN)).await.location();
        let names: HashSet<_> = url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        let expected = [
            "response_type",
            "client_id",
            "redirect_uri",
            "scope",
            "state",
            "nonce",
            "code_challenge",
            "code_challenge_method",
        ];
        assert_eq!(names, expected.map(str::to_owned).into(), "nothing else is sent");
        assert_eq!(query(&url, "response_type").unwrap(), "code");
        assert_eq!(query(&url, "code_challenge_method").unwrap(), "S256");
        assert_eq!(query(&url, "redirect_uri").unwrap(), app.url(CALLBACK));
        assert_eq!(query(&url, "scope").unwrap(), "api openid refresh_token");
        for (seen, name) in
            [(&mut states, "state"), (&mut challenges, "code_challenge"), (&mut nonces, "nonce")]
        {
            let value = query(&url, name).unwrap();
            assert_eq!(value.len(), 43, "{name}: 256 bits");
            assert!(seen.insert(value), "{name} is fresh");
        }
    }
    let _ = app.logged_in().await;
    let exchange = app.org.requests().into_iter().find(|request| request.path.ends_with("/token")).unwrap();
    assert_eq!(exchange.form["redirect_uri"], app.url(CALLBACK));
    assert_eq!(exchange.form["code_verifier"].len(), 43);
    for request in app.org.requests() {
        assert!(
            !request.query.unwrap_or_default().contains(&app.org.client_secret()),
            "the secret is in no URL"
        );
    }
}

/// `prompt` and `login_hint` are passed on, other parameters are not.
#[actix_web::test]
async fn only_known_parameters_are_passed_on() {
    let app = TestApp::start().await;
    let path = format!(
        "{LOGIN}?prompt=login%20consent&login_hint=bob%40example.com&scope=full&redirect_uri=x&evil=1"
    );
    let url = Client::new().open(&app.url(&path)).await.location();
    assert_eq!(query(&url, "prompt").unwrap(), "login consent");
    assert_eq!(query(&url, "login_hint").unwrap(), "bob@example.com");
    assert_eq!(query(&url, "scope").unwrap(), "api openid refresh_token");
    assert_eq!(query(&url, "redirect_uri").unwrap(), app.url(CALLBACK));
    assert!(query(&url, "evil").is_none());
    for bad in
        ["?prompt=none", "?prompt=login&prompt=consent", "?host=evil.example", "?host=x.my.salesforce.com"]
    {
        assert_eq!(Client::new().open(&app.url(&format!("{LOGIN}{bad}"))).await.status, 400, "{bad}");
    }
}

/// another browser's callback is rejected and reaches no token endpoint.
#[actix_web::test]
async fn a_callback_of_another_browser_logs_no_user_in() {
    let app = TestApp::start().await;
    let attacker = Client::new();
    let callback = app.callback_of(&attacker).await;

    let clean = Client::new();
    assert_eq!(clean.open(callback.as_str()).await.status, 400);
    let busy = Client::new();
    busy.open(&app.url(LOGIN)).await;
    assert_eq!(busy.open(callback.as_str()).await.status, 400);
    assert!(!app.is_logged_in(&clean).await && !app.is_logged_in(&busy).await);
    assert_eq!(app.exchanges(), 0);

    let victim = app.logged_in().await;
    let page = victim.open(callback.as_str()).await;
    assert_eq!((page.status, page.header("location")), (303, "/"), "who is in already goes home");
    assert!(app.is_logged_in(&victim).await, "and stays in");
    assert_eq!(app.exchanges(), 1);
}

/// whatever is wrong with a callback, it is a 400 page, quickly, without an exchange and
/// without a word of it repeated; an existing login stays.
#[actix_web::test]
async fn a_malformed_callback_is_refused_and_harms_nothing() {
    let app = TestApp::start().await;
    let browser = app.logged_in().await;
    let exchanges = app.exchanges();
    let good = browser.visit_until(&app.url(&format!("{LOGIN}?return_to=/user")), CALLBACK).await;
    let state = query(&good, "state").unwrap();
    let code = query(&good, "code").unwrap();
    let encoded: String = url::form_urlencoded::byte_serialize(code.as_bytes()).collect();
    let long = "a".repeat(60 * 1024);
    let mut rows = vec![
        String::new(),
        "?".to_owned(),
        format!("?code={encoded}&code={encoded}&state={state}"),
        format!("?code={encoded}&state={state}&state={state}"),
        format!("?code={encoded}&state={state}&error=x&error=y"),
        format!("?code={encoded}&state={state}&iss=a&iss=b"),
        format!("?code[]={encoded}&state={state}x"),
        format!("?code={encoded}&state[]={state}"),
        format!("?code=%00&state={state}"),
        format!("?code=a%0d%0aSet-Cookie:%20x=1&state={state}"),
        format!("?code=%ff%fe&state={state}"),
        format!("?code={encoded}&state=%ff{state}"),
        format!("?code={}&state={state}", "a".repeat(4097)),
        format!("?code={encoded}&state={}", "a".repeat(513)),
        format!("?state={state}&x={}", &long[..17_000]),
        format!("?code={encoded}&state={long}"),
        format!("?error=<script>alert(1)</script>&error_description=<b>{long}"),
    ];
    for mutated in [
        String::new(),
        "x".to_owned(),
        state[1..].to_owned(),
        format!("{state}x"),
        state.to_uppercase(),
        state.to_lowercase(),
        state.chars().rev().collect(),
        format!("{}%20", state),
    ] {
        // An error instead of a code, so that the user who is in is not simply sent home.
        rows.push(format!("?error=access_denied&state={mutated}"));
    }
    for row in rows {
        let row_start: String = row.chars().take(90).collect();
        let started = Instant::now();
        let page = browser.open(&app.url(&format!("{CALLBACK}{row}"))).await;
        // 403: a known code of Salesforce is explained even without a known state.
        assert!([400, 403, 431, 303].contains(&page.status), "{row_start}: {page:?}");
        assert!(page.status != 403 || row.contains("error=access_denied&"), "{row_start}: {page:?}");
        if page.status == 303 {
            assert_eq!(page.header("location"), "/", "{row_start}");
        }
        assert!(started.elapsed().as_millis() < 1000, "{row_start}");
        assert!(!page.body.contains("<script>alert") && !page.body.contains(&state), "{row_start}");
        assert_eq!(app.exchanges(), exchanges, "{row_start}");
    }
    let post = browser.submit(good.as_str(), &app.server.url, &[("code", &code), ("state", &state)]).await;
    assert_eq!((post.status, post.header("allow")), (405, "GET"), "R-19: no other response mode");
    assert!(app.is_logged_in(&browser).await);
    let landed = browser.open(good.as_str()).await;
    assert_eq!(
        (landed.status, landed.header("location")),
        (303, "/user"),
        "the good one still works: {landed:?}"
    );
}

/// Salesforce adds parameters; they are ignored.
#[actix_web::test]
async fn unknown_callback_parameters_are_ignored() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let mut callback = app.callback_of(&browser).await;
    callback
        .query_pairs_mut()
        .append_pair("sfdc_community_url", "https://evil.example")
        .append_pair("x", "y");
    assert_eq!(browser.open(callback.as_str()).await.status, 303);
    assert!(app.is_logged_in(&browser).await);
}

/// an issuer, when named, must be the one that was asked.
#[actix_web::test]
async fn a_response_in_the_name_of_another_issuer_is_refused() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    assert_eq!(browser.open(with(&callback, "iss", "https://evil.example").as_str()).await.status, 400);
    assert_eq!(app.exchanges(), 0);
    assert_eq!(browser.open(callback.as_str()).await.status, 400, "the attempt is used up");
    let again = app.callback_of(&browser).await;
    let iss = app.org.login_url().trim_end_matches('/').to_owned();
    assert_eq!(browser.open(with(&again, "iss", &iss).as_str()).await.status, 303);
}

/// a callback counts once, one after the other, with the cookie kept, and in parallel.
#[actix_web::test]
async fn a_callback_is_used_once() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    let keeps_cookies = browser.copy();
    assert_eq!(browser.open(callback.as_str()).await.status, 303);
    let back_button = browser.open(callback.as_str()).await;
    assert_eq!(
        (back_button.status, back_button.header("location")),
        (303, "/"),
        "the back button leads home"
    );
    let other_code = with(&callback, "code", "another code");
    assert_eq!(keeps_cookies.open(other_code.as_str()).await.status, 400, "the cookie alone is not enough");
    assert_eq!(app.exchanges(), 1);
    assert!(app.is_logged_in(&browser).await);

    // The same callback of the same browser, at once: one exchange, and the same login for each.
    let browser = Client::new();
    let callback = app.callback_of(&browser).await;
    let copies: Vec<_> = (0..6).map(|_| browser.copy()).collect();
    let pages = futures_util::future::join_all(copies.iter().map(|copy| copy.open(callback.as_str()))).await;
    assert_eq!(pages.iter().filter(|page| page.status == 303).count(), 6, "{pages:?}");
    assert_eq!(app.exchanges(), 2);
    assert_eq!(app.salesforce.list_logins(GrantFilter::All).await.unwrap().len(), 2, "one login each time");
    assert_eq!(app.org.code_reuse_count(), 0);
}

/// three tabs finish in any order; the ninth drops the oldest, never the newest.
#[actix_web::test]
async fn parallel_tabs_each_land_on_their_own_page() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let mut tabs = Vec::new();
    for path in ["/user", "/whoami", "/names"] {
        tabs.push((path, browser.visit_until(&app.url(path), CALLBACK).await));
    }
    for tab in [1, 2, 0] {
        let page = browser.open(tabs[tab].1.as_str()).await;
        assert_eq!((page.status, page.header("location")), (303, tabs[tab].0), "{page:?}");
    }

    let browser = Client::new();
    let first = app.callback_of(&browser).await;
    let mut last = first.clone();
    for _ in 0..50 {
        last = app.callback_of(&browser).await;
        let open: Vec<_> =
            browser.cookies("127.0.0.1").into_iter().filter(|(name, _)| name.contains(".attempt.")).collect();
        assert!(open.len() <= 8, "{} open", open.len());
        assert!(open.iter().map(|(name, value)| name.len() + value.len() + 3).sum::<usize>() <= 3_584);
    }
    assert_eq!(browser.open(last.as_str()).await.status, 303, "the newest works");
    let page = Client::copy(&browser);
    page.remove_cookie("127.0.0.1", &browser.own_cookie("").unwrap().0);
    assert_eq!(page.open(first.as_str()).await.status, 400, "the oldest is refused politely");
}

/// the longest return target still fits into a cookie that browsers keep.
#[actix_web::test]
async fn no_cookie_is_too_large() {
    let app = TestApp::start().await;
    let target = format!("/user?q={}", "a".repeat(892));
    let browser = Client::new();
    let page = browser.open(&app.url(&format!("{LOGIN}?return_to={target}"))).await;
    for cookie in page.set_cookies() {
        assert!(cookie.split(';').next().unwrap().len() <= 4096);
    }
    let landed = browser.visit(&app.url(&format!("{LOGIN}?return_to={target}"))).await;
    assert!(landed.url.as_str().ends_with(&target), "{landed:?}");
}

/// a code of one attempt with the state of another fails at Salesforce, and there is no login.
#[actix_web::test]
async fn codes_and_states_of_two_attempts_do_not_mix() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let one = app.callback_of(&browser).await;
    let two = app.callback_of(&browser).await;
    let mixed = with(&two, "code", &query(&one, "code").unwrap());
    let page = browser.open(mixed.as_str()).await;
    assert_eq!(page.status, 403, "{page:?}");
    assert!(page.body.contains("Try again"));
    assert!(!app.is_logged_in(&browser).await);
}

/// the code goes to the host of that attempt only.
#[actix_web::test]
async fn two_login_hosts_are_kept_apart() {
    let sandbox = FakeOrg::start().await.unwrap();
    sandbox.sign_in(&sandbox.user(ADA));
    let org = FakeOrg::start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let (login, instance) = (sandbox.login_url().to_owned(), sandbox.instance_url().to_owned());
    let app =
        TestApp::around(org, |builder| builder.login_host("sandbox", login).allowed_origin(instance)).await;
    let browser = Client::new();
    let start = browser.open(&app.url(&format!("{LOGIN}?host=sandbox"))).await.location();
    assert_eq!(start.origin(), Url::parse(&sandbox.login_url()).unwrap().origin());
    let state = query(&start, "state").unwrap();

    // A code of the other host in this attempt: it reaches this attempt's host only, and fails there.
    let other = app.callback_of(&browser).await;
    let before = app.org.requests().len();
    let mut mixed = with(&other, "state", &state);
    mixed.set_path(&format!("{CALLBACK}/sandbox"));
    let page = browser.open(mixed.as_str()).await;
    assert!(page.status >= 400, "{page:?}");
    assert_eq!(app.org.requests().len(), before, "the other host was not asked");
    assert!(!app.is_logged_in(&browser).await);

    for host in
        ["production", "login.salesforce.com.evil.example", "..@evil", "http://127.0.0.1:1", "sandbox%00"]
    {
        let page = browser.open(&app.url(&format!("{LOGIN}?host={host}"))).await;
        assert_eq!(page.status, 400, "{host}: {page:?}");
    }
}

/// without cookies the flow ends in an explanation.
#[actix_web::test]
async fn a_browser_without_cookies_ends_at_an_explanation() {
    let app = TestApp::start().await;
    let mut url = app.url("/whoami");
    for hop in 0..6 {
        // A new jar each time: nothing is kept.
        let page = Client::new().open(&url).await;
        if !page.is_redirect() {
            assert_eq!(page.status, 400, "{page:?}");
            assert!(page.body.contains("cookies"), "{page:?}");
            return;
        }
        assert!(hop < 5, "the redirects end");
        url = page.location().into();
    }
}

/// a browser that loses only the login's cookie is not sent round for ever, and leaves no login behind.
#[actix_web::test]
async fn a_browser_that_loses_the_session_ends_at_an_explanation() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let mut page = browser.open(&app.url("/whoami")).await;
    for hop in 0.. {
        if let Some((name, _)) = browser.own_cookie("") {
            browser.remove_cookie("127.0.0.1", &name);
        }
        if !page.is_redirect() {
            break;
        }
        assert!(hop < 24, "the redirects end");
        page = browser.open(page.location().as_str()).await;
    }
    assert_eq!(page.status, 400, "{page:?}");
    assert!(page.body.contains("did not last"), "{page:?}");
    assert!((2..=3).contains(&app.exchanges()));
    // The browser never brought them back, so no request could use or end them.
    for _ in 0..100 {
        if app.salesforce.list_logins(actix_salesforce::store::GrantFilter::All).await.unwrap().is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("logins that no browser can use are left");
}

/// A login that is only loaded in case it is wanted starts nothing.
#[actix_web::test]
async fn a_prefetch_and_other_methods_start_no_login() {
    let app = TestApp::start().await;
    let browser = Client::new();
    let headers = [("sec-purpose", "prefetch;prerender"), ("accept", "text/html")];
    let page = browser.send(reqwest::Method::GET, &app.url(LOGIN), &headers, None).await;
    // Browsers keep a prefetched 2xx for the click that follows.
    assert_eq!((page.status, &*page.body, page.set_cookies().len()), (503, "", 0));
    assert_eq!((page.header("vary"), page.header("cache-control")), ("Sec-Purpose", "no-store"));
    assert_eq!(browser.open(&app.url(LOGIN)).await.status, 303, "the click itself");
    for method in
        [reqwest::Method::HEAD, reqwest::Method::POST, reqwest::Method::DELETE, reqwest::Method::PUT]
    {
        let page = browser.send(method.clone(), &app.url(LOGIN), &[], None).await;
        assert_eq!((page.status, page.header("allow")), (405, "GET"), "{method}");
        assert!(page.set_cookies().is_empty());
    }
}

/// A monitor, or a crawler that looks before it loads (RFC 9110 section 9.3.2). What starts or ends something takes none.
#[actix_web::test]
async fn a_head_gets_what_a_get_of_a_page_gets() {
    let app = TestApp::with(|builder| {
        builder
            .single_logout(true)
            .connect_owner(|_| async { Ok::<_, std::io::Error>(ConnectDecision::not_logged_in()) })
    })
    .await;
    let browser = app.logged_in().await;
    let send = async |method: reqwest::Method, route: &str| {
        let headers = [("accept", "text/html"), ("sec-fetch-mode", "navigate")];
        browser.send(method, &app.url(&format!("/auth/salesforce/{route}")), &headers, None).await
    };
    for route in ["orgs", "logout", "hosts", "connect", "me"] {
        let (head, get) = (send(reqwest::Method::HEAD, route).await, send(reqwest::Method::GET, route).await);
        assert_eq!((head.status, head.body.as_str()), (get.status, ""), "{route}: {head:?}");
        assert!(get.status < 405, "{route}: {get:?}");
    }
    for route in ["login", "callback", "slo", "canvas"] {
        let page = send(reqwest::Method::HEAD, route).await;
        assert!(page.status == 405 && !page.header("allow").contains("HEAD"), "{route}: {page:?}");
    }
    assert!(app.is_logged_in(&browser).await);
}

/// nothing in a request moves the redirect URI, the cookies or the redirects.
#[actix_web::test]
async fn host_and_forwarded_headers_change_nothing() {
    let app = TestApp::start().await;
    let forged = "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nForwarded: host=evil.example;proto=https\r\n\
                  X-Forwarded-For: 1.2.3.4\r\nAccept: text/html\r\n";
    let response = raw::get(&app.server.url, LOGIN, forged.as_bytes());
    assert!(!response.contains("evil.example"), "{response}");
    let expected: String = url::form_urlencoded::byte_serialize(app.url(CALLBACK).as_bytes()).collect();
    assert!(response.contains(&expected), "{response}");
    assert!(!response.contains("Secure"), "the public URL decides on the flags: {response}");
    let request =
        format!("GET http://evil.example{LOGIN} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    let response = raw::exchange(&app.server.url, request.as_bytes());
    assert!(!response.contains("redirect_uri=http%3A%2F%2Fevil"), "{response}");
}

/// strangers who only start logins leave nothing behind on the server.
#[actix_web::test]
async fn login_starts_use_no_store() {
    let app = TestApp::start().await;
    for _ in 0..300 {
        Client::new().open(&app.url(LOGIN)).await;
    }
    let all = GrantFilter::All;
    assert!(app.salesforce.list_logins(all).await.unwrap().is_empty());
    assert!(app.salesforce.list_grants(all).await.unwrap().is_empty());
}
