//! A bound value reads back equal: what is written is found by itself, whatever it holds.
use actix_salesforce::{Config, Salesforce, testing::log_in_as};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use salesforce_fake_org::FakeOrg;
use serde_json::{Value, json};

#[actix_web::test]
async fn what_is_written_is_found_by_its_bound_value() {
    let org = FakeOrg::builder().rows(3).start().await.unwrap();
    let salesforce =
        Salesforce::from_config(Config::from_variables(|name| org.variable(name))).await.unwrap();
    let ada = log_in_as(&salesforce, &org.issue_tokens(&org.user("ada@example.com"), "api")).await.unwrap();
    let sf = ada.connection();
    let texts = prop_oneof![any::<String>(), "['\"\\\\%_\\n\\r\\t;:nu0 ]{1,12}"];
    let mut runner = TestRunner::deterministic();
    for _ in 0..150 {
        let text = texts.new_tree(&mut runner).unwrap().current();
        // Salesforce trims, and stores no empty text.
        let text: String = text.trim().chars().take(80).collect();
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        let employees =
            i32::from_ne_bytes(<[u8; 4]>::try_from(&[text.as_bytes(), &[7; 4]].concat()[..4]).unwrap());
        let row = json!({ "Name": text, "NumberOfEmployees": employees });
        let saved =
            sf.sobject("Account").create(&row).await.unwrap_or_else(|error| panic!("{text:?}: {error:?}"));
        let found = sf
            .query::<Value>("SELECT Id, Name, NumberOfEmployees FROM Account WHERE Name = :name AND NumberOfEmployees = :n AND Id = :id")
            .bind("name", text)
            .bind("n", employees)
            .bind("id", saved)
            .fetch_one()
            .await
            .unwrap_or_else(|error| panic!("{text:?}: {error:?}"));
        assert_eq!((&found["Name"], &found["NumberOfEmployees"]), (&json!(text), &json!(employees)));
    }
}
