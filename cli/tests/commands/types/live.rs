//! `types` with an org.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use salesforce_fake_org::{FakeOrg, Fault};

use crate::program::{Ended, ended, files, program};

async fn start(objects: serde_json::Value) -> FakeOrg {
    let builder = FakeOrg::builder().rows(1).execution_user("ada@example.com");
    builder
        .declare_json(&serde_json::json!({ "objects": objects }).to_string())
        .unwrap()
        .start()
        .await
        .unwrap()
}

/// Runs the program as an app of the org, or with changed variables.
async fn types(org: &FakeOrg, change: impl FnOnce(&mut Command), arguments: &[&str]) -> Ended {
    let mut command = program(["types"].iter().chain(arguments));
    command.envs(org.variables());
    change(&mut command);
    ended(tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap())
}

fn crate_object(fields: serde_json::Value) -> serde_json::Value {
    serde_json::json!([{ "name": "Crate__c", "fields": fields }])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_org_that_gets_a_value_and_loses_a_field_has_drifted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("objects.rs");
    let out = path.to_str().unwrap();
    let status =
        |values: &[&str]| serde_json::json!({ "name": "Status__c", "type": "picklist", "values": values });
    let org = start(crate_object(
        serde_json::json!([status(&["Open"]), { "name": "Weight__c", "type": "double" }]),
    ))
    .await;
    let written = types(&org, |_| {}, &["--out", out, "Crate__c", "Account:Id,Owner.Name"]).await;
    assert_eq!(written.status, 0, "{written:?}");
    let text = std::fs::read_to_string(&path).unwrap();
    for part in [
        "pub struct Crate {",
        "pub weight: Option<f64>",
        "pub enum CrateStatus {",
        "pub owner: Option<AccountOwner>",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(types(&org, |_| {}, &["--out", out, "--check"]).await.status, 0);

    let later = start(crate_object(serde_json::json!([status(&["Open", "Shipped"])]))).await;
    let drift = types(&later, |_| {}, &["--out", out, "--check"]).await;
    assert_eq!(drift.status, 1, "{drift:?}");
    for part in ["-     pub weight: Option<f64>,", "+     Shipped,"] {
        assert!(drift.stderr.contains(part), "{part}: {}", drift.stderr);
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_the_salesforce_cli_is_enough() {
    let org = start(serde_json::json!([])).await;
    let token = org.issue_tokens(&org.user("ada@example.com"), "api").access_token;
    let with_token = |command: &mut Command| {
        for (name, _) in org.variables() {
            command.env_remove(name);
        }
        command.env("SF_ACCESS_TOKEN", &token).env("SF_ORG_INSTANCE_URL", org.instance_url());
        command.env("SALESFORCE_ALLOWED_ORIGINS", org.instance_url());
    };
    let written = types(&org, with_token, &["Account:Id"]).await;
    assert!(written.status == 0 && written.stdout.contains("pub id: SalesforceId"), "{written:?}");
    assert_eq!(written.stderr, "");
    org.expire_access_tokens();
    let refused = types(&org, with_token, &["Account:Id"]).await;
    assert_eq!(refused.status, 2);
    assert!(
        refused.stderr.contains("the org refuses the access token")
            && refused.stderr.contains("sf org auth show-access-token"),
        "{refused:?}"
    );
    assert!(!refused.stderr.contains(&token), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_object_is_named_with_the_nearest_one_of_the_org() {
    let org = start(crate_object(serde_json::json!([]))).await;
    let unknown = types(&org, |_| {}, &["Crates__c", "Acount", "Contact"]).await;
    assert_eq!(unknown.status, 2);
    for part in
        ["no object `Acount`", "did you mean `Account`?", "no object `Crates__c`", "did you mean `Crate__c`?"]
    {
        assert!(unknown.stderr.contains(part), "{part}: {}", unknown.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_org_out_of_reach_is_told_from_one_that_refuses() {
    let org = start(serde_json::json!([])).await;
    let closed = "http://127.0.0.1:9";
    let gone = types(
        &org,
        |command| _ = command.env("SALESFORCE_SERVICE_URL", closed).env("SALESFORCE_ALLOWED_ORIGINS", closed),
        &["Account:Id"],
    )
    .await;
    assert_eq!(gone.status, 2);
    assert!(
        gone.stderr.contains("cannot be reached") && gone.stderr.contains("help: check the address"),
        "{gone:?}"
    );

    let refused =
        types(&org, |command| _ = command.env("SALESFORCE_CLIENT_SECRET", "wrong"), &["Account:Id"]).await;
    assert_eq!(refused.status, 2);
    assert!(
        refused.stderr.contains("the org refuses") && !refused.stderr.contains("cannot be reached"),
        "{refused:?}"
    );

    org.faults().api(Fault::Maintenance);
    let down = types(&org, |_| {}, &["Account:Id"]).await;
    assert!(down.status == 2 && down.stderr.contains("cannot be reached"), "{down:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_leaves_the_file_as_it_was() {
    let org = start(serde_json::json!([])).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("objects.rs");
    types(&org, |_| {}, &["--out", path.to_str().unwrap(), "Account:Id"]).await;
    let before = std::fs::read(&path).unwrap();
    let requests = org.requests().len();
    org.faults().token_endpoint(Fault::Delay(Duration::from_secs(60)));
    let mut command = program(["types", "--out", path.to_str().unwrap(), "Account:Id,Name"]);
    let mut child = command.envs(org.variables()).stderr(Stdio::null()).spawn().unwrap();
    while org.requests().len() == requests {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), Signal::INT).unwrap();
    assert!(!child.wait().unwrap().success());
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(files(folder.path()), ["objects.rs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_struct_of_the_readme_is_what_the_fake_org_gives() {
    let org = start(serde_json::json!([])).await;
    let written = types(&org, |_| {}, &["Account:Id,Name,Industry,Owner.Name"]).await;
    assert!(written.stdout == include_str!("../../../examples/from_empty_folder/objects.rs"), "{written:?}");
}
