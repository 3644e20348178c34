//! A signed request of Salesforce logs in, once, and changes no ordinary grant.

use crate::support::{ADA, Client, LOGIN, TestApp, reserve};
use actix_salesforce::{InvalidFacts, LoginDecision, UserRef, store::GrantFilter};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::Method;
use salesforce_fake_org::{FakeOrg, Fault, Route};

use super::*;

#[actix_web::test]
async fn a_signed_request_logs_in_within_the_frame() {
    let app = start().await;
    let browser = Client::new();
    let page =
        post(&app, &browser, &format!("{CANVAS}?return_to=/user%3Fa=1"), &signed(&app, ADA), &[]).await;
    assert_eq!((page.status, page.header("location")), (303, "/user?a=1"), "{page:?}");
    let cookies = page.set_cookies();
    assert_eq!(cookies.len(), 1, "the ordinary cookie is never set: {cookies:?}");
    assert!(cookies[0].contains(".canvas="), "{cookies:?}");
    for attribute in ["SameSite=None", "Secure", "Partitioned", "HttpOnly", "Path=/"] {
        assert!(cookies[0].contains(attribute), "{attribute}: {cookies:?}");
    }
    assert!(!cookies[0].contains("Domain") && !cookies[0].contains("Max-Age"), "{cookies:?}");
    assert!(!cookies[0].contains(&app.org.live_access_tokens(&app.org.user(ADA))[0]));

    let page = in_frame(&app, &browser, "/user").await;
    assert_eq!(page.json()["username"], ADA);
    assert_eq!(page.json()["user_id"], app.org.user(ADA).id());
    assert!(page.json()["scopes"].to_string().contains("api"), "{page:?}");
    assert_eq!(in_frame(&app, &browser, "/whoami").await.body, ADA, "the token of the request is used");
    let script = [("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty"), ("sec-fetch-site", "same-origin")];
    assert_eq!(browser.send(Method::GET, &app.url("/user"), &script, None).await.status, 200);
    // In a window, and for a client that does not say where it is, it does not count.
    assert_eq!(browser.open(&app.url("/user")).await.location().path(), LOGIN);
    assert_eq!(browser.send(Method::GET, &app.url("/user"), &[], None).await.status, 401);
    assert_eq!(app.exchanges(), 0);
    let logins = app.salesforce.list_logins(GrantFilter::All).await.unwrap();
    assert_eq!(logins.len(), 1);
    app.salesforce.revoke_login(&logins[0]).await.unwrap();
    assert_eq!(user_of(&app, &browser).await, None, "an operator ends it");
}

#[actix_web::test]
async fn a_signed_request_counts_once() {
    let app = start().await;
    let once = signed(&app, ADA);
    let (first, thief) = (Client::new(), Client::new());
    assert_eq!(post(&app, &first, CANVAS, &once, &[]).await.status, 303);
    let spelled = once.replace('+', " ");
    for text in [&once, &spelled, &format!(" {once}\n")] {
        let page = post(&app, &thief, CANVAS, text, &[]).await;
        assert_eq!(page.status, 403, "{page:?}");
        assert!(page.body.contains("reloaded") && page.set_cookies().is_empty(), "{page:?}");
        assert!(
            page.header("content-security-policy").contains(app.org.instance_url().trim_end_matches('/'))
        );
    }
    assert_eq!(user_of(&app, &first).await.as_deref(), Some(ADA));
    // Two at the same time.
    let again = signed(&app, ADA);
    let (one, two) = (Client::new(), Client::new());
    let (one, two) =
        futures_util::join!(post(&app, &one, CANVAS, &again, &[]), post(&app, &two, CANVAS, &again, &[]));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 403]);
    // The next frame of the same user brings another one, and replaces the login of this frame.
    assert_eq!(post(&app, &first, CANVAS, &signed(&app, BEN), &[]).await.status, 303);
    assert_eq!(user_of(&app, &first).await.as_deref(), Some(BEN));
}

#[actix_web::test]
async fn only_what_salesforce_signed_is_taken() {
    let app = start().await;
    let browser = Client::new();
    let good = signed(&app, ADA);
    let (signature, payload) = good.split_once('.').unwrap();
    let ben = signed(&app, BEN);
    let (_, other) = ben.split_once('.').unwrap();
    let decoded = STANDARD.decode(payload).unwrap();
    let unsigned = String::from_utf8(decoded).unwrap().replace("HMACSHA256", "none");
    for text in [
        format!("{signature}.{other}"),
        format!(".{payload}"),
        payload.to_owned(),
        String::new(),
        format!("{}.{}", STANDARD.encode([0; 32]), payload),
        format!("{signature}.{}", STANDARD.encode(unsigned)),
        format!("{signature}.{payload}.{payload}"),
    ] {
        let page = post(&app, &browser, CANVAS, &text, &[]).await;
        assert!(page.status == 403 && page.set_cookies().is_empty(), "{text}: {page:?}");
        assert!(!page.body.contains(payload), "{page:?}");
    }
    for form in ["", "signed_request", "other=1", "signed_request=a.b&signed_request=a.b"] {
        assert_eq!(post_form(&app, &browser, CANVAS, form, &[]).await.status, 403, "{form}");
    }
    let twice = format!("signed_request=x.y&{}", good);
    assert_eq!(post_form(&app, &browser, CANVAS, &twice, &[]).await.status, 403);
    assert_eq!(requests_at_instance(&app), 0, "Salesforce is not asked about it");
    assert_eq!(app.salesforce.list_grants(GrantFilter::All).await.unwrap().len(), 0);
    // All of that has not used the good one up.
    assert_eq!(post(&app, &browser, CANVAS, &good, &[]).await.status, 303);
}

/// A link, a window, or a page of another site that got hold of a signed request.
#[actix_web::test]
async fn a_signed_request_is_taken_in_a_frame_of_salesforce_only() {
    let app = start().await;
    let browser = Client::new();
    let good = signed(&app, ADA);
    for headers in [
        [("sec-fetch-dest", "document")],
        [("sec-fetch-dest", "frame")],
        [("sec-fetch-dest", "empty")],
        [("sec-fetch-dest", "")],
        [("origin", "https://evil.example")],
        [("origin", "http://127.0.0.1:1")],
        [("origin", "https://acme.my.salesforce.com.evil.example")],
        [("origin", "http://acme.my.salesforce.com")],
        [("origin", "https://my.salesforce.com")],
    ] {
        let page = post(&app, &browser, CANVAS, &good, &headers).await;
        assert!(page.status == 403 && page.set_cookies().is_empty(), "{headers:?}: {page:?}");
    }
    for headers in [[("origin", "null")], [("origin", "")], [("origin", "https://acme.lightning.force.com")]]
    {
        let page = post(&app, &browser, CANVAS, &signed(&app, ADA), &headers).await;
        assert_eq!(page.status, 303, "{headers:?}: {page:?}");
    }
    // What Salesforce opens for a user who has to allow the app first.
    let query = "?loginUrl=https%3A%2F%2Facme.my.salesforce.com&_sfdc_canvas_auth=user_approval_required";
    let page = in_frame(&app, &Client::new(), &format!("{CANVAS}{query}")).await;
    assert!(page.status == 200 && page.body.contains("target=\"_blank\""), "{page:?}");
    assert!(!page.body.contains("acme.my"), "nothing of the query: {page:?}");
}

/// Userinfo says whose token it is, and that it lives.
#[actix_web::test]
async fn a_signed_request_counts_while_its_token_lives_and_for_its_user_only() {
    let app = start().await;
    let browser = Client::new();
    let expired = signed(&app, ADA);
    app.org.expire_access_tokens();
    let page = post(&app, &browser, CANVAS, &expired, &[]).await;
    assert!(page.status == 403 && page.body.contains("reloaded"), "{page:?}");

    let ben = app.org.user(BEN);
    for (member, value) in
        [("user_id", ben.id().to_owned()), ("organization_id", "00D000000000009EAA".to_owned())]
    {
        let ada = app.org.user(ADA);
        let mut info = serde_json::json!({
            "sub": "x", "user_id": ada.id(), "organization_id": ada.organization_id(), "name": "Ada",
        });
        info[member] = value.into();
        let fault = app.org.faults().at(Route::Userinfo, Fault::Json(info));
        let page = post(&app, &browser, CANVAS, &signed(&app, ADA), &[]).await;
        assert_eq!(page.status, 502, "{member}: {page:?}");
        fault.remove();
    }
    let outage = app.org.faults().at(Route::Userinfo, Fault::Status(503));
    assert_eq!(post(&app, &browser, CANVAS, &signed(&app, ADA), &[]).await.status, 503);
    outage.remove();
    assert_eq!(app.salesforce.list_grants(GrantFilter::All).await.unwrap().len(), 0, "nothing is stored");
    assert_eq!(user_of(&app, &browser).await, None);
}

/// An org that is not allowed is never contacted, and no token of Salesforce's is revoked.
#[actix_web::test]
async fn who_may_not_log_in_may_not_by_canvas() {
    let elsewhere = with(|builder| builder.allowed_orgs(["00D000000000009EAA"])).await;
    let page = post(&elsewhere, &Client::new(), CANVAS, &signed(&elsewhere, ADA), &[]).await;
    assert_eq!((page.status, requests_at_instance(&elsewhere)), (403, 0), "{page:?}");

    let app = with(|builder| builder.allow_org_if(|_| async { Ok::<_, std::io::Error>(false) })).await;
    let page = post(&app, &Client::new(), CANVAS, &signed(&app, ADA), &[]).await;
    assert_eq!((page.status, requests_at_instance(&app)), (403, 0), "{page:?}");

    let app = with(|builder| {
        builder.on_login(|login| async move {
            if login.username.as_deref() == Some(BEN) {
                return Ok::<_, InvalidFacts>(LoginDecision::refuse("Your contract has ended."));
            }
            LoginDecision::allow_with(&serde_json::json!({ "plan": "gold" }))
        })
    })
    .await;
    let browser = frame(&app, ADA).await;
    assert_eq!(in_frame(&app, &browser, "/facts").await.body, r#"{"plan":"gold"}"#);
    let page = post(&app, &browser, CANVAS, &signed(&app, BEN), &[]).await;
    assert!(page.status == 403 && page.body.contains("Your contract has ended."), "{page:?}");
    assert_eq!(user_of(&app, &browser).await.as_deref(), Some(ADA), "the login of the frame stays");
    assert!(!app.org.live_access_tokens(&app.org.user(BEN)).is_empty(), "the token is Salesforce's");
}

#[actix_web::test]
async fn an_instance_that_is_not_allowed_is_never_contacted() {
    let app = start().await;
    let foreign =
        FakeOrg::builder().client(&app.org.client_id(), &app.org.client_secret()).start().await.unwrap();
    let signed = foreign.canvas_signed_request(&foreign.user(ADA));
    let page = post(&app, &Client::new(), CANVAS, &signed, &[]).await;
    assert_eq!(page.status, 500, "{page:?}");
    assert!(foreign.requests().is_empty(), "{:?}", foreign.requests());
}

/// The stored grant is used where there is one, and nothing replaces, refreshes or revokes it.
#[actix_web::test]
async fn an_ordinary_grant_is_used_and_stays_as_it_is() {
    let app = start().await;
    let ada = app.org.user(ADA);
    let user = UserRef::new(ada.organization_id().parse().unwrap(), ada.id().parse().unwrap());
    app.org.sign_in(&ada);
    let ordinary = Client::new();
    app.log_in(&ordinary).await;
    let (refresh_tokens, bearer) = (app.org.live_refresh_tokens(&ada), last_bearer(&app));
    assert_eq!(refresh_tokens.len(), 1);

    let framed = frame(&app, ADA).await;
    assert_eq!(in_frame(&app, &framed, "/whoami").await.body, ADA);
    assert_eq!(last_bearer(&app), bearer, "the stored grant is used");
    let other = frame(&app, ADA).await;
    framed.submit(&app.url(LOGOUT), &app.server.url, &[]).await;
    let stored = |tokens: &[String]| refresh_tokens.iter().all(|token| tokens.contains(token));
    assert!(stored(&app.org.live_refresh_tokens(&ada)), "neither replaced nor revoked");
    assert!(app.is_logged_in(&ordinary).await);
    assert!(app.salesforce.user_connection(user).await.is_ok());

    // The ordinary login ends: the frame goes on with its own token, and jobs have none.
    ordinary.submit(&app.url(LOGOUT), &app.server.url, &[]).await;
    assert_eq!(in_frame(&app, &other, "/whoami").await.body, ADA);
    assert_ne!(last_bearer(&app), bearer);
    assert!(app.salesforce.user_connection(user).await.is_err());
    // A login after that is used again.
    let again = Client::new();
    app.log_in(&again).await;
    let bearer = last_bearer(&app);
    assert_eq!(in_frame(&app, &other, "/whoami").await.body, ADA);
    assert_eq!(last_bearer(&app), bearer);
    // Everywhere is in frames, too.
    again.submit(&app.url(LOGOUT), &app.server.url, &[("everywhere", "1")]).await;
    assert_eq!(user_of(&app, &other).await, None);
}

/// While the app's credentials rotate, Salesforce may sign with either secret.
#[actix_web::test]
async fn the_previous_secret_signs_too() {
    let org = FakeOrg::start().await.unwrap();
    let (id, secret) = (org.client_id(), org.client_secret());
    let app = around(org, |builder| {
        builder
            .client_id("3MVG9New")
            .client_secret("new-secret")
            .previous_client_id(id)
            .previous_client_secret(secret)
    })
    .await;
    let browser = frame(&app, ADA).await;
    assert_eq!(user_of(&app, &browser).await.as_deref(), Some(ADA));
    let org = FakeOrg::start().await.unwrap();
    let other = around(org, |builder| builder.client_secret("another-secret")).await;
    let page = post(&other, &Client::new(), CANVAS, &signed(&other, ADA), &[]).await;
    assert_eq!(page.status, 403, "a secret that the app does not have: {page:?}");
}

#[actix_web::test]
async fn an_app_without_a_secret_has_no_canvas_route() {
    let org = FakeOrg::builder().public_client().start().await.unwrap();
    let (listener, url) = reserve();
    let builder =
        actix_salesforce::Salesforce::builder().client_id(org.client_id()).login_url(org.login_url());
    let salesforce = builder.allowed_origin(org.instance_url()).public_url(&url).build().await.unwrap();
    let server = crate::support::app::standard(listener, 1, salesforce.clone());
    let app = TestApp { org, salesforce, server };
    assert_eq!(post(&app, &Client::new(), CANVAS, &signed(&app, ADA), &[]).await.status, 404);
}

/// Its token is Salesforce's own session there, and was never given to the app to end.
#[actix_web::test]
async fn the_token_of_a_signed_request_is_never_revoked() {
    let app = start().await;
    let browser = frame(&app, ADA).await;
    let headers =
        [("origin", app.server.url.as_str()), ("sec-fetch-dest", "iframe"), ("accept", "text/html")];
    let page = browser.send(Method::POST, &app.url(LOGOUT), &headers, Some("")).await;
    assert_eq!(page.status, 303, "{page:?}");
    // By an operator.
    frame(&app, ADA).await;
    assert_eq!(app.salesforce.revoke_grants(GrantFilter::All).await.unwrap(), 1);
    // An ordinary grant, so that the revocations before it have been sent.
    let ada = app.org.user(ADA);
    let before = app.org.live_refresh_tokens(&ada).len();
    app.org.sign_in(&ada);
    app.logged_in().await;
    assert_eq!(app.org.live_refresh_tokens(&ada).len(), before + 1);
    assert_eq!(app.salesforce.revoke_grants(GrantFilter::All).await.unwrap(), 1);
    let revocations =
        || app.org.requests().iter().filter(|request| request.path == "/services/oauth2/revoke").count();
    for _ in 0..200 {
        if app.org.live_refresh_tokens(&ada).len() == before {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(app.org.live_refresh_tokens(&ada).len(), before);
    assert_eq!(revocations(), 1);
}
