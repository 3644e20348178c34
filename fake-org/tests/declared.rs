//! Objects, people, rows and rules of a test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use salesforce_fake_org::{FakeOrg, FieldSpec, ObjectSpec};
use serde_json::{Value, json};
use support::Api;

fn invoice() -> ObjectSpec {
    ObjectSpec::new("Invoice__c")
        .field(FieldSpec::key("Number__c").required())
        .field(FieldSpec::new("Total__c", "currency"))
        .field(FieldSpec::lookup("Account__c", "Account", "Invoices__r"))
}

#[tokio::test]
async fn a_custom_object_is_queried_written_and_described_as_any_other() {
    let org = FakeOrg::builder()
        .object(invoice())
        .records("Account", &[json!({ "Name": "Acme", "ExternalKey__c": "ACME" })])
        .csv("Invoice__c", "Number__c,Total__c,Account__r.ExternalKey__c\n1,10.5,ACME\n2,,ACME\n")
        .start()
        .await
        .unwrap();
    let api = Api::of(&org);
    let rows =
        api.records("SELECT Number__c, Total__c, Account__r.Name FROM Invoice__c ORDER BY Number__c").await;
    assert_eq!(rows.len(), 2);
    assert_eq!((&rows[0]["Total__c"], &rows[0]["Account__r"]["Name"]), (&json!(10.5), &json!("Acme")));
    assert_eq!(rows[1]["Total__c"], Value::Null);
    let parents = api
        .records("SELECT Name, (SELECT Number__c FROM Invoices__r) FROM Account WHERE Name = 'Acme'")
        .await;
    assert_eq!(parents[0]["Invoices__r"]["totalSize"], 2);

    let created = api.patch("/sobjects/Invoice__c/Number__c/3", json!({ "Total__c": 1 })).await;
    assert_eq!((created.status, &created.json()["created"]), (201, &json!(true)));
    let nameless = api.post("/sobjects/Invoice__c", json!({ "Total__c": 1 })).await;
    assert_eq!(nameless.error().0, "REQUIRED_FIELD_MISSING");
    let described = api.get("/sobjects/Invoice__c/describe").await.json();
    let names: Vec<_> = described["fields"].as_array().unwrap().iter().map(|field| &field["name"]).collect();
    assert!(names.contains(&&json!("Total__c")), "{names:?}");
    org.reset().unwrap();
    let api = Api::of(&org);
    assert_eq!(api.records("SELECT Id FROM Invoice__c").await.len(), 2, "back to what was declared");
}

#[tokio::test]
async fn rules_refuse_what_they_should() {
    let org = FakeOrg::builder()
        .validation_rule("Account", "Phone = '666'", "Not this number")
        .duplicate_rule("Account", &["Name", "Phone"])
        .start()
        .await
        .unwrap();
    let api = Api::of(&org);
    let refused = api.post("/sobjects/Account", json!({ "Name": "x", "Phone": "666" })).await;
    assert_eq!(refused.error(), ("FIELD_CUSTOM_VALIDATION_EXCEPTION".into(), "Not this number".into()));
    assert_eq!(api.post("/sobjects/Account", json!({ "Name": "x", "Phone": "1" })).await.status, 201);
    let twice = api.post("/sobjects/Account", json!({ "Name": "x", "Phone": "1" })).await;
    assert_eq!(twice.error().0, "DUPLICATES_DETECTED");
    let found = &twice.json()[0]["duplicateResult"]["matchResults"][0]["matchRecords"][0]["record"];
    assert_eq!(found["Id"], api.records("SELECT Id FROM Account WHERE Phone = '1'").await[0]["Id"]);
    assert_eq!(api.post("/sobjects/Account", json!({ "Name": "x", "Phone": "2" })).await.status, 201);

    let id =
        api.records("SELECT Id FROM Account WHERE Phone = '2'").await[0]["Id"].as_str().unwrap().to_owned();
    org.lock_rows(&[&id]);
    let locked = api.patch(&format!("/sobjects/Account/{id}"), json!({ "Phone": "3" })).await;
    assert_eq!(locked.error().0, "UNABLE_TO_LOCK_ROW");
    org.lock_rows(&[]);
    assert_eq!(api.patch(&format!("/sobjects/Account/{id}"), json!({ "Phone": "3" })).await.status, 204);
}

#[tokio::test]
async fn a_declaration_can_be_a_file() {
    let text = json!({
        "objects": [{ "name": "Invoice__c", "fields": [{ "name": "Number__c", "external_id": true, "unique": true }] }],
        "users": [{ "username": "fay@example.com", "first_name": "Fay", "last_name": "Moss" }],
        "rows": [{ "object": "Invoice__c", "records": [{ "Number__c": "1" }] }],
        "apex": [{ "method": "GET", "path": "/hello", "body": { "hello": "world" } }]
    });
    let org = FakeOrg::builder().declare_json(&text.to_string()).unwrap().start().await.unwrap();
    let api = Api::of(&org);
    assert_eq!(api.records("SELECT Number__c FROM Invoice__c").await.len(), 1);
    assert_eq!(api.get("/services/apexrest/hello").await.json(), json!({ "hello": "world" }));
    assert!(org.users().iter().any(|user| user.username() == "fay@example.com"));
    assert_eq!(
        api.records("SELECT Name FROM User WHERE Username = 'fay@example.com'").await[0]["Name"],
        "Fay Moss"
    );

    assert!(FakeOrg::builder().declare_json("{\"objcts\":[]}").is_err(), "a mistake is not passed over");
    let wrong = FakeOrg::builder().records("Nothing__c", &[json!({})]).start().await;
    assert!(wrong.unwrap_err().to_string().contains("Nothing__c"));
}
