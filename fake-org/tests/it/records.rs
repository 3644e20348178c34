//! Single records: create, read, change, delete, by id and by external id, and what is refused.
use crate::support::{ADA, Api, Response, send};
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

fn refused(response: &Response) -> (u16, String, String) {
    let (code, message) = response.error();
    (response.status, code, message)
}

/// Section 7.4: 201, 200, 204, 204.
#[tokio::test]
async fn a_record_lives() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let created = api.post("/sobjects/Account/", json!({ "Name": "Test", "Active__c": true })).await;
    assert_eq!(created.status, 201);
    let id = created.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 18);
    let path = format!("/sobjects/Account/{id}");
    assert_eq!(created.header("location"), format!("/services/data/v66.0{path}"));
    let record = api.get(&path).await.json();
    assert_eq!((&record["Name"], &record["Active__c"]), (&json!("Test"), &json!(true)));
    assert_eq!(record["OwnerId"], org.user(ADA).id());
    assert!(
        record["CreatedDate"].as_str().unwrap().ends_with(".000+0000")
            || record["CreatedDate"].as_str().unwrap().ends_with("+0000")
    );
    let changed = api.patch(&path, json!({ "Name": "Changed", "Active__c": null })).await;
    assert_eq!((changed.status, changed.body.as_str()), (204, ""));
    let fields = api.get(&format!("{path}?fields=name,Active__c")).await.json();
    let members: Vec<&String> = fields.as_object().unwrap().keys().collect();
    assert_eq!(members.len(), 4, "Id and attributes come along: {fields}");
    assert_eq!((&fields["Name"], &fields["Active__c"]), (&json!("Changed"), &json!(false)));
    let tunnelled = api.post(&format!("{path}?_HttpMethod=PATCH"), json!({ "Name": "Tunnel" })).await;
    assert_eq!(tunnelled.status, 204);
    // 15 characters, and the check characters in any case, name the same record.
    assert_eq!(api.get(&format!("/sobjects/account/{}", &id[..15])).await.json()["Name"], "Tunnel");
    assert_eq!(api.delete(&path).await.status, 204);
    assert_eq!(refused(&api.get(&path).await), (404, "ENTITY_IS_DELETED".into(), "entity is deleted".into()));
    assert_eq!(api.delete(&path).await.status, 404);
}

/// Section 7.4: upsert by external id; 200 from v46.0, before that 204; 300 is an array of paths.
#[tokio::test]
async fn upserts_create_change_and_ask() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let path = "/sobjects/Account/ExternalKey__c/KEY-1";
    let made = api.patch(path, json!({ "Name": "Upserted" })).await;
    assert_eq!((made.status, made.json()["created"].as_bool()), (201, Some(true)));
    let again = api.patch(path, json!({ "Name": "Again" })).await;
    assert_eq!((again.status, again.json()["created"].as_bool()), (200, Some(false)));
    assert_eq!(again.json()["id"], made.json()["id"]);
    let old = api.patch(&format!("/services/data/v45.0{path}"), json!({ "Name": "Old" })).await;
    assert_eq!((old.status, old.body.as_str()), (204, ""));
    assert_eq!(api.get(path).await.json()["Name"], "Old");
    let tunnel = api.post(&format!("{path}?_HttpMethod=PATCH"), json!({ "Name": "T" })).await;
    assert_eq!(tunnel.status, 200);
    assert_eq!(api.delete(path).await.status, 204);
    assert_eq!(api.get(path).await.status, 404);
    let only =
        api.patch("/sobjects/Account/ExternalKey__c/KEY-2?updateOnly=true", json!({ "Name": "x" })).await;
    assert_eq!(only.status, 404);
    // Every second sample account shares its legacy code.
    let several = api.get("/sobjects/Account/LegacyCode__c/L0000").await;
    assert_eq!(several.status, 300);
    for place in several.json().as_array().unwrap() {
        assert!(place.as_str().unwrap().starts_with("/services/data/v66.0/sobjects/Account/001"), "{place}");
    }
    assert_eq!(api.patch("/sobjects/Account/LegacyCode__c/L0000", json!({ "Name": "x" })).await.status, 300);
    // A slash in the key is percent-encoded.
    assert_eq!(
        api.patch("/sobjects/Account/ExternalKey__c/a%2Fb%20c", json!({ "Name": "Slash" })).await.status,
        201
    );
    let record = api.get("/sobjects/Account/ExternalKey__c/a%2Fb%20c").await.json();
    assert_eq!(record["ExternalKey__c"], "a/b c");
    let response = api.patch("/sobjects/Account/Name/x", json!({})).await;
    let text = "Provided external ID field does not exist or is not accessible: Name";
    assert_eq!(refused(&response), (404, "NOT_FOUND".into(), text.into()));
}

/// `salesforce-errors.json`, delivered by `rest`.
#[tokio::test]
async fn mistakes_have_salesforces_words() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let id = api.records("SELECT Id FROM Account LIMIT 1").await[0]["Id"].as_str().unwrap().to_owned();
    let contact = api.records("SELECT Id FROM Contact LIMIT 1").await[0]["Id"].as_str().unwrap().to_owned();
    let long = "x".repeat(256);
    let too_long = format!("Account Name: data value too large: {long} (max length=255)");
    for (object, body, code, message) in [
        (
            "Contact",
            json!({ "FirstName": "x" }),
            "REQUIRED_FIELD_MISSING",
            "Required fields are missing: [LastName]",
        ),
        (
            "Account",
            json!({ "Name": "x", "Id": id }),
            "INVALID_FIELD",
            "The Id field should not be specified in the sobject data.",
        ),
        (
            "Account",
            json!({ "Name": "x", "Nope": 1 }),
            "INVALID_FIELD",
            "No such column 'Nope' on sobject of type Account",
        ),
        ("Account", json!({ "Name": long }), "STRING_TOO_LONG", &too_long),
        (
            "Account",
            json!({ "Name": "x", "OwnerId": "zzz" }),
            "MALFORMED_ID",
            "Owner ID: id value of incorrect type: zzz",
        ),
        ("Account", json!({ "Name": "x", "ParentId": contact }), "MALFORMED_ID", ""),
        (
            "Account",
            json!({ "Name": "x", "ParentId": "001Fk0000zzzzzz" }),
            "INVALID_CROSS_REFERENCE_KEY",
            "invalid cross reference id",
        ),
        (
            "Account",
            json!({ "Name": "x", "CreatedDate": "2026-01-01T00:00:00Z" }),
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "Unable to create/update fields: CreatedDate.",
        ),
        (
            "Account",
            json!({ "Name": "x", "AnnualRevenue": "much" }),
            "JSON_PARSER_ERROR",
            "Cannot deserialize instance of",
        ),
        (
            "Account",
            json!({ "Name": "x", "ExternalKey__c": "ACC-000001" }),
            "DUPLICATE_VALUE",
            "duplicate value found: ExternalKey__c duplicates value on record with id: 001",
        ),
        (
            "Contact",
            json!({ "LastName": "x", "Email": "nope" }),
            "INVALID_EMAIL_ADDRESS",
            "Email: invalid email address: nope",
        ),
    ] {
        let (status, got, text) = refused(&api.post(&format!("/sobjects/{object}"), body.clone()).await);
        assert_eq!((status, got.as_str()), (400, code), "{body}: {text}");
        assert!(text.starts_with(message), "{body}: {text}");
    }
    let fields = api.post("/sobjects/Contact", json!({})).await.json()[0]["fields"].clone();
    assert_eq!(fields, json!(["LastName"]));
    for (path, status, code) in [
        ("/sobjects/Nope/001Fk0000000001", 404, "NOT_FOUND"),
        ("/nope", 404, "NOT_FOUND"),
        ("/sobjects/Account/001Fk0000zzzzzz", 404, "NOT_FOUND"),
        ("/sobjects/Account/nonsense", 400, "MALFORMED_ID"),
        (&format!("/sobjects/Account/{contact}"), 400, "MALFORMED_ID"),
        (&format!("/sobjects/Account/{id}?fields=Nope"), 400, "INVALID_FIELD"),
    ] {
        let (got_status, got, text) = refused(&api.get(path).await);
        assert_eq!((got_status, got.as_str()), (status, code), "{path}: {text}");
    }
    let response = api.patch(&format!("/sobjects/Account/{id}"), json!({ "Name": null })).await;
    assert_eq!(refused(&response).1, "REQUIRED_FIELD_MISSING");
    let response =
        send(api.http.put(api.url(&format!("/sobjects/Account/{id}"))).bearer_auth(&api.token)).await;
    assert_eq!((response.status, response.error().0.as_str()), (405, "METHOD_NOT_ALLOWED"));
    assert!(response.error().1.starts_with("HTTP Method 'PUT' not allowed. Allowed are "));
}

#[tokio::test]
async fn bodies_that_are_no_record() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    for body in ["", "{", "[]", "\"x\"", "{\"Name\":}"] {
        let request = api.http.post(api.url("/sobjects/Account")).bearer_auth(&api.token);
        let response = send(request.header("content-type", "application/json").body(body)).await;
        assert_eq!((response.status, response.error().0.as_str()), (400, "JSON_PARSER_ERROR"), "{body}");
    }
    let request = api.http.post(api.url("/sobjects/Account")).bearer_auth(&api.token);
    assert_eq!(send(request.header("content-type", "text/plain").body("{}")).await.status, 415);
}

/// What users type survives the way in and out.
#[tokio::test]
async fn text_is_kept_as_it_is() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    for name in ["O'Brien \"&\" <b>", "back\\slash", "株式会社 🚢", "a%b_c", "line\nbreak"] {
        let id = api.post("/sobjects/Account", json!({ "Name": name })).await.json()["id"].clone();
        let path = format!("/sobjects/Account/{}", id.as_str().unwrap());
        assert_eq!(api.get(&path).await.json()["Name"], Value::from(name));
    }
}
