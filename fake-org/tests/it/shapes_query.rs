//! The bodies of queries, searches and their errors, whole, as the protocol page's sections 7.2, 7.3 and 7.12 give
//! them.
use crate::support::{Api, send};
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

async fn org() -> FakeOrg {
    FakeOrg::builder()
        .rows(0)
        .records("Account", &[json!({ "Name": "Acme", "Industry": "Media" }), json!({ "Name": "Beta" })])
        .start()
        .await
        .unwrap()
}

/// `attributes` with the id's place checked, then taken out.
fn without_links(mut value: Value) -> Value {
    match &mut value {
        Value::Object(members) => {
            if let Some(url) = members.get("attributes").and_then(|a| a.get("url")).and_then(Value::as_str) {
                let kind = members["attributes"]["type"].as_str().unwrap();
                let (place, id) = url.rsplit_once('/').unwrap();
                assert_eq!(place, format!("/services/data/v66.0/sobjects/{kind}"));
                assert_eq!(id.len(), 18);
                let kind = json!({ "type": kind });
                members.insert("attributes".into(), kind);
            }
            for (_, member) in members.iter_mut() {
                *member = without_links(member.take());
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_links(item.take())),
        _ => {}
    }
    value
}

/// Section 7.2: rows with parents and children; a parent or children that are not there are null.
#[tokio::test]
async fn rows() {
    let org = org().await;
    let api = Api::of(&org);
    let soql = "SELECT Name, Industry, Parent.Name, Owner.Username, (SELECT LastName FROM Contacts), \
                (SELECT Name FROM ChildAccounts) FROM Account WHERE Name = 'Acme'";
    let id = api.records("SELECT Id FROM Account WHERE Name = 'Acme'").await[0]["Id"].clone();
    api.post("/sobjects/Contact", json!({ "LastName": "Rossi", "AccountId": id })).await;
    assert_eq!(
        without_links(api.query(soql).await.json()),
        json!({
            "totalSize": 1, "done": true,
            "records": [{
                "attributes": { "type": "Account" }, "Name": "Acme", "Industry": "Media", "Parent": null,
                "Owner": { "attributes": { "type": "User" }, "Username": "ada@example.com" },
                "Contacts": {
                    "totalSize": 1, "done": true,
                    "records": [{ "attributes": { "type": "Contact" }, "LastName": "Rossi" }],
                },
                "ChildAccounts": null,
            }],
        })
    );
}

/// Section 7.2: `COUNT()` has no records; aggregates have no `url`, and `expr0` where there is no alias.
#[tokio::test]
async fn counts_and_groups() {
    let org = org().await;
    let api = Api::of(&org);
    let counted = api.query("SELECT COUNT() FROM Account").await.json();
    assert_eq!(counted, json!({ "totalSize": 2, "done": true, "records": [] }));
    let grouped = "SELECT Industry, COUNT(Id), MAX(Name) last FROM Account GROUP BY Industry ORDER BY Industry NULLS LAST";
    assert_eq!(
        api.query(grouped).await.json(),
        json!({
            "totalSize": 2, "done": true,
            "records": [
                { "attributes": { "type": "AggregateResult" }, "Industry": "Media", "expr0": 1, "last": "Acme" },
                { "attributes": { "type": "AggregateResult" }, "Industry": null, "expr0": 1, "last": "Beta" },
            ],
        })
    );
    assert_eq!(
        api.query("SELECT Id FROM Account WHERE Name = 'none'").await.json(),
        json!({ "totalSize": 0, "done": true, "records": [] })
    );
}

/// Section 7.3: an object; an array before version 37.0.
#[tokio::test]
async fn searches() {
    let org = org().await;
    let api = Api::of(&org);
    let search = async |version: &str| {
        let url = api.url("/search").replace("v66.0", version);
        let request = api.http.get(url).query(&[("q", "FIND {acme} RETURNING Account(Name)")]);
        send(request.bearer_auth(&api.token)).await.json()
    };
    let hit = json!({ "attributes": { "type": "Account" }, "Name": "Acme" });
    assert_eq!(without_links(search("v66.0").await), json!({ "searchRecords": [hit] }));
    let old = search("v36.0").await;
    assert_eq!((old.as_array().unwrap().len(), &old[0]["Name"]), (1, &json!("Acme")));
}

/// Section 7.12: an array of message and code. Texts from the list of errors; the lines before them are a place.
#[tokio::test]
async fn errors() {
    let org = org().await;
    let api = Api::of(&org);
    let error = |code: &str, message: &str| json!([{ "message": message, "errorCode": code }]);
    assert_eq!(
        api.query("SELECT Nme FROM Account").await.json(),
        error(
            "INVALID_FIELD",
            "\nSELECT Nme FROM Account\n       ^\nERROR at Row:1:Column:8\nNo such column 'Nme' on entity 'Account'. If you are \
             attempting to use a custom field, be sure to append the '__c' after the custom field name. Please reference your \
             WSDL or the describe call for the appropriate names."
        )
    );
    let unknown = api.query("SELECT Id FROM Acount").await.json();
    assert_eq!(unknown[0]["errorCode"], "INVALID_TYPE");
    assert!(unknown[0]["message"].as_str().unwrap().contains("sObject type 'Acount' is not supported."));
    assert_eq!(
        api.query("SELECT Id FROM Account OFFSET 2001").await.json(),
        error("NUMBER_OUTSIDE_VALID_RANGE", "Maximum SOQL offset allowed is 2000")
    );
    assert_eq!(
        api.get("/query/01gnothing-2000").await.json(),
        error("INVALID_QUERY_LOCATOR", "invalid query locator")
    );
    assert_eq!(
        api.get("/search?q=FIND+acme").await.json(),
        error("MALFORMED_SEARCH", "No search term found. The search term must be enclosed in braces.")
    );
}

/// The names of a JSON object, in the order in which they came. `at` is where in the text it begins.
fn members(text: &str, at: &str) -> Vec<String> {
    let from = text.find(at).unwrap_or_else(|| panic!("no {at} in {text}")) + at.len();
    let object: serde_json::Map<String, Value> =
        serde_json::Deserializer::from_str(&text[from..]).into_iter().next().unwrap().unwrap();
    object.keys().cloned().collect()
}

/// Sections 2.6, 7.2, 7.4 and 7.12: members come in the order of the samples; a record's fields after `attributes`, in
/// the order of the select list, a parent where its first field was named.
#[tokio::test]
async fn members_come_in_order() {
    let org = FakeOrg::builder().page_size(5).start().await.unwrap();
    let api = Api::of(&org);
    let soql = "SELECT Website, Owner.Name, (SELECT Title, Id FROM Contacts), Name, Owner.Email, Industry, Id FROM Account";
    let response = api.query(soql).await;
    assert_eq!(members(&response.body, ""), ["totalSize", "done", "nextRecordsUrl", "records"]);
    assert_eq!(
        members(&response.body, "\"records\":["),
        ["attributes", "Website", "Owner", "Contacts", "Name", "Industry", "Id"]
    );
    assert_eq!(members(&response.body, "\"Owner\":"), ["attributes", "Name", "Email"]);
    assert_eq!(members(&response.body, "\"Contacts\":"), ["totalSize", "done", "records"]);
    assert_eq!(
        members(&response.body, "\"Contacts\":{\"totalSize\":2,\"done\":true,\"records\":["),
        ["attributes", "Title", "Id"]
    );
    let grouped = api.query("SELECT Type, COUNT(Id) n, Industry FROM Account GROUP BY Type, Industry").await;
    assert_eq!(members(&grouped.body, "\"records\":["), ["attributes", "Type", "n", "Industry"]);

    let id = response.json()["records"][0]["Id"].as_str().unwrap().to_owned();
    let row = api.get(&format!("/sobjects/Account/{id}?fields=Website,Name")).await;
    assert_eq!(members(&row.body, ""), ["attributes", "Website", "Name", "Id"]);
    assert_eq!(members(&row.body, "\"attributes\":"), ["type", "url"]);
    let created = api.post("/sobjects/Account", json!({ "Name": "x" })).await;
    assert_eq!(members(&created.body, ""), ["id", "success", "errors"]);
    let error = api.post("/sobjects/Account", json!({})).await;
    assert_eq!(members(&error.body, "["), ["message", "errorCode", "fields"]);
}
