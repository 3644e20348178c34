//! Promise 8: whatever a user types is a value and nothing else, as an independent reader of SOQL and of
//! paths understands it.
use std::collections::BTreeMap;

use actix_salesforce::{Connection, Error, Salesforce, SalesforceId, soql::Like, token::ServiceUser};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use salesforce_fake_org::FakeOrg;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    id: SalesforceId,
}

async fn connect(org: &FakeOrg) -> Connection {
    let host = org.instance_url().parse().unwrap();
    let settings = Salesforce::builder().client_id(org.client_id()).client_secret(org.client_secret());
    let settings = settings.service_user(ServiceUser::client_credentials(host));
    settings.build().await.unwrap().service_connection().await.unwrap()
}

/// Texts of up to 60 characters that confuse parsers, no two alike.
fn texts(wanted: usize) -> Vec<String> {
    let pieces = vec![
        "'",
        "\\",
        "\\'",
        "\"",
        "\\u0027",
        "\\ud800",
        "\0",
        "\n",
        "\r\n",
        "\t",
        "\u{8}",
        "\u{7f}",
        "\u{2028}",
        "\u{ff07}",
        "\u{feff}",
        "%",
        "_",
        "\\%",
        "%27",
        "%2f",
        "/",
        "..",
        "../",
        "?",
        "#",
        "&",
        "+",
        ";",
        ":v",
        "@",
        "{",
        "}",
        "(",
        ")",
        ",",
        "--",
        "/*",
        " OR Name != null",
        " ",
        "null",
        "LIMIT 1",
        "\u{e9}",
        "\u{1F600}",
        "a",
        "A",
        "0",
    ];
    let piece = prop_oneof![
        4 => prop::sample::select(pieces).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
    ];
    // What begins or ends with a space is trimmed by Salesforce, and case does not count in its comparisons.
    let text = prop::collection::vec(piece, 1..8).prop_map(|pieces| format!("x{}x", pieces.concat()));
    let mut runner = TestRunner::default();
    let mut all = BTreeMap::new();
    while all.len() < wanted {
        let text = text.new_tree(&mut runner).unwrap().current();
        all.insert(text.to_lowercase(), text);
    }
    all.into_values().collect()
}

async fn ids(sf: &Connection, soql: &str, value: impl actix_salesforce::soql::ToSoql) -> Vec<SalesforceId> {
    let rows = sf.query::<Row>(soql).bind("v", value).fetch_all().await;
    rows.unwrap_or_else(|error| panic!("{soql}: {error} {:?}", error.api_errors()))
        .into_iter()
        .map(|row| row.id)
        .collect()
}

#[actix_web::test]
async fn a_bound_value_finds_the_records_that_have_it_and_no_other() {
    let org = FakeOrg::builder().rows(0).execution_user("ada@example.com").start().await.unwrap();
    let sf = connect(&org).await;
    let texts = texts(60);
    let accounts = sf.sobject("Account");
    let saved = accounts.create_many(texts.iter().map(|text| json!({ "Name": text }))).await.unwrap();
    let saved: Vec<_> = saved.into_iter().map(|saved| saved.expect("it is saved").id).collect();
    for (text, id) in texts.iter().zip(&saved) {
        let equal = "SELECT Id FROM Account WHERE Name = :v";
        assert_eq!(ids(&sf, equal, text).await, [*id], "{text:?}");
        assert_eq!(ids(&sf, "SELECT Id FROM Account WHERE (Name IN :v)", [text]).await, [*id], "{text:?}");
        let like = "SELECT Id FROM Account WHERE Name LIKE :v";
        let having: Vec<_> = texts
            .iter()
            .zip(&saved)
            .filter(|(other, _)| other.to_ascii_lowercase().contains(&text.to_ascii_lowercase()))
            .map(|(_, id)| *id)
            .collect();
        // SQLite, which the fake org asks, reads a pattern up to its first NUL.
        if !text.contains('\0') {
            let mut found = ids(&sf, like, Like::contains(text)).await;
            found.sort_by_key(|id| saved.iter().position(|saved| saved == id));
            assert_eq!(found, having, "{text:?}");
        }
        let others = ids(&sf, "SELECT Id FROM Account WHERE Name != :v", text).await;
        assert_eq!(others.len(), saved.len() - 1, "{text:?}");
    }
    assert_eq!(ids(&sf, "SELECT Id FROM Account WHERE Name IN :v", &texts[..40]).await.len(), 40);
}

#[actix_web::test]
async fn an_external_id_is_found_by_its_value_and_no_path_leads_elsewhere() {
    let org = FakeOrg::builder().rows(0).execution_user("ada@example.com").start().await.unwrap();
    let sf = connect(&org).await;
    let accounts = sf.sobject("Account");
    let mut refused = 0;
    for text in texts(60) {
        org.clear_requests();
        match accounts.upsert("ExternalKey__c", &text, &json!({ "Name": "x" })).await {
            Ok(first) => {
                assert!(first.created, "{text:?}");
                let again = accounts.upsert("ExternalKey__c", &text, &json!({ "Name": "y" })).await.unwrap();
                assert_eq!((again.created, again.id), (false, first.id), "{text:?}");
                let by_value = "SELECT Id FROM Account WHERE ExternalKey__c = :v";
                assert_eq!(ids(&sf, by_value, &text).await, [first.id], "{text:?}");
            }
            // No path can carry it: it was not sent.
            Err(Error::InvalidRequest(_)) => {
                refused += 1;
                assert!(org.requests().is_empty(), "{text:?}");
                let dots = text.split(['/', '\\']).any(|part| matches!(part, "." | ".."));
                assert!(dots || text.contains(|character: char| character.is_ascii_control()), "{text:?}");
            }
            Err(error) => panic!("{text:?}: {error} {:?}", error.api_errors()),
        }
        for request in org.requests().iter().filter(|request| request.method == "PATCH") {
            let path = &request.path;
            assert!(path.starts_with("/services/data/v66.0/sobjects/Account/ExternalKey__c/"), "{path}");
            assert_eq!(path.split('/').count(), 8, "{path}");
        }
    }
    assert!(refused < 50, "most can be sent");
}
