//! Records of one object.

use serde::Deserialize;

use crate::tests::*;
use crate::{
    error::{Error, InvalidRequest},
    records::collections::RecordError,
};

const ID: &str = "001D000000IqhSLIAZ";

#[tokio::test]
async fn each_method_sends_the_request_that_salesforce_documents() {
    let server =
        Server::start(|request| match (request.method.as_str(), request.target.contains("Ext__c")) {
            ("POST", _) => Reply::Body(201, json!({"id": ID, "success": true, "errors": []}).to_string()),
            ("PATCH", true) => json!({"id": ID, "success": true, "errors": [], "created": true}).into(),
            ("GET", _) => json!({"attributes": {"type": "Account"}, "Name": "Acme"}).into(),
            _ => Reply::Body(204, String::new()),
        })
        .await;
    let sf = connect(&server);
    #[derive(Deserialize)]
    struct Account {
        #[serde(rename = "Name")]
        name: String,
    }
    let accounts = sf.sobject("Account");
    let body = json!({"Name": "Acme"});
    let id = accounts.create(&body).await.unwrap();
    assert_eq!(accounts.retrieve::<Account>(id).await.unwrap().name, "Acme");
    accounts.retrieve_fields::<Account>("001D000000IqhSL", &["Name", "Owner.Name"]).await.unwrap();
    accounts.update(id, &body).await.unwrap();
    let upserted = accounts.upsert("Ext__c", "a/b ?%'é", &body).await.unwrap();
    assert_eq!((upserted.id, upserted.created), (id, true));
    accounts.delete(&id).await.unwrap();
    let base = "/services/data/v66.0/sobjects/Account";
    assert_eq!(
        server.lines(),
        [
            format!("POST {base}"),
            format!("GET {base}/{ID}"),
            format!("GET {base}/{ID}?fields=Name%2COwner.Name"),
            format!("PATCH {base}/{ID}"),
            format!("PATCH {base}/Ext__c/a%2Fb%20%3F%25%27%C3%A9"),
            format!("DELETE {base}/{ID}"),
        ]
    );
    let requests = server.requests();
    assert_eq!(
        (requests[0].body.clone(), requests[0].header("content-type")),
        (body.to_string(), Some("application/json"))
    );
}

// A-31 of the threat model.
#[tokio::test]
async fn an_invalid_name_or_id_is_not_sent() {
    let server = Server::start(|_| json!({}).into()).await;
    let sf = connect(&server);
    for hostile in
        ["../", "..%2f..", "001/../../query?q=", "Account/describe", "?", "#", ";", "%00", "%2e%2e", ""]
    {
        let accounts = sf.sobject("Account");
        for outcome in [
            sf.sobject(hostile).delete(ID).await.err(),
            accounts.delete(hostile).await.err(),
            accounts.retrieve_fields::<Value>(ID, &["Name", hostile]).await.err(),
            accounts.upsert(hostile, "x", &json!({})).await.err(),
        ] {
            assert!(matches!(outcome, Some(Error::InvalidRequest(_))), "{hostile}");
        }
    }
    for value in ["", ".", "..", "a/../b"] {
        let outcome = sf.sobject("Account").upsert("Ext__c", value, &json!({})).await;
        assert!(matches!(outcome, Err(Error::InvalidRequest(InvalidRequest::Path(_)))), "{value}");
    }
    assert!(server.lines().is_empty());
}

#[tokio::test]
async fn errors_about_a_record_reach_the_caller() {
    let server = Server::start(|request| match request.method.as_str() {
        "PATCH" => {
            Reply::Body(300, json!([format!("/services/data/v66.0/sobjects/Account/{ID}")]).to_string())
        }
        _ => Reply::Body(
            400,
            json!([
                {"errorCode": "REQUIRED_FIELD_MISSING", "message": "m", "fields": ["LastName"]},
                {"errorCode": "STRING_TOO_LONG", "message": "n", "fields": ["City"]},
            ])
            .to_string(),
        ),
    })
    .await;
    let sf = connect(&server);
    let error = sf.sobject("Account").create(&json!({})).await.unwrap_err();
    assert_eq!((error.status(), error.api_errors().len()), (Some(400), 2));
    assert_eq!(error.api_errors()[1].fields, ["City"]);
    assert!(!error.is_transient() && error.retry_after().is_none());
    let error = sf.sobject("Account").upsert("Ext__c", "x", &json!({})).await.unwrap_err();
    assert!(matches!(error, Error::MultipleChoices { candidates } if candidates == [ID.parse().unwrap()]));
}

#[tokio::test]
async fn a_deletion_whose_response_was_lost_succeeds_if_the_record_is_deleted() {
    let gone = || api_error(404, "ENTITY_IS_DELETED", "entity is deleted");
    let server =
        Server::start(move |request| if request.nth == 0 { Reply::Disconnect } else { gone() }).await;
    let sf = connect(&server);
    sf.sobject("Account").delete(ID).await.unwrap();

    let server = Server::start(move |_| gone()).await;
    let sf = connect(&server);
    assert_eq!(sf.sobject("Account").delete(ID).await.unwrap_err().status(), Some(404));
}

#[tokio::test]
async fn an_upsert_with_a_lost_response_is_sent_again_and_an_update_is_not() {
    let server = Server::start(|request| match request.nth {
        0 => Reply::Disconnect,
        _ => json!({"id": ID, "success": true, "errors": [], "created": false}).into(),
    })
    .await;
    let sf = connect(&server);
    sf.sobject("Account").upsert("Ext__c", "x", &json!({})).await.unwrap();
    assert_eq!(server.count("PATCH"), 2);
    sf.sobject("Account").update(ID, &json!({})).await.unwrap_err();
    assert_eq!(server.count("PATCH"), 3);
}

// F-28 of the fault catalogue (`docs/faults.md`).
#[tokio::test]
async fn of_many_records_only_those_with_a_locked_row_are_sent_again() {
    let rejected = |code: &str| json!({"success": false, "errors": [{"statusCode": code, "message": "m"}]});
    let locked = move || rejected("UNABLE_TO_LOCK_ROW");
    let saved = || json!({"id": ID, "success": true, "errors": []});
    let server = Server::start(move |request| match request.nth {
        0 => json!([saved(), locked(), rejected("REQUIRED_FIELD_MISSING"), locked()]).into(),
        1 => json!([locked(), saved()]).into(),
        _ => json!([saved()]).into(),
    })
    .await;
    let sf = connect(&server);
    let names = |server: &Server| {
        let names = server.requests().into_iter().map(|request| {
            let body: Value = serde_json::from_str(&request.body).unwrap();
            let records = body["records"].as_array().unwrap().clone();
            records.iter().map(|record| record["Name"].as_str().unwrap().to_owned()).collect::<String>()
        });
        names.collect::<Vec<_>>()
    };
    let records = ["a", "b", "c", "d"].map(|name| json!({"Name": name}));
    let results = sf.sobject("A").create_many(&records).await.unwrap();
    assert_eq!(names(&server), ["abcd", "bd", "b"]);
    assert_eq!(results.iter().map(|result| result.is_ok()).collect::<Vec<_>>(), [true, true, false, true]);
    assert_eq!(results[2].as_ref().unwrap_err().api_errors()[0].code, "REQUIRED_FIELD_MISSING");

    // A record that stays locked is reported at the end, together with those that were saved.
    let script = move |request: &ReceivedRequest| match request.nth {
        0 => json!([saved(), locked()]).into(),
        1 => json!([locked()]).into(),
        _ => Reply::Disconnect,
    };
    let server = Server::start(script).await;
    let sf = connect(&server);
    let results = sf.sobject("A").update_many(records[..2].iter().map(|record| (ID, record))).await.unwrap();
    assert!(results[0].is_ok());
    assert!(matches!(&results[1], Err(RecordError::Call(error)) if error.is_transient()), "{:?}", results[1]);
    assert_eq!(server.count("PATCH"), 3, "an update with a lost response is not sent again");

    let server = Server::start(move |_| json!([saved(), locked()]).into()).await;
    let sf = connect(&server);
    let results = sf.sobject("A").all_or_none(true).delete_many([ID, ID]).await.unwrap();
    assert_eq!(results[1].as_ref().unwrap_err().api_errors()[0].code, "UNABLE_TO_LOCK_ROW");
    assert_eq!(server.count("DELETE"), 1);
}

/// A caller that asks for protection against lost updates gets it, or an error if it is unsupported.
#[tokio::test]
async fn a_condition_on_a_write_that_does_not_support_it_is_an_error() {
    let server = Server::start(|_| json!({"id": ID, "success": true, "errors": []}).into()).await;
    let sf = connect(&server);
    let a = sf.sobject("A").if_match(&"\"x\"".parse().unwrap());
    let record = json!({"Name": "x"});
    let file = || crate::records::blob::BlobUpload::new("Body", "x", "x");
    for (name, error) in [
        ("create", a.create(&record).await.err()),
        ("upsert", a.upsert("E__c", "x", &record).await.err()),
        ("update_by", a.update_by("E__c", "x", &record).await.err()),
        ("delete_by", a.delete_by("E__c", "x").await.err()),
        ("create_with_blob", a.create_with_blob(&record, file()).await.err()),
        ("create_many", a.create_many([&record]).await.err()),
        ("update_many", a.update_many([(ID, &record)]).await.err()),
        ("upsert_many", a.upsert_many("E__c", [&record]).await.err()),
        ("delete_many", a.delete_many([ID]).await.err()),
        ("create_many of none", a.create_many([&record; 0]).await.err()),
    ] {
        assert!(matches!(error, Some(Error::InvalidRequest(InvalidRequest::Condition))), "{name}: {error:?}");
    }
    assert!(server.lines().is_empty());
    let _ = a.update(ID, &record).await;
    let _ = a.delete(ID).await;
    let _ = a.update_with_blob(ID, &record, file()).await;
    assert_eq!(
        server.requests().iter().filter(|request| request.header("if-match") == Some("\"x\"")).count(),
        3
    );
}

// Recorded responses of Salesforce have this form, with status 200.
#[tokio::test]
async fn a_record_that_was_not_saved_is_an_error_with_salesforces_reason() {
    let server = Server::start(|_| {
        let errors = json!([{"statusCode": "MALFORMED_ID", "message": "malformed id 1", "fields": ["Id"]}]);
        json!({"id": "not an id", "success": false, "errors": errors}).into()
    })
    .await;
    let sf = connect(&server);
    let accounts = sf.sobject("Account");
    let body = json!({"Name": "Acme"});
    let errors =
        [accounts.create(&body).await.unwrap_err(), accounts.upsert("Ext__c", "x", &body).await.unwrap_err()];
    for error in errors {
        let entry = &error.api_errors()[0];
        assert_eq!(
            (entry.code.as_str(), &*entry.fields),
            ("MALFORMED_ID", &["Id".to_owned()][..]),
            "{error}"
        );
    }
    let server = Server::start(|_| json!({"success": false, "errors": null}).into()).await;
    let error = connect(&server).sobject("Account").create(&body).await.unwrap_err();
    assert!(matches!(error, Error::InvalidResponse(_)), "{error}");
}
