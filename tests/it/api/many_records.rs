//! The connection over HTTP: many records at once, descriptions, search, limits.

use std::time::Duration;

use crate::support::TestApp;
use actix_salesforce::{
    Error,
    records::{AssignmentRule, RecordError},
    search::SearchScope,
};
use salesforce_fake_org::{Fault, Route};
use serde_json::{Value, json};

#[actix_web::test]
async fn many_records_are_made_read_changed_and_deleted_in_their_order() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let accounts = sf.sobject("Account");
    app.org.clear_requests();
    let new: Vec<_> = (0..450).map(|n| json!({ "Name": format!("Zebra {n}") })).collect();
    let made = accounts.create_many(&new).await.unwrap();
    assert_eq!(app.org.requests().len(), 3, "chunks of 200");
    let ids: Vec<_> = made.into_iter().map(|saved| saved.unwrap().id).collect();

    let read: Vec<Option<Value>> = accounts.retrieve_many(&ids, &["Name"]).await.unwrap();
    for (n, record) in read.iter().enumerate() {
        assert_eq!(record.as_ref().unwrap()["Name"], format!("Zebra {n}"));
    }
    let changes = ids.iter().map(|id| (*id, json!({ "Phone": "1" })));
    assert!(accounts.update_many(changes).await.unwrap().iter().all(Result::is_ok));
    let deleted = accounts.delete_many(&ids).await.unwrap();
    assert_eq!(deleted.iter().map(|saved| saved.as_ref().unwrap().id).collect::<Vec<_>>(), ids);
    let gone: Vec<Option<Value>> = accounts.retrieve_many(&ids[..3], &["Name"]).await.unwrap();
    assert_eq!(gone, [None, None, None]);
    assert!(accounts.create_many(Vec::<Value>::new()).await.unwrap().is_empty());
}

#[actix_web::test]
async fn one_bad_record_keeps_no_other_out_unless_all_or_none() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let new = [json!({ "Name": "Good" }), json!({ "Phone": "no name" }), json!({ "Name": "Good too" })];
    let saved = sf.sobject("Account").create_many(&new).await.unwrap();
    assert!(saved[0].as_ref().is_ok_and(|saved| saved.created) && saved[2].is_ok());
    let error = saved[1].as_ref().unwrap_err();
    assert_eq!(error.api_errors()[0].code, "REQUIRED_FIELD_MISSING");
    assert!(!format!("{error} {error:?}").contains("no name"));

    let saved = sf.sobject("Account").all_or_none(true).create_many(&new).await.unwrap();
    assert!(saved.iter().all(Result::is_err));
    assert_eq!(saved[0].as_ref().unwrap_err().api_errors()[0].code, "ALL_OR_NONE_OPERATION_ROLLED_BACK");
    let count = sf.query::<Value>("SELECT COUNT() FROM Account WHERE Name = 'Good'").page().await.unwrap();
    assert_eq!(count.total_size, Some(1));
}

/// All or none is a matter of each chunk: Salesforce knows of no other.
#[actix_web::test]
async fn chunks_do_not_know_of_each_other() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let new: Vec<_> = (0..450)
        .map(|n| if n == 250 { json!({}) } else { json!({ "Name": format!("Okapi {n}") }) })
        .collect();
    let saved = sf.sobject("Account").all_or_none(true).create_many(&new).await.unwrap();
    assert!(saved[..200].iter().chain(&saved[400..]).all(Result::is_ok));
    for (n, saved) in saved[200..400].iter().enumerate() {
        let code = &saved.as_ref().unwrap_err().api_errors()[0].code;
        let expected = if n == 50 { "REQUIRED_FIELD_MISSING" } else { "ALL_OR_NONE_OPERATION_ROLLED_BACK" };
        assert_eq!(code, expected, "{n}");
    }
    let count =
        sf.query::<Value>("SELECT COUNT() FROM Account WHERE Name LIKE 'Okapi%'").page().await.unwrap();
    assert_eq!(count.total_size, Some(250));
}

#[actix_web::test]
async fn many_are_upserted_each_on_its_own() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let accounts = sf.sobject("Account");
    for name in ["One", "Two"] {
        accounts.create(&json!({ "Name": name, "LegacyCode__c": "L-1" })).await.unwrap();
    }
    let known = accounts.create(&json!({ "Name": "Known", "LegacyCode__c": "L-2" })).await.unwrap();
    let saved = accounts
        .upsert_many(
            "LegacyCode__c",
            [
                json!({ "LegacyCode__c": "L-2", "Phone": "2" }),
                json!({ "LegacyCode__c": "L-3", "Name": "New" }),
                json!({ "LegacyCode__c": "L-1", "Phone": "1" }),
                json!({ "Name": "Without a key" }),
                json!({ "LegacyCode__c": "L-4" }),
            ],
        )
        .await
        .unwrap();
    let known_again = saved[0].as_ref().unwrap();
    assert_eq!((known_again.id, known_again.created), (known, false));
    assert!(saved[1].as_ref().unwrap().created);
    let codes: Vec<_> =
        saved[2..].iter().map(|saved| &*saved.as_ref().unwrap_err().api_errors()[0].code).collect();
    assert_eq!(codes, ["DUPLICATE_EXTERNAL_ID", "MISSING_ARGUMENT", "REQUIRED_FIELD_MISSING"]);
    let whole = accounts.upsert_many("Phone", [json!({ "Phone": "1" })]).await.unwrap_err();
    assert_eq!((whole.status(), &*whole.api_errors()[0].code), (Some(404), "NOT_FOUND"));
}

#[actix_web::test]
async fn what_is_wrong_with_one_of_many_is_said_of_that_one() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let accounts = sf.sobject("Account");
    let id = accounts.create(&json!({ "Name": "x" })).await.unwrap();
    let gone = accounts.create(&json!({ "Name": "y" })).await.unwrap();
    accounts.delete(gone).await.unwrap();
    app.org.lock_rows(&[id.as_str()]);
    let outcome =
        accounts.update_many([(gone, json!({ "Phone": "1" })), (id, json!({ "Phone": "1" }))]).await.unwrap();
    let codes: Vec<_> =
        outcome.iter().map(|saved| &*saved.as_ref().unwrap_err().api_errors()[0].code).collect();
    assert_eq!(codes, ["ENTITY_IS_DELETED", "UNABLE_TO_LOCK_ROW"]);
    app.org.lock_rows(&[]);
    let outcome = accounts.delete_many([gone, id]).await.unwrap();
    assert_eq!(outcome[0].as_ref().unwrap_err().api_errors()[0].code, "ENTITY_IS_DELETED");
    assert_eq!(outcome[1].as_ref().unwrap().id, id);

    app.org.clear_requests();
    assert!(accounts.delete_many(["001D000000IqhSL", "no id"]).await.is_err());
    assert!(accounts.update_many([("no id", json!({}))]).await.is_err());
    assert!(accounts.upsert_many("a b", [json!({})]).await.is_err());
    assert!(accounts.retrieve_many::<Value, _>(["001D000000IqhSL"], &["a b"]).await.is_err());
    assert!(app.org.requests().is_empty());
}

/// What was saved before a call failed is not forgotten.
#[actix_web::test]
async fn a_call_that_fails_in_the_middle_says_which_records_are_in_doubt() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let new: Vec<_> = (0..600).map(|n| json!({ "Name": format!("Quagga {n}") })).collect();
    app.org.faults().path("/services/data/v66.0/composite/sobjects", Fault::LoseResponse.times(1).skip(1));
    let saved = sf.sobject("Account").create_many(&new).await.unwrap();
    assert_eq!(saved.len(), 600);
    assert!(saved[..200].iter().all(Result::is_ok));
    assert!(saved[200..400].iter().all(|saved| matches!(saved, Err(RecordError::Call(_)))));
    assert!(saved[400..].iter().all(|saved| matches!(saved, Err(RecordError::NotSent))));
    let count =
        sf.query::<Value>("SELECT COUNT() FROM Account WHERE Name LIKE 'Quagga%'").page().await.unwrap();
    assert_eq!(
        count.total_size,
        Some(400),
        "the lost response was to a call that took effect, and was not sent again"
    );

    app.org.faults().clear();
    app.org.faults().path("/services/data/v66.0/composite/sobjects", Fault::Status(500));
    assert!(sf.sobject("Account").create_many(&new).await.is_err(), "nothing was saved: an error");
}

#[actix_web::test]
async fn a_description_is_kept_and_asked_for_again_when_it_may_have_changed() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let describe = sf.sobject("Account").describe().await.unwrap();
    let name = describe.field("name").unwrap();
    assert!(name.kind == "string" && !name.nillable && name.createable, "{name:?}");
    assert!(describe.child_relationships.iter().any(|children| children.object == "Contact"));
    app.org.clear_requests();
    for _ in 0..20 {
        app.connection().await.sobject("account").describe().await.unwrap();
    }
    let asked = app.org.requests().iter().filter(|request| request.path.ends_with("/describe")).count();
    assert_eq!(asked, 0, "it is kept for all connections of the user");
    let error = sf.sobject("Nonsense__c").describe().await.unwrap_err();
    assert_eq!(error.status(), Some(404));
    let all = sf.describe_global().await.unwrap();
    assert!(all.iter().any(|object| object.name == "Account" && object.queryable));
}

#[actix_web::test]
async fn the_list_of_objects_is_kept_for_five_minutes_and_then_sent_again_only_when_it_changed() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let list = format!("/services/data/v{}/sobjects", sf.api_version());
    let asked = || {
        let requests = app.org.requests().into_iter().filter(|request| request.path == list);
        requests
            .map(|request| (request.status, request.header("if-modified-since").is_some()))
            .collect::<Vec<_>>()
    };

    let fault = app.org.faults().path(&list, Fault::Status(500));
    assert!(sf.describe_global().await.is_err());
    fault.remove();
    app.org.clear_requests();
    let first = sf.describe_global().await.expect("errors are not kept");
    for _ in 0..20 {
        app.connection().await.describe_global().await.unwrap();
    }
    assert_eq!(asked(), [(Some(200), false)], "it is kept for all connections of the user");

    for nth in 1..=2 {
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(5 * 60)).await;
        tokio::time::resume();
        for _ in 0..3 {
            assert_eq!(sf.describe_global().await.unwrap(), first);
        }
        assert_eq!(asked().len(), 1 + nth, "asked once for each five minutes");
        assert_eq!(asked().last(), Some(&(Some(304), true)));
    }
    // The description of one object ends as the list does.
    sf.sobject("Account").describe().await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(5 * 60)).await;
    tokio::time::resume();
    sf.sobject("Account").describe().await.unwrap();
    let last = app.org.requests().pop().unwrap();
    assert!(last.path.ends_with("/Account/describe") && last.status == Some(304), "{last:?}");
}

#[actix_web::test]
async fn words_are_searched_as_they_are_typed() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let new = (0..3).map(|n| json!({ "Name": format!("Aurora {n}") }));
    assert!(sf.sobject("Account").create_many(new).await.unwrap().iter().all(Result::is_ok));
    let hits = sf
        .search("Aurora")
        .returning("Account", &["Id", "Name"])
        .in_fields(SearchScope::Name)
        .fetch_all()
        .await
        .unwrap();
    assert!(!hits.is_empty());
    for hit in &hits {
        assert!(hit.object == "Account" && hit.id.is_some(), "{hit:?}");
        assert!(hit.fields["Name"].as_str().unwrap().contains("Aurora"));
    }
    assert!(hits.len() > 2, "{} hits", hits.len());
    for (limit, found) in [(2, 2), (2_000, hits.len()), (u16::MAX, hits.len())] {
        app.org.clear_requests();
        let search =
            sf.search("Aurora").returning("Account", &["Id"]).in_fields(SearchScope::Name).limit(limit);
        assert_eq!(search.fetch_all().await.unwrap().len(), found, "{limit}");
        let sent: Value = serde_json::from_str(&app.org.requests()[0].body).unwrap();
        assert_eq!(sent["overallLimit"], limit.min(2_000));
    }
    for typed in ["} RETURNING User(Id)", "a' OR 'b", "((((qxz", "\\qxz", "\"qxz", "AND OR NOT"] {
        let found = sf.search(typed).returning("Account", &["Id"]).fetch_all().await;
        assert!(found.is_ok(), "{typed:?}: {found:?}");
    }
    assert!(sf.search("x").returning("Account(", &[]).fetch_all().await.is_err());
    for error in [sf.search("x").fetch_all().await, sf.sosl("FIND {x}").fetch_all().await] {
        let error = error.unwrap_err();
        assert_eq!(
            (error.status(), &*error.api_errors()[0].code),
            (Some(400), "INVALID_SEARCH"),
            "{error:?}"
        );
    }
}

#[actix_web::test]
async fn a_search_in_sosl_has_bound_terms_and_bound_conditions() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let name = r#"Smith & "Sons" {AND} O'Hara? (50%*)"#;
    let accounts = sf.sobject("Account");
    accounts.create(&json!({ "Name": name, "Industry": "Energy" })).await.unwrap();
    accounts.create(&json!({ "Name": format!("Young {name}"), "Industry": "Banking" })).await.unwrap();
    accounts.create(&json!({ "Name": "Smith Brothers", "Industry": "Energy" })).await.unwrap();
    let find = |text: &str| sf.sosl(text.to_owned());
    let names = |hits: Vec<actix_salesforce::search::Record>| {
        hits.iter().map(|hit| hit.fields["Name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let all = "FIND {:term} IN NAME FIELDS RETURNING Account(Id, Name ORDER BY Name DESC)";
    let hits = find(all).bind("term", name).fetch_all().await.unwrap();
    assert!(hits.iter().all(|hit| hit.object == "Account" && hit.id.is_some()));
    assert_eq!(names(hits), [format!("Young {name}"), name.to_owned()]);
    let some =
        "FIND {brothers OR :term} RETURNING Account(Name WHERE Industry IN :industries AND Name = :name)";
    let hits =
        find(some).bind("term", name).bind("industries", ["Energy"]).bind("name", name).fetch_all().await;
    assert_eq!(names(hits.unwrap()), [name]);

    for typed in [
        "} RETURNING User(Id)",
        "smith OR northwind",
        "NOT smith",
        "north*",
        "n?rthwind",
        "\\qxz",
        "\"qxz",
        "((((qxz",
    ] {
        let hits = find(all).bind("term", typed).fetch_all().await.unwrap();
        assert!(hits.is_empty(), "{typed:?} is one term that nothing has: {hits:?}");
    }

    app.org.clear_requests();
    for (text, typed) in [(all, " "), ("FIND {:other}", "x"), ("SELECT :term", "x"), ("FIND {x:term}", "x")] {
        let error = find(text).bind("term", typed).fetch_all().await.unwrap_err();
        assert!(matches!(error, Error::Bind(_)), "{text} {error:?}");
    }
    let error = find(all).bind("term", "x".repeat(20_000)).fetch_all().await.unwrap_err();
    assert!(matches!(error, Error::InvalidRequest(_)), "{error:?}");
    assert!(app.org.requests().is_empty(), "nothing was sent");
    let error = find("FIND {smith OR} RETURNING Account(Id)").fetch_all().await.unwrap_err();
    assert_eq!((error.status(), &*error.api_errors()[0].code), (Some(400), "MALFORMED_SEARCH"));
}

#[actix_web::test]
async fn limits_versions_and_what_was_used_last() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let limits = sf.limits().await.unwrap();
    let calls = limits["DailyApiRequests"];
    assert!(calls.max == 15_000 && calls.remaining < calls.max);
    let versions = sf.versions().await.unwrap();
    assert!(versions.iter().any(|version| version.version == sf.api_version().to_string()));
    let _: Vec<Value> = sf.recent(5).await.unwrap();
    let usage = sf.api_usage().unwrap();
    assert_eq!(usage.allowed, 15_000);
    let other = app.connection().await;
    assert!(
        other.api_usage().is_some_and(|other| other.used >= usage.used),
        "one organization, one allocation"
    );
}

#[actix_web::test]
async fn options_are_sent_as_headers() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    app.org.clear_requests();
    let accounts =
        sf.sobject("Account").allow_duplicates().assignment_rule(AssignmentRule::None).update_recently_used();
    accounts.create(&json!({ "Name": "x" })).await.unwrap();
    accounts.create_many([json!({ "Name": "y" })]).await.unwrap();
    for request in app.org.requests() {
        assert_eq!(request.header("sforce-duplicate-rule-header"), Some("allowSave=true"));
        assert_eq!(request.header("sforce-auto-assign"), Some("FALSE"));
        assert_eq!(request.header("sforce-mru"), Some("updateMru=true"));
    }
    let rule = "01QD0000000EqAn".parse().unwrap();
    for (rule, sent) in [(AssignmentRule::Active, "TRUE"), (AssignmentRule::Id(rule), "01QD0000000EqAnMAK")] {
        app.org.clear_requests();
        let leads = sf.sobject("Lead").assignment_rule(rule);
        leads.create(&json!({ "LastName": "Moss", "Company": "Acme" })).await.unwrap();
        assert_eq!(app.org.requests()[0].header("sforce-auto-assign"), Some(sent));
    }
}

/// A broken response is a separate error, for each of them, and no token goes anywhere else.
#[actix_web::test]
async fn broken_responses_are_typed_errors() {
    let app = TestApp::start().await;
    let sf = app.connection().await.with_timeout(Duration::from_secs(2));
    for fault in [Fault::Garbage, Fault::Html, Fault::Empty200, Fault::DeepJson, Fault::Json(json!([]))] {
        app.org.faults().clear();
        app.org.faults().at(Route::Api, fault.clone());
        let new = [json!({ "Name": "x" })];
        let many = sf.sobject("Account").create_many(&new).await;
        assert!(matches!(many, Err(Error::InvalidResponse(_))), "{fault:?}: {many:?}");
        let mut calls = sf.composite();
        calls.create("Account", &new[0]).unwrap();
        let composite = calls.send().await;
        assert!(matches!(composite, Err(Error::InvalidResponse(_))), "{fault:?}: {composite:?}");
        assert!(matches!(sf.limits().await, Err(Error::InvalidResponse(_))), "{fault:?}");
        assert!(
            matches!(sf.sobject("Contact").describe().await, Err(Error::InvalidResponse(_))),
            "{fault:?}"
        );
    }
    app.org.faults().clear();
    assert!(sf.sobject("Contact").describe().await.is_ok(), "errors are not kept");
}
