//! Single records over HTTP: by id and by external id, only if they did not change, with their files, and what
//! Salesforce says when it refuses.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use crate::support::{ADA, TestApp};
use actix_salesforce::{
    Connection, Error, SalesforceId,
    http::HttpError,
    records::{BlobUpload, DuplicateRules, RecordEtag},
    soql::SoqlDateTime,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use salesforce_fake_org::{FakeOrg, Fault, Route};
use serde_json::{Value, json};

fn code(error: &Error) -> (Option<u16>, &str) {
    (error.status(), error.api_errors().first().map_or("", |entry| &entry.code))
}

#[actix_web::test]
async fn a_record_is_named_by_its_external_id() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let accounts = sf.sobject("Account");
    let key = "a/b c%?#'é";
    let made = accounts.upsert("ExternalKey__c", key, &json!({ "Name": "Acme" })).await.unwrap();
    let again = accounts.upsert("ExternalKey__c", key, &json!({ "Phone": "1" })).await.unwrap();
    assert_eq!((made.created, again.created, again.id), (true, false, made.id));
    let id = accounts.update_by("ExternalKey__c", key, &json!({ "Phone": "2" })).await.unwrap();
    assert_eq!(id, made.id);
    let read: Value = accounts.retrieve_by("ExternalKey__c", key, &["Name", "Phone"]).await.unwrap();
    assert_eq!((&read["Name"], &read["Phone"], read.get("Industry")), (&json!("Acme"), &json!("2"), None));
    let all: Value = accounts.retrieve_by("ExternalKey__c", key, &[]).await.unwrap();
    assert!(all.get("Industry").is_some());
    accounts.delete_by("ExternalKey__c", key).await.unwrap();

    let gone = accounts.update_by("ExternalKey__c", key, &json!({ "Phone": "3" })).await.unwrap_err();
    assert_eq!(code(&gone), (Some(404), "NOT_FOUND"));
    let gone = accounts.retrieve_by::<Value>("ExternalKey__c", key, &[]).await.unwrap_err();
    assert_eq!(code(&gone), (Some(404), "NOT_FOUND"));
    let no_key = accounts.upsert("Phone", "1", &json!({})).await.unwrap_err();
    assert_eq!(code(&no_key), (Some(404), "NOT_FOUND"));
}

#[actix_web::test]
async fn a_value_that_several_records_have_touches_none_and_names_them() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let accounts = sf.sobject("Account");
    let mut ids = Vec::new();
    for name in ["One", "Two"] {
        ids.push(accounts.create(&json!({ "Name": name, "LegacyCode__c": "L-1" })).await.unwrap());
    }
    ids.sort();
    let record = json!({ "Phone": "1" });
    for outcome in [
        accounts.upsert("LegacyCode__c", "L-1", &record).await.err(),
        accounts.update_by("LegacyCode__c", "L-1", &record).await.err(),
        accounts.retrieve_by::<Value>("LegacyCode__c", "L-1", &[]).await.err(),
        accounts.delete_by("LegacyCode__c", "L-1").await.err(),
    ] {
        let Some(Error::MultipleChoices { mut candidates, .. }) = outcome else { panic!("{outcome:?}") };
        candidates.sort();
        assert_eq!(candidates, ids);
    }
    let read: Value = accounts.retrieve(ids[0]).await.unwrap();
    assert_eq!(read["Phone"], Value::Null);
}

#[actix_web::test]
async fn what_a_duplicate_rule_finds_is_named_and_can_be_saved_all_the_same() {
    let org = FakeOrg::builder().duplicate_rule("Account", &["Name"]).start().await.unwrap();
    org.sign_in(&org.user(ADA));
    let app = TestApp::around(org, |builder| builder).await;
    let sf = app.connection().await;
    let accounts = sf.sobject("Account");
    let acme = json!({ "Name": "Acme twice" });
    let first = accounts.create(&acme).await.unwrap();
    let refused = accounts.create(&acme).await.unwrap_err();
    assert_eq!(code(&refused), (Some(400), "DUPLICATES_DETECTED"));
    let found = refused.api_errors()[0].duplicates.as_ref().unwrap();
    assert!(found.allow_save && !found.rule.is_empty());
    assert_eq!((found.records[0].id, found.records[0].object.as_str()), (first, "Account"));
    assert_ne!(accounts.clone().allow_duplicates().create(&acme).await.unwrap(), first);

    app.org.clear_requests();
    let rules = DuplicateRules::default().include_record_details(true).run_as_current_user(true);
    assert!(accounts.duplicate_rules(rules).create(&acme).await.is_err());
    assert_eq!(
        app.org.requests()[0].header("sforce-duplicate-rule-header"),
        Some("includeRecordDetails=true; runAsCurrentUser=true")
    );
}

#[actix_web::test]
async fn what_salesforce_refuses_comes_back_with_its_reasons() {
    let org = FakeOrg::builder()
        .validation_rule("Account", "Phone = '666'", "Not this number")
        .start()
        .await
        .unwrap();
    org.sign_in(&org.user(ADA));
    let app = TestApp::around(org, |builder| builder).await;
    let sf = app.connection().await;
    let (accounts, contacts) = (sf.sobject("Account"), sf.sobject("Contact"));
    let id = accounts.create(&json!({ "Name": "Acme" })).await.unwrap();
    for (body, expected, field) in [
        (json!({}), "REQUIRED_FIELD_MISSING", Some("Name")),
        (json!({ "Name": "x", "Nonsense": 1 }), "INVALID_FIELD", None),
        (json!({ "Name": "x", "Id": id }), "INVALID_FIELD", None),
        (json!({ "Name": "x".repeat(256) }), "STRING_TOO_LONG", Some("Name")),
        (json!({ "Name": "x", "Phone": "666" }), "FIELD_CUSTOM_VALIDATION_EXCEPTION", None),
        (json!({ "Name": "x", "ParentId": "003D000000QV9n2IAD" }), "MALFORMED_ID", Some("ParentId")),
        (json!({ "Name": "x", "NumberOfEmployees": "many" }), "JSON_PARSER_ERROR", None),
        (json!([]), "JSON_PARSER_ERROR", None),
    ] {
        let refused = accounts.create(&body).await.unwrap_err();
        assert_eq!(code(&refused), (Some(400), expected), "{body}");
        assert_eq!(refused.api_errors()[0].fields.first().map(String::as_str), field, "{body}");
    }
    let other: SalesforceId = "003D000000QV9n2IAD".parse().unwrap();
    let outcome = contacts.update(other, &json!({ "Title": "x" })).await.unwrap_err();
    assert_eq!(code(&outcome), (Some(404), "NOT_FOUND"));
    assert_eq!(code(&accounts.delete(other).await.unwrap_err()), (Some(400), "MALFORMED_ID"));
    assert_eq!(
        code(&sf.sobject("Nonsense__c").create(&json!({})).await.unwrap_err()),
        (Some(404), "NOT_FOUND")
    );
    accounts.delete(id).await.unwrap();
    assert_eq!(code(&accounts.retrieve::<Value>(id).await.unwrap_err()), (Some(404), "ENTITY_IS_DELETED"));
    let refused = contacts.create(&json!({ "LastName": "x", "AccountId": id })).await.unwrap_err();
    assert_eq!(code(&refused), (Some(400), "INVALID_CROSS_REFERENCE_KEY"));
}

/// Two people open a form; the second one to send it does not undo what the first one did.
#[actix_web::test]
async fn a_record_that_changed_meanwhile_is_left_as_it_is() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    // Accounts have entity tags, contacts the time of their last change.
    for (object, new) in [("Account", json!({ "Name": "x" })), ("Contact", json!({ "LastName": "x" }))] {
        let rows = sf.sobject(object);
        let id = rows.create(&new).await.unwrap();
        let (_, known): (Value, _) = rows.retrieve_revision(id, &["Phone"]).await.unwrap();
        let known: RecordEtag = known.to_string().parse().unwrap();
        let same = rows.retrieve_if_changed::<Value>(id, &["Phone"], &known).await.unwrap();
        assert!(same.is_none(), "{object}");

        app.org.advance(Duration::from_secs(2));
        rows.clone().if_match(&known).update(id, &json!({ "Phone": "first" })).await.unwrap();
        app.org.advance(Duration::from_secs(2));
        let late = rows.clone().if_match(&known).update(id, &json!({ "Phone": "second" })).await;
        assert!(matches!(late, Err(Error::PreconditionFailed)), "{object}: {late:?}");
        let late = rows.clone().if_match(&known).delete(id).await;
        assert!(matches!(late, Err(Error::PreconditionFailed)), "{object}: {late:?}");

        let (now, newer) = rows.retrieve_if_changed::<Value>(id, &["Phone"], &known).await.unwrap().unwrap();
        assert_eq!(now["Phone"], "first", "{object}");
        rows.clone().if_match(&newer).delete(id).await.unwrap();
    }
    let missing = sf.sobject("Account").retrieve_revision::<Value>("001D000000IqhSLIAZ", &[]).await;
    assert_eq!(code(&missing.unwrap_err()), (Some(404), "NOT_FOUND"));
}

/// So many bytes, all different from their neighbours, in pieces of 64 KiB.
fn pieces(length: usize) -> impl futures_util::Stream<Item = io::Result<Bytes>> + Send + 'static {
    let piece = Bytes::from_iter((0..=u8::MAX).cycle().take(65_536));
    stream::iter(
        (0..length.div_ceil(65_536)).map(move |n| Ok(piece.slice(..(length - n * 65_536).min(65_536)))),
    )
}

async fn whole(pieces: impl futures_util::Stream<Item = io::Result<Bytes>>) -> Bytes {
    pieces.try_collect::<Vec<_>>().await.unwrap().concat().into()
}

#[actix_web::test]
async fn a_file_arrives_as_it_was_sent_and_comes_back_as_a_stream() {
    const LENGTH: usize = 3 << 20;
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let account = sf.sobject("Account").create(&json!({ "Name": "Acme" })).await.unwrap();
    let bytes = whole(pieces(LENGTH)).await;
    let opened = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&opened);
    let streamed = BlobUpload::streamed("Body", "a.bin", LENGTH as u64, move || {
        count.fetch_add(1, Ordering::SeqCst);
        pieces(LENGTH)
    });
    let attachments = sf.sobject("Attachment");
    let record = json!({ "Name": "a.bin", "ParentId": account, "ContentType": "application/x-things" });
    // A stream is begun again when the token turns out to be expired.
    app.org.expire_access_tokens();
    let id = attachments.create_with_blob(&record, streamed).await.unwrap();
    assert_eq!((opened.load(Ordering::SeqCst), app.refreshes()), (2, 1));
    let read: Value = attachments.retrieve(id).await.unwrap();
    assert_eq!(read["BodyLength"], LENGTH);

    app.org.expire_access_tokens();
    let file = attachments.blob(id, "Body").await.unwrap();
    assert_eq!(
        (file.content_type(), file.content_length()),
        (Some("application/x-things"), Some(LENGTH as u64))
    );
    let pieces: Vec<Bytes> = file.try_collect().await.unwrap();
    assert!(pieces.len() > 10, "{} pieces", pieces.len());
    assert_eq!(pieces.concat(), bytes);

    let new = BlobUpload::new("Body", "b\"; name=\"x.txt", "hello").content_type("text/plain");
    attachments.update_with_blob(id, &json!({ "Name": "b.txt" }), new).await.unwrap();
    assert_eq!(attachments.blob(id, "Body").await.unwrap().bytes(5).await.unwrap(), "hello");
    let large = attachments.blob(id, "Body").await.unwrap().bytes(4).await;
    assert!(matches!(large, Err(Error::Http(HttpError::TooLarge))), "{large:?}");
    let empty = BlobUpload::new("VersionData", "e", Bytes::new());
    let id =
        sf.sobject("ContentVersion").create_with_blob(&json!({ "PathOnClient": "e" }), empty).await.unwrap();
    assert!(
        sf.sobject("ContentVersion")
            .blob(id, "VersionData")
            .await
            .unwrap()
            .bytes(0)
            .await
            .unwrap()
            .is_empty()
    );
}

#[actix_web::test]
async fn a_file_that_is_refused_or_breaks_off_is_an_error() {
    let app = TestApp::start().await;
    let sf = app.connection().await.with_timeout(Duration::from_secs(1));
    let files = sf.sobject("ContentVersion");
    let good = || BlobUpload::new("VersionData", "x", vec![b'x'; 200_000]);
    let refused = files.create_with_blob(&json!({}), good()).await.unwrap_err();
    assert_eq!(
        (code(&refused), &*refused.api_errors()[0].fields[0]),
        ((Some(400), "REQUIRED_FIELD_MISSING"), "PathOnClient")
    );
    let record = json!({ "PathOnClient": "x" });
    let id = files.create_with_blob(&record, good()).await.unwrap();

    app.org.clear_requests();
    for wrong in [
        BlobUpload::new("Version Data", "x", "x"),
        BlobUpload::new("a\"\r\n", "x", "x"),
        good().content_type("text/plain\r\nX: y"),
    ] {
        let outcome = files.create_with_blob(&record, wrong).await;
        assert!(matches!(outcome, Err(Error::InvalidRequest(_))), "{outcome:?}");
    }
    assert!(matches!(files.blob(id, "../x").await, Err(Error::InvalidRequest(_))));
    assert!(app.org.requests().is_empty(), "{:?}", app.org.requests());
    // Shorter and longer than announced: neither is cut, nor ended with what comes after it.
    for announced in [9, 11] {
        let outcome = files
            .create_with_blob(&record, BlobUpload::streamed("VersionData", "x", announced, || pieces(10)))
            .await;
        assert!(matches!(outcome, Err(Error::Http(_))), "{announced}: {outcome:?}");
    }
    let count = sf.query::<Value>("SELECT COUNT() FROM ContentVersion").page().await.unwrap();
    assert_eq!(count.total_size, Some(1));

    assert_eq!(
        code(&files.blob("068D000000IqhSLIAZ", "VersionData").await.unwrap_err()),
        (Some(404), "NOT_FOUND")
    );
    app.org.faults().api(Fault::ResetMidBody);
    let broken = files.blob(id, "VersionData").await.unwrap().bytes(usize::MAX).await;
    assert!(matches!(broken, Err(Error::Http(HttpError::ConnectionLost(_)))), "{broken:?}");
    app.org.faults().clear();
    // Salesforce falls silent in the middle: the wait for each piece ends.
    app.org.faults().api(Fault::Drip);
    let short = sf.with_timeout(Duration::from_millis(300));
    let mut slow = short.sobject("ContentVersion").blob(id, "VersionData").await.unwrap();
    let last = loop {
        match slow.next().await {
            Some(Ok(_)) => {}
            last => break last,
        }
    };
    assert!(matches!(last, Some(Err(Error::Http(HttpError::Timeout)))), "{last:?}");
    app.org.faults().clear();
    // A short outage before the first byte is waited out: reading does no harm.
    app.org.faults().api(Fault::Status(503).times(1));
    assert_eq!(files.blob(id, "VersionData").await.unwrap().bytes(usize::MAX).await.unwrap().len(), 200_000);
}

/// Lets this much time pass for the crate at once.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// no single wait is long, and the file would take days.
#[actix_web::test]
async fn a_file_that_drips_is_cut_off_and_a_reader_who_pauses_is_not() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let files = sf.sobject("ContentVersion");
    let file = BlobUpload::new("VersionData", "x", vec![b'x'; 400_000]);
    let id = files.create_with_blob(&json!({ "PathOnClient": "x" }), file).await.unwrap();

    let mut paused = files.blob(id, "VersionData").await.unwrap();
    let mut got = 0;
    while let Some(piece) = paused.next().await {
        got += piece.unwrap().len();
        pass(Duration::from_secs(10 * 60)).await;
    }
    assert_eq!(got, 400_000);

    app.org.faults().api(Fault::Drip);
    let mut slow = files.blob(id, "VersionData").await.unwrap();
    let (mut pieces, mut passed) = (0, 0);
    let last = loop {
        // A second of the fake org's is ten of the crate's.
        tokio::select! {
            piece = slow.next() => match piece {
                Some(Ok(_)) => pieces += 1,
                last => break last,
            },
            () = tokio::time::sleep(Duration::from_millis(500)) => {
                passed += 1;
                assert!(passed < 30, "it is still read after {pieces} bytes");
                pass(Duration::from_secs(5)).await;
            }
        }
    };
    assert!(matches!(last, Some(Err(Error::Http(HttpError::TooSlow)))), "{last:?}");
    assert!(pieces > 0);
}

#[actix_web::test]
async fn what_was_used_changed_and_deleted_is_listed() {
    let app = TestApp::start().await;
    let sf = app.connection().await;
    let accounts = sf.sobject("Account");
    let kept = accounts.create(&json!({ "Name": "Kept" })).await.unwrap();
    let gone = accounts.create(&json!({ "Name": "Gone" })).await.unwrap();
    accounts.delete(gone).await.unwrap();
    let recent: Vec<Value> = accounts.recent().await.unwrap();
    assert_eq!(recent[0]["Id"], kept.as_str());
    assert!(recent.iter().all(|record| record["attributes"]["type"] == "Account"));

    let now = SystemTime::now();
    let at = |offset: i64| {
        let seconds = Duration::from_secs(offset.unsigned_abs());
        SoqlDateTime::try_from(if offset < 0 { now - seconds } else { now + seconds }).unwrap()
    };
    let updated = accounts.updated(at(-3600), at(3600)).await.unwrap();
    let next = accounts.updated(at(-3600), updated.latest_date_covered).await.unwrap();
    assert!(next.latest_date_covered <= updated.latest_date_covered, "it goes on where it ended");
    assert!(updated.ids.contains(&kept) && !updated.ids.contains(&gone));
    let deleted = accounts.deleted(at(-3600), at(3600)).await.unwrap();
    assert!(deleted.earliest_date_available < deleted.records[0].deleted_date);
    assert_eq!(deleted.records.iter().map(|record| record.id).collect::<Vec<_>>(), [gone]);
    for outcome in [
        accounts.updated(at(-31 * 86_400), at(0)).await.err(),
        accounts.updated(at(0), at(-60)).await.err(),
        accounts.deleted(at(-16 * 86_400), at(0)).await.err(),
    ] {
        assert_eq!(code(&outcome.unwrap()), (Some(400), "INVALID_REPLICATION_DATE"));
    }
    assert_eq!(sf.sobject("Nonsense__c").recent::<Value>().await.unwrap_err().status(), Some(404));
}

/// Each call that reads or writes a record survives an expired token, and what is broken is never taken for a success.
#[actix_web::test]
async fn every_method_refreshes_the_token_and_rejects_invalid_responses() {
    type Call = for<'a> fn(
        &'a Connection,
        SalesforceId,
    ) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Error>> + 'a>>;
    const CALLS: [(&str, Call); 9] = [
        ("create", |sf, _| {
            Box::pin(async { sf.sobject("Account").create(&json!({ "Name": "x" })).await.map(drop) })
        }),
        ("retrieve", |sf, id| {
            Box::pin(async move {
                sf.sobject("Account").retrieve::<std::collections::HashMap<String, Value>>(id).await.map(drop)
            })
        }),
        ("retrieve_revision", |sf, id| {
            Box::pin(async move { sf.sobject("Account").retrieve_revision::<Value>(id, &[]).await.map(drop) })
        }),
        ("update", |sf, id| {
            Box::pin(async move { sf.sobject("Account").update(id, &json!({ "Phone": "1" })).await })
        }),
        ("upsert", |sf, _| {
            Box::pin(async {
                sf.sobject("Account").upsert("ExternalKey__c", "k", &json!({ "Name": "x" })).await.map(drop)
            })
        }),
        ("update_by", |sf, _| {
            Box::pin(async {
                sf.sobject("Account")
                    .update_by("ExternalKey__c", "k", &json!({ "Phone": "1" }))
                    .await
                    .map(drop)
            })
        }),
        ("recent", |sf, _| Box::pin(async { sf.sobject("Account").recent::<Value>().await.map(drop) })),
        ("create_with_blob", |sf, _| {
            Box::pin(async {
                let file = BlobUpload::new("VersionData", "x", "x");
                sf.sobject("ContentVersion")
                    .create_with_blob(&json!({ "PathOnClient": "x" }), file)
                    .await
                    .map(drop)
            })
        }),
        ("delete", |sf, id| Box::pin(async move { sf.sobject("Account").delete(id).await })),
    ];
    let app = TestApp::start().await;
    let sf = app.connection().await.with_timeout(Duration::from_secs(5));
    let id = sf.sobject("Account").create(&json!({ "Name": "x" })).await.unwrap();
    for (name, call) in CALLS {
        for fault in [Fault::Html, Fault::Garbage, Fault::Empty200, Fault::DeepJson] {
            app.org.faults().at(Route::Api, fault.clone());
            let outcome = call(&sf, id).await;
            assert!(matches!(outcome, Err(Error::InvalidResponse(_))), "{name} {fault:?}: {outcome:?}");
            app.org.faults().clear();
        }
        let before = app.refreshes();
        app.org.expire_access_tokens();
        call(&sf, id).await.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(app.refreshes() - before, 1, "{name}");
    }
}
