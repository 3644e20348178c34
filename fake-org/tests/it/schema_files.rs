//! Objects, users, rows and rules that a test declares.
use crate::support::Api;
use salesforce_fake_org::{FakeOrg, FieldSpec, ObjectSpec};
use serde_json::{Value, json};

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

/// A time of day has no zone, and is compared as what it is.
#[tokio::test]
async fn a_field_can_be_a_time_of_day() {
    let shift = ObjectSpec::new("Shift__c").field(FieldSpec::new("Begins__c", "time"));
    let rows = ["06:00:00.000Z", "14:30:00Z"].map(|time| json!({ "Name": time, "Begins__c": time }));
    let org = FakeOrg::builder().object(shift).records("Shift__c", &rows).start().await.unwrap();
    let api = Api::of(&org);
    let late = api
        .records("SELECT Begins__c FROM Shift__c WHERE Begins__c > 06:00:00.000Z AND Begins__c < 23:59:59z")
        .await;
    assert_eq!(late.len(), 1, "{late:?}");
    assert_eq!(late[0]["Begins__c"], "14:30:00.000Z");
    for wrong in ["24:00:00Z", "06:00:00", "06:00:00+01:00", "six", ""] {
        let refused = api.post("/sobjects/Shift__c", json!({ "Begins__c": wrong })).await;
        assert_eq!(refused.error().0, "JSON_PARSER_ERROR", "{wrong}");
    }
    for (wrong, code) in [
        ("'06:00:00.000Z'", "INVALID_FIELD"),
        ("2026-01-31", "INVALID_FIELD"),
        ("24:00:00Z", "MALFORMED_QUERY"),
    ] {
        let soql = format!("/query?q=SELECT+Id+FROM+Shift__c+WHERE+Begins__c+=+{wrong}");
        assert_eq!(api.get(&soql).await.error().0, code, "{wrong}");
    }
    let described = api.get("/sobjects/Shift__c/describe").await.json();
    let field =
        described["fields"].as_array().unwrap().iter().find(|field| field["name"] == "Begins__c").unwrap();
    assert_eq!((&field["type"], &field["soapType"]), (&json!("time"), &json!("xsd:time")));
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

#[tokio::test]
async fn permission_sets_can_be_asked_about() {
    let org = FakeOrg::builder()
        .user("fay@example.com", "Fay", "Moss")
        .permission_set("Billing", &["fay@example.com", crate::support::ADA])
        .permission_set("Audit", &[])
        .start()
        .await
        .unwrap();
    let api = Api::of(&org);
    let of = async |name: &str| {
        let soql = format!(
            "SELECT Assignee.Username FROM PermissionSetAssignment WHERE PermissionSet.Name = '{name}' ORDER BY Assignee.Username"
        );
        let rows = api.records(&soql).await;
        rows.iter().map(|row| row["Assignee"]["Username"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(of("Billing").await, [crate::support::ADA, "fay@example.com"]);
    assert!(of("Audit").await.is_empty());
    let sets = api.records("SELECT Label, (SELECT AssigneeId FROM Assignments) FROM PermissionSet").await;
    assert_eq!((&sets[0]["Label"], &sets[0]["Assignments"]["totalSize"]), (&json!("Billing"), &json!(2)));
    let wrong = FakeOrg::builder().permission_set("Billing", &["unknown@example.com"]).start().await;
    assert!(wrong.unwrap_err().to_string().contains("there is no user unknown@example.com"));
}

#[tokio::test]
async fn files_are_loaded_by_what_they_are() {
    let folder = std::env::temp_dir().join(format!("fake-org-load-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let json = file("org.json", r#"{"objects":[{"name":"Invoice__c","fields":[{"name":"Number__c"}]}]}"#);
    let csv = file("Invoice__c.csv", "Number__c\n1\n2\n");
    let builder = FakeOrg::builder().load(&json).unwrap().load(&csv).unwrap();
    let org = builder.start().await.unwrap();
    assert_eq!(Api::of(&org).records("SELECT Id FROM Invoice__c").await.len(), 2);
    for (path, part) in [
        (file("org.txt", ""), "expected a .json or .csv file"),
        (file("typo.json", "{\"objcts\":[]}"), "objcts"),
        (folder.join("absent.json"), "absent.json"),
    ] {
        let error = FakeOrg::builder().load(&path).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

/// What an app needs to log in here, and what the token endpoint would have returned.
#[tokio::test]
async fn an_app_is_set_up_by_its_variables() {
    let org = FakeOrg::start().await.unwrap();
    let get = |name: &str| org.variable(&format!("SALESFORCE_{name}"));
    assert_eq!(get("CLIENT_ID"), Some(org.client_id()));
    assert_eq!(get("CLIENT_SECRET"), Some(org.client_secret()));
    assert_eq!(get("LOGIN_URL"), Some(org.login_url()));
    assert!(get("ALLOWED_ORIGINS").unwrap().contains(&org.instance_url()));
    assert_eq!(get("KEYS"), None);
    let tokens = org.issue_tokens(&org.user(crate::support::ADA), crate::support::ALL);
    let response = serde_json::to_value(&tokens).unwrap();
    let refreshed = crate::support::refresh(&org, tokens.refresh_token.as_deref().unwrap()).await.json();
    let members =
        |value: &Value| value.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<_>>();
    assert_eq!(members(&response), members(&refreshed));
    assert_eq!(response["access_token"], tokens.access_token.as_str());
}
