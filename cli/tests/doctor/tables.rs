//! The tables of the store: they may be those of a running app of another version, and stay as they are.

use std::{fs, path::Path, process::Command};

use actix_salesforce::store::{GrantFilter, SqlStore, Store as _};
use salesforce_fake_org::FakeOrg;

use crate::{
    run::{Doctor, Ended, KEY},
    servers::Postgres,
};

const STORE: [&str; 4] = ["store", "store-lease", "store-latency", "stored-grants"];

fn fixture(name: &str) -> String {
    format!("{}/../tests/fixtures/former_stores/{name}", env!("CARGO_MANIFEST_DIR"))
}

async fn with_store(org: &FakeOrg, store: &str) -> Ended {
    let doctor = Doctor::of(org).arguments(["--json", "--no-login"]).set("SALESFORCE_KEYS", KEY);
    doctor.set("SALESFORCE_STORE", store).run().await
}

#[track_caller]
fn assert_skipped(ended: &Ended, says: &str) {
    assert_eq!((ended.status, ended.checks(&["failed", "warning"])), (Some(0), vec![]), "{ended:?}");
    for check in STORE {
        let finding = ended.finding(check);
        assert_eq!(finding["outcome"], "skipped", "{ended:?}");
        assert!(finding["what"].as_str().unwrap().contains(says), "{says}: {finding}");
    }
}

#[tokio::test]
async fn a_file_of_an_earlier_version_stays_as_it_is() {
    let org = FakeOrg::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logins.db");
    fs::copy(fixture("logins.db"), &path).unwrap();
    let before = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().permissions());
    let ended = with_store(&org, &format!("sqlite:{}", path.display())).await;
    assert_skipped(&ended, "of version 1, and the next start of the app changes them");
    let after = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().permissions());
    assert!(after == before, "the file was changed");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "another file is left");
}

/// Runs psql, and returns what it prints.
fn psql(url: &str, arguments: &[&str]) -> String {
    let mut psql = Command::new("psql");
    let psql = psql.args(["-v", "ON_ERROR_STOP=1", "-q", "-A", "-t"]).args(arguments).arg(url);
    let output = psql.output().expect("psql is missing: install the Debian package postgresql-client");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_postgres_are_neither_created_nor_changed_and_a_user_who_may_not_is_named() {
    const COLUMNS: &str =
        "SELECT count(*) FROM information_schema.columns WHERE table_name LIKE 'actix_salesforce_%'";
    let org = FakeOrg::start().await.unwrap();
    let postgres = Postgres::start();
    let url = postgres.url();
    assert_skipped(&with_store(&org, &url).await, "its user may create the tables");
    assert_eq!(psql(&url, &["-c", COLUMNS]), "0");

    // As of version 15 of Postgres, tables in the schema `public` need a grant.
    psql(&url, &["-c", "CREATE ROLE app LOGIN"]);
    let of_app = url.replace("postgres@", "app@");
    let refused = with_store(&org, &of_app).await;
    assert_eq!((refused.status, refused.checks(&["failed", "warning"])), (Some(1), vec!["store".into()]));
    assert!(refused.finding("store").to_string().contains("permission denied"), "{refused:?}");
    // So does the start of the app.
    let error = SqlStore::postgres(&of_app).await.unwrap_err();
    assert!(
        std::error::Error::source(&error).unwrap().to_string().contains("permission denied"),
        "{error:?}"
    );

    psql(&url, &["-f", Path::new(&fixture("postgres.sql")).to_str().unwrap()]);
    let columns = psql(&url, &["-c", COLUMNS]);
    assert_skipped(&with_store(&org, &url).await, "of version 1, and the next start of the app changes them");
    assert_eq!(psql(&url, &["-c", COLUMNS]), columns);

    SqlStore::postgres(&url).await.unwrap();
    let ended = with_store(&org, &url).await;
    // The grant in it is sealed with another key.
    assert_eq!(ended.checks(&["failed", "warning"]), ["stored-grants"], "{ended:?}");
    for check in &STORE[..3] {
        assert_eq!(ended.finding(check)["outcome"], "passed", "{ended:?}");
    }
}

/// A value of the app that wrote the stores of an earlier version.
fn of_former_app(name: &str) -> String {
    let manifest: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(fixture("manifest.json")).unwrap()).unwrap();
    manifest[name].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn keys_that_do_not_open_the_stored_grants_are_named() {
    let org = FakeOrg::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logins.db");
    fs::copy(fixture("logins.db"), &path).unwrap();
    let store = SqlStore::sqlite(&path).await.unwrap();
    let before = store.list_grants(GrantFilter::All).await.unwrap();
    let (id, keys) = (of_former_app("client_id"), of_former_app("keys"));
    for (id, keys, outcome, says) in [
        (&id, format!("{KEY} {keys}"), "passed", "The keys open the newest stored grants"),
        (&id, KEY.to_owned(), "failed", "behind the newest one"),
        (&"3MVG9.Another".to_owned(), KEY.to_owned(), "skipped", "No grant of the app"),
        (&id, "c2hvcnQ=".to_owned(), "skipped", "The keys"),
    ] {
        let doctor = Doctor::of(&org).arguments(["--json", "--no-login"]).set("SALESFORCE_KEYS", &keys);
        let doctor = doctor.set("SALESFORCE_STORE", &format!("sqlite:{}", path.display()));
        let ended = doctor.set("SALESFORCE_CLIENT_ID", id).run().await;
        let finding = ended.finding("stored-grants");
        assert_eq!(finding["outcome"], outcome, "{ended:?}");
        assert!(finding.to_string().contains(says), "{finding}");
    }
    assert_eq!(store.list_grants(GrantFilter::All).await.unwrap(), before);
}
