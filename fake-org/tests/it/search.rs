//! SOSL and parameterized searches (protocol page, section 7.3).
use crate::support::Api;
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

#[tokio::test]
async fn search_finds_words_and_wants_braces() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let name =
        api.records("SELECT Name FROM Account ORDER BY Name LIMIT 1 OFFSET 2").await[0]["Name"].clone();
    let word = name.as_str().unwrap().split(' ').next().unwrap().to_owned();
    let sosl = format!("FIND {{{word}}} IN NAME FIELDS RETURNING Account(Id, Name)");
    let found = http_get(&api, "/search", &sosl).await;
    assert!(found["searchRecords"].as_array().unwrap().iter().any(|hit| hit["Name"] == name), "{found}");
    let refused = http_get(&api, "/search", "FIND x RETURNING Account(Id)").await;
    assert_eq!(refused[0]["errorCode"], "MALFORMED_SEARCH");
}

/// Whatever is looked for: a response or a 400.
#[tokio::test]
async fn no_search_is_a_server_error() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let many = "word ".repeat(1_900);
    let deep = "(".repeat(4_000);
    for term in
        [many.as_str(), &deep, "a AND", "x} RETURNING User(Id", "AND OR NOT", "\\", "\"", "%_%", "***"]
    {
        for tail in [
            "",
            "RETURNING Account(Id, Name WHERE Name != 'it\\'s, (ORDER' ORDER BY Name LIMIT 2 OFFSET 1), Contact LIMIT 5",
            "IN NOTHING FIELDS",
            "RETURNING Account(Id",
            "RETURNING Nope(Id)",
            "RETURNING Account(COUNT(Id))",
        ] {
            let request = crate::support::http().get(api.url("/search")).bearer_auth(&api.token);
            let response =
                crate::support::send(request.query(&[("q", format!("FIND {{{term}}} {tail}"))])).await;
            assert!(matches!(response.status, 200 | 400), "{tail}: {}", response.body);
            let body = json!({ "q": term, "sobjects": [{ "name": "Account", "where": "Name != ')'" }] });
            assert!(matches!(api.post("/parameterizedSearch", body).await.status, 200 | 400));
        }
    }
    let soql = "FIND {Kestrel OR (Lumen AND NOT Aurora)} RETURNING Account(Name WHERE Name != 'a, (b\\'' ORDER BY Name)";
    let found = http_get(&api, "/search", soql).await;
    let names: Vec<_> = found["searchRecords"].as_array().unwrap().iter().map(|hit| &hit["Name"]).collect();
    assert_eq!(names, ["Kestrel Aerospace", "Lumen Optics"]);
    assert_eq!(
        http_get(&api, "/search", "FIND {Kestr} RETURNING Account(Id)").await["searchRecords"],
        json!([])
    );
}

/// SOQL and SOSL Reference, "SOSL Syntax": nothing is read over.
#[tokio::test]
async fn a_search_with_anything_stray_in_it_is_malformed() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    for right in [
        "",
        " LIMIT 1",
        " IN NAME FIELDS LIMIT 1",
        " IN ALL FIELDS RETURNING Account",
        " RETURNING Account LIMIT 1",
        " RETURNING Account (Id, Name)",
        " RETURNING Account(Id), Contact(Id) LIMIT 1 UPDATE VIEWSTAT",
        " RETURNING Account(Id) UPDATE TRACKING, VIEWSTAT",
        " RETURNING Account(Id)WITH SPELL_CORRECTION = false",
        " WITH SPELL_CORRECTION=true LIMIT 1",
        " RETURNING Account WITH SNIPPET (target_length = 120) LIMIT 1",
        " RETURNING Account(Name) WITH SNIPPET WITH METADATA = 'LABELS' WITH HIGHLIGHT LIMIT 2",
        "RETURNING Account(Name WHERE Name != ', x) y' LIMIT 3), Contact limit 1",
    ] {
        let found = http_get(&api, "/search", &format!("FIND {{Aurora}}{right}")).await;
        assert!(found["searchRecords"].is_array(), "{right}: {found}");
    }
    for stray in [
        " RETURNING",
        " RETURNING ",
        " RETURNING Account(Id),",
        " RETURNING Account(Id) Contact(Id)",
        " RETURNING Account(Id) nonsense",
        " RETURNING Account nonsense",
        " RETURNING Account(Id) LIMIT",
        " RETURNING Account(Id) LIMIT x",
        " RETURNING Account(Id) LIMIT 1 LIMIT 2",
        " RETURNING Account(Id) LIMIT 1, Contact",
        " RETURNING (Id)",
        " LIMIT x",
        " nonsense",
        " IN NAME",
        " IN NAME FIELDS nonsense",
        " IN RETURNING Account",
        " RETURNING Account(Id) WITH",
        " RETURNING Account(Id) WITH nonsense",
        " RETURNING Account(Id) WITH SPELL_CORRECTION",
        " RETURNING Account(Id) WITH SPELL_CORRECTION = 'true'",
        " RETURNING Account(Id) WITH SNIPPET(120)",
        " RETURNING Account(Id) WITH SNIPPET(target_length=120",
        " RETURNING Account(Id) WITH METADATA = 'NAMES'",
        " RETURNING Account(Id) WITH HIGHLIGHT = true",
        " RETURNING Account(Id) UPDATE TRACKING, nonsense",
        // These it cannot do, and says so.
        " RETURNING Account(Id) WITH NETWORK = 'x'",
        " RETURNING Account(Id) WITH NETWORK IN ('x', 'y')",
        " RETURNING Account(Id) WITH DIVISION = 'EMEA'",
        " RETURNING Account(Id) WITH DATA CATEGORY Geo__c AT usa__c",
        " RETURNING Account(Id) WITH PricebookId = '01s'",
        " RETURNING Case(Id) WITH SNIPPET",
        " WITH SNIPPET",
    ] {
        let refused = http_get(&api, "/search", &format!("FIND {{Aurora}}{stray}")).await;
        assert_eq!(refused[0]["errorCode"], "MALFORMED_SEARCH", "{stray}: {refused}");
    }
    for short in ["a", "*", "a*", "\\?"] {
        let refused = http_get(&api, "/search", &format!("FIND {{{short}}}")).await;
        assert_eq!(refused[0]["errorCode"], "INVALID_SEARCH", "{short}");
        assert_eq!(refused[0]["message"], format!("search term must be longer than one character: {short}"));
    }
    assert!(http_get(&api, "/search", "FIND {社}").await["searchRecords"].is_array());
}

async fn http_get(api: &Api, path: &str, q: &str) -> Value {
    let request = crate::support::http().get(api.url(path)).query(&[("q", q)]).bearer_auth(&api.token);
    crate::support::send(request).await.json()
}

/// SOQL and SOSL Reference, "WITH HIGHLIGHT" and its sample: from version 39.0, of texts, without wildcards.
#[tokio::test]
async fn words_that_are_found_are_marked() {
    let named = |name: &str| json!({ "Name": name, "Description": "Salesforce.com", "Phone": "1", "Industry": "Media" });
    let records: Vec<Value> = (0..30).map(|n| named(&format!("salesforce {n}"))).collect();
    let org = FakeOrg::builder().rows(0).records("Account", &records).start().await.unwrap();
    let api = Api::of(&org);
    let search = async |text: &str| {
        let found = http_get(&api, "/search", text).await;
        found["searchRecords"].as_array().unwrap_or_else(|| panic!("{found}")).clone()
    };
    let found = search(
        "FIND {Salesforce OR \"media 7\"} RETURNING Account(Name, Description, Industry) WITH HIGHLIGHT",
    )
    .await;
    assert_eq!(found.len(), 30);
    let mut first = found[0].clone();
    first.as_object_mut().unwrap().remove("attributes");
    assert_eq!(
        first,
        json!({
            "Name": "salesforce 0", "Description": "Salesforce.com", "Industry": "Media",
            "highlight.Description": "<mark>Salesforce</mark>.com", "highlight.Name": "<mark>salesforce</mark> 0",
        })
    );
    assert_eq!(found.iter().filter(|record| record.get("highlight.Name").is_some()).count(), 25);
    for text in
        ["FIND {sales*} RETURNING Account(Name) WITH HIGHLIGHT", "FIND {salesforce} RETURNING Account(Name)"]
    {
        assert!(search(text).await.iter().all(|record| record.get("highlight.Name").is_none()), "{text}");
    }
    let old = api.url("/search").replace("v66.0", "v38.0");
    let request = api.http.get(old).query(&[("q", "FIND {salesforce} RETURNING Account WITH HIGHLIGHT")]);
    assert_eq!(crate::support::send(request.bearer_auth(&api.token)).await.error().0, "MALFORMED_SEARCH");
}

/// SOQL and SOSL Reference, "WITH METADATA".
#[tokio::test]
async fn labels_come_with_a_search() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let text = "FIND {Aurora} RETURNING Account(Id, Name), Contact WITH METADATA='LABELS' LIMIT 1";
    let found = http_get(&api, "/search", text).await;
    assert_eq!(found["searchRecords"].as_array().unwrap().len(), 1);
    let field = |name: &str, label: &str| json!({ "name": name, "label": label });
    assert_eq!(
        found["metadata"],
        json!({ "entityMetadata": [
            { "entityName": "Account", "fieldMetadata": [field("Id", "Account ID"), field("Name", "Account Name")] },
            { "entityName": "Contact", "fieldMetadata": [field("Id", "Contact ID")] },
        ] })
    );
}

/// SOQL and SOSL Reference, "RETURNING FieldSpec": what is correct and not emulated is refused by its name.
#[tokio::test]
async fn a_search_may_skip_rows_and_what_is_not_emulated_is_named() {
    let org = FakeOrg::start().await.unwrap();
    let api = Api::of(&org);
    let count = async |tail: &str| {
        let sosl = format!("FIND {{example}} IN EMAIL FIELDS RETURNING User(Username{tail})");
        let found = http_get(&api, "/search", &sosl).await;
        found["searchRecords"].as_array().map(Vec::len)
    };
    let all = count("").await.unwrap();
    assert!(all > 1, "{all}");
    assert_eq!(count(" OFFSET 1").await, Some(all - 1));
    for place in ["ListView=Recent", "LISTVIEW = Recent ORDER BY Name LIMIT 5"] {
        let sosl = format!("FIND {{acme}} RETURNING Account(Id, Name USING {place})");
        let refused = http_get(&api, "/search", &sosl).await;
        assert_eq!(refused[0]["message"], "fake org: USING ListView is not emulated yet", "{refused}");
    }
    let response = api.query("SELECT Id FROM UserProfileFeed WITH UserId='005D0000001AamR'").await;
    assert!(response.body.contains("WITH UserId is not emulated yet"), "{}", response.body);
}
