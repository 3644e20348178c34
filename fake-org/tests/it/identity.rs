//! Identity, userinfo, discovery, keys and id tokens.
use crate::support::{ADA, ALL, Response, code, exchange, http, refresh, send, userinfo};
use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

async fn get(org: &FakeOrg, path: &str, token: Option<&str>) -> Response {
    let request = http().get(format!("{}{path}", org.instance_url()));
    send(match token {
        Some(token) => request.bearer_auth(token),
        None => request,
    })
    .await
}

fn claims(jws: &str) -> (Value, Value) {
    let part =
        |i: usize| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(jws.split('.').nth(i).unwrap()).unwrap());
    (part(0).unwrap(), part(1).unwrap())
}

/// Whether the signature is right by the key set's key of that `kid`; `None`: no such key.
async fn verified(org: &FakeOrg, jws: &str) -> Option<bool> {
    let keys = send(http().get(format!("{}/id/keys", org.login_url()))).await.json();
    let kid = claims(jws).0["kid"].clone();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid)?.clone();
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let (message, signature) = jws.rsplit_once('.').unwrap();
    let public = RsaPublicKeyComponents { n: bytes("n"), e: bytes("e") };
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    Some(public.verify(&RSA_PKCS1_2048_8192_SHA256, message.as_bytes(), &signature).is_ok())
}

/// Section 1.5: members that an app and an admin add.
#[tokio::test]
async fn an_identity_shows_what_was_set_up() {
    let policy = json!({
        "custom_permissions": ["Export"],
        "custom_attributes": { "team": "north" },
        "mobile_policy": { "screen_lock": 10, "pin_length": 4 },
    });
    let org = FakeOrg::start().await.unwrap();
    let ada = org.user(ADA);
    let path = format!("/id/{}/{}", ada.organization_id(), ada.id());
    let show = async |scopes: &str| {
        get(&org, &path, Some(&org.issue_tokens(&ada, scopes).access_token)).await.json()
    };
    let plain = show("api custom_permissions").await;
    assert_eq!(plain["custom_permissions"], json!({}));
    assert_eq!((plain.get("custom_attributes"), plain.get("mobile_policy")), (None, None));
    org.set_policy(&policy).unwrap();
    let shown = show("api custom_permissions").await;
    assert_eq!(shown["custom_permissions"], json!({ "Export": true }));
    assert_eq!(shown["custom_attributes"], policy["custom_attributes"]);
    assert_eq!(shown["mobile_policy"], policy["mobile_policy"]);
    assert_eq!(show("api").await.get("custom_permissions"), None, "only for the scope");
}

/// What an app may ask about a user: by the identity, and by queries.
#[tokio::test]
async fn each_user_has_separate_rights() {
    let rights =
        json!({ "profile": "Sales", "user_type": "POWER_PARTNER", "custom_permissions": ["Export"] });
    let org = FakeOrg::builder()
        .user_access("ben@example.com", &rights)
        .unwrap()
        .permission_set("Billing", &["ben@example.com"])
        .start()
        .await
        .unwrap();
    let (ada, ben) = (org.user(ADA), org.user("ben@example.com"));
    let show = async |user: &salesforce_fake_org::User| {
        let path = format!("/id/{}/{}", user.organization_id(), user.id());
        let token = org.issue_tokens(user, "api custom_permissions").access_token;
        get(&org, &path, Some(&token)).await.json()
    };
    let query = async |user: &salesforce_fake_org::User, soql: &str| {
        let token = org.issue_tokens(user, "api").access_token;
        let soql: String = url::form_urlencoded::byte_serialize(soql.as_bytes()).collect();
        get(&org, &format!("/services/data/v66.0/query?q={soql}"), Some(&token)).await
    };
    let (of_ada, of_ben) = (show(&ada).await, show(&ben).await);
    assert_eq!((&of_ada["user_type"], &of_ada["custom_permissions"]), (&json!("STANDARD"), &json!({})));
    assert_eq!(
        (&of_ben["user_type"], &of_ben["custom_permissions"]),
        (&json!("POWER_PARTNER"), &json!({ "Export": true }))
    );
    let users = "SELECT Profile.Name, UserType FROM User WHERE Username IN ('ada@example.com', 'ben@example.com') \
                 ORDER BY Username";
    let users = query(&ada, users).await.json();
    let of =
        |n: usize| (users["records"][n]["Profile"]["Name"].clone(), users["records"][n]["UserType"].clone());
    assert_eq!(of(0), (json!("System Administrator"), json!("Standard")));
    assert_eq!(of(1), (json!("Sales"), json!("PowerPartner")));

    // Assignments are for administrators.
    let sets = "SELECT PermissionSet.Name, IsActive FROM PermissionSetAssignment WHERE Assignee.Username = 'ben@example.com'";
    let names = async || {
        let found = query(&ada, sets).await.json();
        let records = found["records"].as_array().unwrap().clone();
        assert!(records.iter().all(|record| record["IsActive"] == true), "{records:?}");
        records.iter().map(|record| record["PermissionSet"]["Name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["Billing"]);
    assert_eq!(query(&ben, sets).await.status, 400);
    org.set_user_access(&ben, &json!({ "permission_sets": ["Audit", "Billing"] })).unwrap();
    assert_eq!(names().await.len(), 2);
    assert_eq!(show(&ben).await["custom_permissions"], json!({ "Export": true }), "what is not named stays");
    org.reset().unwrap();
    assert_eq!(names().await, ["Billing"]);
    assert!(org.set_user_access(&ben, &json!({ "profil": "Sales" })).is_err());
}

#[tokio::test]
async fn an_id_token_says_when_the_user_logged_in_where_that_is_set() {
    let org = FakeOrg::start().await.unwrap();
    let auth_time = async || {
        let token = org.issue_tokens(&org.user(ADA), "openid");
        let token = serde_json::to_value(token).unwrap()["id_token"].as_str().unwrap().to_owned();
        let (_, claims) = claims(&token);
        claims["auth_time"].as_i64().map(|time| claims["iat"].as_i64().unwrap() - time)
    };
    assert_eq!(auth_time().await, None);
    org.set_policy(&json!({ "id_token_auth_age_seconds": 90, "is_sandbox": true })).unwrap();
    assert_eq!(auth_time().await, Some(90));
    let token = org.issue_tokens(&org.user(ADA), "api").access_token;
    let query = "/services/data/v66.0/query?q=SELECT+IsSandbox+FROM+Organization";
    assert_eq!(get(&org, query, Some(&token)).await.json()["records"][0]["IsSandbox"], true);
}

/// Sections 1.5 and 4.3: 403 and a bare word, neither 401 nor JSON.
#[tokio::test]
async fn dead_tokens_get_a_bare_word() {
    let org = FakeOrg::start().await.unwrap();
    let ada = org.user(ADA);
    let live = org.issue_tokens(&ada, ALL).access_token;
    let path = format!("/id/{}/{}", ada.organization_id(), ada.id());
    for path in ["/services/oauth2/userinfo", &path] {
        assert_eq!(get(&org, path, Some(&live)).await.status, 200);
        let response = get(&org, path, Some("00Dx!dead")).await;
        assert_eq!((response.status, response.body.as_str()), (403, "Bad_OAuth_Token"));
        assert!(response.header("content-type").starts_with("text/html"));
        let response = get(&org, path, None).await;
        assert_eq!((response.status, response.body.as_str()), (403, "Missing_OAuth_Token"));
        let parameter = get(&org, &format!("{path}?oauth_token={live}"), None).await;
        assert_eq!(parameter.status, 200);
    }
    org.expire_access_tokens();
    assert_eq!(userinfo(&org, &live).await.body, "Bad_OAuth_Token");
}

/// Section 1.5: the words other than `Bad_OAuth_Token` are unverified.
#[tokio::test]
async fn the_identity_of_others_needs_api() {
    let org = FakeOrg::start().await.unwrap();
    let (ada, ben) = (org.user(ADA), org.user("ben@example.com"));
    let path = |org_id: &str, user_id: &str| format!("/id/{org_id}/{user_id}");
    let bens = path(ben.organization_id(), ben.id());
    let api = org.issue_tokens(&ada, "api").access_token;
    let response = get(&org, &bens, Some(&api)).await.json();
    assert_eq!(
        (&response["username"], &response["asserted_user"]),
        (&json!("ben@example.com"), &json!(false))
    );
    let id = org.issue_tokens(&ada, "id").access_token;
    assert_eq!(get(&org, &bens, Some(&id)).await.body, "No_Access");
    // 15 characters mean the same.
    let short = path(&ada.organization_id()[..15], &ada.id()[..15]);
    assert_eq!(get(&org, &short, Some(&id)).await.json()["asserted_user"], true);
    assert_eq!(get(&org, &path("00Dx0000000BV7z", ada.id()), Some(&id)).await.body, "Wrong_Org");
    assert_eq!(get(&org, &path("zzz", ada.id()), Some(&id)).await.body, "Bad_Id");
}

/// Section 1.5: `version` fills the URLs, without it they hold `{version}`.
#[tokio::test]
async fn the_identity_url_takes_a_version() {
    let org = FakeOrg::start().await.unwrap();
    let tokens = org.issue_tokens(&org.user(ADA), ALL);
    let rest = async |query: &str| {
        let response =
            send(http().get(format!("{}{query}", tokens.id)).bearer_auth(&tokens.access_token)).await;
        response.json()["urls"]["rest"].as_str().unwrap().to_owned()
    };
    assert!(rest("").await.ends_with("/services/data/v{version}/"));
    assert!(rest("?version=60.0").await.ends_with("/services/data/v60.0/"));
    assert!(rest("?version=latest").await.ends_with("/services/data/v68.0/"));
}

/// Section 1.5: formats by parameter or `Accept`, and JSONP.
#[tokio::test]
async fn the_identity_url_has_formats() {
    let org = FakeOrg::start().await.unwrap();
    let tokens = org.issue_tokens(&org.user(ADA), ALL);
    let send_request = async |query: &str, accept: &str| {
        let request = http().get(format!("{}{query}", tokens.id)).bearer_auth(&tokens.access_token);
        send(request.header("accept", accept)).await
    };
    let xml = send_request("", "application/xml").await;
    assert!(xml.header("content-type").starts_with("application/xml"), "{xml:?}");
    assert!(xml.body.contains("<username>ada@example.com</username>"), "{xml:?}");
    let form = send_request("?format=urlencoded", "application/xml").await;
    assert!(form.body.contains("username=ada%40example.com"), "{form:?}");
    assert_eq!(send_request("?format=json", "application/xml").await.json()["username"], ADA);
    let jsonp = send_request("?callback=show", "*/*").await;
    assert!(jsonp.body.starts_with("show({"), "{jsonp:?}");
}

/// Section 1.3: what is left out on the login host, and what a My Domain adds.
#[tokio::test]
async fn discovery_is_as_captured() {
    let org = FakeOrg::start().await.unwrap();
    let path = "/.well-known/openid-configuration";
    let login = send(http().get(format!("{}{path}", org.login_url()))).await.json();
    assert_eq!(login["issuer"], org.login_url());
    assert_eq!(login["token_endpoint"], format!("{}/services/oauth2/token", org.login_url()));
    for absent in ["code_challenge_methods_supported", "grant_types_supported", "end_session_endpoint"] {
        assert!(login.get(absent).is_none(), "{absent}");
    }
    let domain = get(&org, path, None).await.json();
    assert_eq!(domain["issuer"], org.instance_url());
    assert_eq!(
        domain["end_session_endpoint"],
        format!("{}/services/auth/idp/oidc/logout", org.instance_url())
    );
    // RFC 8414's document is not there.
    let response =
        send(http().get(format!("{}/.well-known/oauth-authorization-server", org.login_url()))).await;
    assert_eq!(response.status, 404);
}

/// Section 1.2: three documents response to pages of every origin, and nothing else does.
#[tokio::test]
async fn only_public_documents_cross_origins() {
    let org = FakeOrg::start().await.unwrap();
    let token = org.issue_tokens(&org.user(ADA), ALL).access_token;
    for path in ["/.well-known/openid-configuration", "/.well-known/auth-configuration", "/id/keys"] {
        assert_eq!(get(&org, path, None).await.header("access-control-allow-origin"), "*", "{path}");
    }
    for path in ["/services/oauth2/userinfo", "/services/data/v66.0/limits"] {
        let response = get(&org, path, Some(&token)).await;
        assert_eq!((response.status, response.header("access-control-allow-origin")), (200, ""), "{path}");
    }
}

/// Sections 1.5 and 7.10: JSON in lines where it is asked for.
#[tokio::test]
async fn json_can_be_pretty() {
    let org = FakeOrg::start().await.unwrap();
    let tokens = org.issue_tokens(&org.user(ADA), ALL);
    for url in [tokens.id, format!("{}/services/data/v66.0/limits", org.instance_url())] {
        let send_request = async |pretty: &str| {
            let request = http().get(&url).bearer_auth(&tokens.access_token);
            send(request.header("x-prettyprint", pretty)).await
        };
        assert_eq!(send_request("0").await.body.lines().count(), 1);
        let pretty = send_request("1").await;
        assert!(pretty.body.lines().count() > 10 && pretty.json().is_object(), "{pretty:?}");
        assert_eq!(pretty.header("content-type"), "application/json;charset=UTF-8");
    }
}

/// Section 4.4: RS256, two minutes, `at_hash`, `nonce`; section 2.6: the signature of the response.
#[tokio::test]
async fn id_tokens_verify() {
    let org = FakeOrg::start().await.unwrap();
    let response = exchange(&org, &code(&org, &[("nonce", "n-0S6_WzA2Mj")]).await).await.json();
    let jws = response["id_token"].as_str().unwrap();
    assert_eq!(verified(&org, jws).await, Some(true));
    let (header, claims) = claims(jws);
    assert_eq!((&header["alg"], &header["typ"]), (&json!("RS256"), &json!("JWT")));
    assert!(header["kid"].as_str().unwrap().parse::<u32>().is_ok(), "a number as text");
    assert_eq!(claims["iss"], org.login_url());
    assert_eq!(claims["sub"], response["id"]);
    assert_eq!(claims["aud"], org.client_id());
    assert_eq!(claims["nonce"], "n-0S6_WzA2Mj");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 120);
    let digest = Sha256::digest(response["access_token"].as_str().unwrap());
    assert_eq!(claims["at_hash"], URL_SAFE_NO_PAD.encode(&digest[..16]));

    let mut mac = Hmac::<Sha256>::new_from_slice(org.client_secret().as_bytes()).unwrap();
    mac.update(response["id"].as_str().unwrap().as_bytes());
    mac.update(response["issued_at"].as_str().unwrap().as_bytes());
    assert_eq!(response["signature"], STANDARD.encode(mac.finalize().into_bytes()));

    let refreshed = refresh(&org, response["refresh_token"].as_str().unwrap()).await.json();
    assert_eq!(verified(&org, refreshed["id_token"].as_str().unwrap()).await, Some(true));
    // Without openid there is none.
    let response = exchange(&org, &code(&org, &[("scope", "api refresh_token")]).await).await.json();
    assert!(response.get("id_token").is_none());
}

/// Section 1.3: the issuer is the host that was used.
#[tokio::test]
async fn the_issuer_is_the_host_that_was_used() {
    let org = FakeOrg::start().await.unwrap();
    let code = code(&org, &[]).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", crate::support::CALLBACK),
        ("code_verifier", crate::support::VERIFIER),
    ];
    let response = crate::support::token_at(&org.instance_url(), &org, &fields).await.json();
    assert_eq!(claims(response["id_token"].as_str().unwrap()).1["iss"], org.instance_url());
    assert!(response["id"].as_str().unwrap().starts_with(&org.instance_url()));
}

/// Section 4.5: several keys at once; they rotate.
#[tokio::test]
async fn keys_rotate() {
    let org = FakeOrg::start().await.unwrap();
    let old = org.sign_id_token(&json!({ "sub": "x" }));
    assert_eq!(verified(&org, &old).await, Some(true));
    org.rotate_signing_key();
    let new = org.sign_id_token(&json!({ "sub": "x" }));
    assert_ne!(claims(&old).0["kid"], claims(&new).0["kid"]);
    assert_eq!(verified(&org, &new).await, Some(true));
    assert_eq!(verified(&org, &old).await, Some(true), "the one before stays in the set");
    org.rotate_signing_key();
    assert_eq!(verified(&org, &old).await, None, "older ones leave it");
    let forged = org.forge_id_token(&json!({ "sub": "x" }));
    assert_eq!(verified(&org, &forged).await, Some(false));
}

/// Permission sets that restrict objects and fields: what a user may not read does not exist for that user.
#[tokio::test]
async fn a_user_with_minimum_access_has_what_permission_sets_grant() {
    let access = json!({
        "profile": "Minimum Access - Salesforce",
        "permission_sets": [
            { "name": "Readers", "objects": { "Account": "read", "Contact": "read" }, "fields": { "Account.Phone": "read" } },
            { "name": "Editors", "objects": { "Account": "edit" }, "fields": { "Account.Industry": "edit" } },
            "Billing",
        ],
    });
    let org = FakeOrg::builder().user_access("ben@example.com", &access).unwrap().start().await.unwrap();
    let token = org.issue_tokens(&org.user("ben@example.com"), "api").access_token;
    let read = async |path: &str| get(&org, &format!("/services/data/v66.0/{path}"), Some(&token)).await;
    let query = async |soql: &str| {
        let soql: String = url::form_urlencoded::byte_serialize(soql.as_bytes()).collect();
        read(&format!("query?q={soql}")).await
    };
    let found = query("SELECT Id, Name, Phone, Industry, Owner.Name FROM Account LIMIT 1").await;
    assert_eq!(found.status, 200, "{found:?}");
    let id = found.json()["records"][0]["Id"].as_str().unwrap().to_owned();
    for (soql, code) in [
        ("SELECT Id FROM Opportunity", "INVALID_TYPE"),
        ("SELECT Id, Website FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Website != null", "INVALID_FIELD"),
        ("SELECT Id FROM Account ORDER BY Website", "INVALID_FIELD"),
        ("SELECT Id, (SELECT Id FROM Opportunities) FROM Account", "INVALID_TYPE"),
        ("SELECT Id, Email FROM Contact", "INVALID_FIELD"),
    ] {
        let refused = query(soql).await;
        assert_eq!(
            (refused.status, &refused.json()[0]["errorCode"]),
            (400, &json!(code)),
            "{soql}: {refused:?}"
        );
    }
    let record = read(&format!("sobjects/Account/{id}")).await.json();
    assert!(record.get("Phone").is_some() && record.get("Website").is_none(), "{record}");
    assert_eq!(read("sobjects/Opportunity/describe").await.status, 404);
    let describe = read("sobjects/Account/describe").await.json();
    let field = |name: &str| {
        describe["fields"].as_array().unwrap().iter().find(|field| field["name"] == name).cloned()
    };
    assert_eq!(field("Phone").unwrap()["updateable"], false);
    assert_eq!(field("Industry").unwrap()["updateable"], true);
    assert!(field("Website").is_none());
    assert_eq!(read("sobjects/Contact/describe").await.json()["createable"], false);
    let all = read("sobjects").await.json();
    let names: Vec<_> = all["sobjects"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
    assert!(names.contains(&json!("Account")) && !names.contains(&json!("Opportunity")), "{names:?}");

    let patch = async |path: &str, body: serde_json::Value| {
        let url = format!("{}/services/data/v66.0/{path}", org.instance_url());
        let request = reqwest::Client::new().patch(url).bearer_auth(&token).json(&body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let account = format!("sobjects/Account/{id}");
    assert_eq!(patch(&account, json!({ "Industry": "Energy" })).await.0, 204);
    let refused = patch(&account, json!({ "Phone": "1" })).await;
    assert!(refused.0 == 400 && refused.1.contains("INVALID_FIELD_FOR_INSERT_UPDATE"), "{refused:?}");
    let refused = patch(&account, json!({ "Website": "x" })).await;
    assert!(refused.0 == 400 && refused.1.contains("INVALID_FIELD"), "{refused:?}");
    // Others see all of it, and what is granted later counts at once.
    let ada = org.issue_tokens(&org.user(ADA), "api").access_token;
    let path = "/services/data/v66.0/query?q=SELECT+Id,Website+FROM+Account+LIMIT+1";
    assert_eq!(get(&org, path, Some(&ada)).await.status, 200);
    let ben = org.user("ben@example.com");
    org.set_user_access(&ben, &json!({ "permission_sets": [] })).unwrap();
    assert_eq!(query("SELECT Id FROM Account").await.status, 400);
    assert_eq!(query("SELECT Username FROM User LIMIT 1").await.status, 200);
    let wrong = json!({ "permission_sets": [{ "name": "X", "fields": { "Account.Fone": "read" } }] });
    assert!(org.set_user_access(&ben, &wrong).is_err());
}
