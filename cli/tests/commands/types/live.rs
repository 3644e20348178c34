//! `types` with an org.

use std::{process::Command, sync::Arc};
#[cfg(unix)]
use std::{process::Stdio, time::Duration};

#[cfg(unix)]
use rustix::process::{Pid, Signal, kill_process};
use salesforce_connection::{
    Client, Connection, SalesforceId, Secret, UserRef, http::AllowedHosts, token::FixedToken,
};
use salesforce_fake_org::{FakeOrg, Fault, PermittedUsers, Route};

use super::generated_parents::{Case, Task};
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

fn live_tokens(org: &FakeOrg) -> Vec<String> {
    org.live_access_tokens(&org.user("ada@example.com"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_the_service_user_is_revoked_on_every_way_out() {
    let org = start(serde_json::json!([])).await;
    let issued = || org.token_calls("client_credentials");
    for (arguments, status) in [
        (&["Account:Id"][..], 0),
        (&["Acount:Id"], 2),
        (&["Account:Nmae"], 2),
        (&["--out", "no-such-folder/objects.rs", "Account:Id"], 2),
        (&["--out", "no-such-file.rs", "--check", "Account:Id"], 1),
    ] {
        let before = issued();
        let ended = types(&org, |_| {}, arguments).await;
        assert_eq!((ended.status, issued()), (status, before + 1), "{arguments:?}: {ended:?}");
        assert_eq!(live_tokens(&org), [""; 0], "{arguments:?}: {ended:?}");
    }
    let fault = org.faults().api(Fault::Status(403));
    let refused = types(&org, |_| {}, &["Account:Id"]).await;
    assert_eq!((refused.status, live_tokens(&org)), (2, vec![]), "{refused:?}");
    fault.remove();

    org.faults().at(Route::Revoke, Fault::Status(503));
    let left = types(&org, |_| {}, &["Account:Id"]).await;
    assert!(left.status == 0 && left.stdout.contains("pub id: SalesforceId"), "{left:?}");
    assert!(left.stderr.contains("warning: the token of this run could not be revoked"), "{left:?}");
    assert_eq!(live_tokens(&org).len(), 1);
}

/// Starts a run, interrupts it once the org has this request, and returns its exit status.
#[cfg(unix)]
async fn interrupted(org: &FakeOrg, signal: Signal, path: &str, arguments: &[&str]) -> i32 {
    org.clear_requests();
    let mut command = program(["types"].iter().chain(arguments));
    let mut child =
        command.envs(org.variables()).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    while !org.requests().iter().any(|request| request.path.contains(path)) {
        assert!(child.try_wait().unwrap().is_none(), "it ended before the request");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
    tokio::task::spawn_blocking(move || child.wait().unwrap().code().unwrap_or(-1)).await.unwrap()
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_run_leaves_the_file_as_it_was_and_no_token() {
    let org = start(serde_json::json!([])).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("objects.rs");
    let out = path.to_str().unwrap();
    types(&org, |_| {}, &["--out", out, "Account:Id"]).await;
    let before = std::fs::read(&path).unwrap();
    let arguments = ["--out", out, "Account:Id,Name"];
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        // The describe never comes.
        let fault = org.faults().api(Fault::Delay(Duration::from_secs(60)));
        assert_eq!(interrupted(&org, signal, "/describe", &arguments).await, 130);
        assert_eq!(live_tokens(&org), [""; 0]);
        fault.remove();
        // The token comes after the signal.
        org.faults().token_endpoint(Fault::Delay(Duration::from_millis(300)).once());
        assert_eq!(interrupted(&org, signal, "/oauth2/token", &arguments).await, 130);
        assert!(org.requests().iter().any(|request| request.path.contains("/oauth2/revoke")));
        assert_eq!(live_tokens(&org), [""; 0]);
    }
    // The token is refused, or being revoked.
    org.faults().token_endpoint(Fault::Status(503).delay(Duration::from_millis(300)).times(1));
    assert_eq!(interrupted(&org, Signal::INT, "/oauth2/token", &arguments).await, 130);
    org.faults().at(Route::Revoke, Fault::Delay(Duration::from_millis(300)).once());
    assert_eq!(interrupted(&org, Signal::INT, "/oauth2/revoke", &arguments).await, 130);
    assert_eq!(live_tokens(&org), [""; 0]);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(files(folder.path()), ["objects.rs"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_token_is_said_to_be_one() {
    let org = start(serde_json::json!([])).await;
    org.faults().at(Route::Token, Fault::LoseResponse.grant_type("client_credentials"));
    let lost = types(&org, |_| {}, &["Account:Id"]).await;
    assert_eq!(lost.status, 2);
    for part in ["the response to the request for a token was lost", "session timeout"] {
        assert!(lost.stderr.contains(part), "{part}: {}", lost.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_user_has_a_key_or_the_login_host() {
    let (key, certificate) = crate::key::pair();
    let builder =
        FakeOrg::builder().rows(1).execution_user("ada@example.com").certificate(&certificate).unwrap();
    let robots = PermittedUsers::AdminApproved(vec!["ada@example.com".into()]);
    let org = builder.permitted_users(robots).start().await.unwrap();
    let by_key = |command: &mut Command| {
        command.env("SALESFORCE_SERVICE_USERNAME", "ada@example.com").env("SALESFORCE_SERVICE_KEY", &key);
    };
    let of_login_host = |command: &mut Command| {
        command.env_remove("SALESFORCE_SERVICE_URL").env("SALESFORCE_LOGIN_URL", org.instance_url());
    };
    for grant_type in ["urn:ietf:params:oauth:grant-type:jwt-bearer", "client_credentials"] {
        let change = |command: &mut Command| match grant_type {
            "client_credentials" => of_login_host(command),
            _ => by_key(command),
        };
        let written = types(&org, change, &["Account:Id"]).await;
        assert!(written.status == 0 && written.stdout.contains("pub id: SalesforceId"), "{written:?}");
        assert_eq!(
            (org.token_calls(grant_type), live_tokens(&org)),
            (1, vec![]),
            "{grant_type}: {written:?}"
        );
        assert!(!written.stderr.contains("PRIVATE KEY"), "{written:?}");
    }
    let another = |command: &mut Command| {
        by_key(command);
        command.env("SALESFORCE_SERVICE_KEY", crate::key::pair().0);
    };
    let refused = types(&org, another, &["Account:Id"]).await;
    assert!(refused.status == 2 && refused.stderr.contains("SALESFORCE_SERVICE_KEY"), "{refused:?}");
}

/// The file compiles here, and the structs in it read what the org returns.
#[tokio::test(flavor = "multi_thread")]
async fn parents_of_several_objects_are_read_through_name() {
    let org = FakeOrg::builder().rows(8).execution_user("ada@example.com").start().await.unwrap();
    let objects = [
        "--crate",
        "salesforce_connection",
        "Task:Subject,Who.Name,Who.Type,Who.Id,Who.Username,Who.Email,Who.IsActive,What.Name,What.Type,Owner.Name",
        "Case:Id,Owner.Name,Owner.Type,Owner.Profile.Name",
    ];
    let written = types(&org, |_| {}, &objects).await;
    assert!(written.stdout == include_str!("generated_parents.rs"), "{written:?}");

    let ada = org.user("ada@example.com");
    let token = Secret::new(org.issue_tokens(&ada, "api").access_token);
    let instance: url::Url = org.instance_url().parse().unwrap();
    let client = Client::builder().allowed_hosts(AllowedHosts::new([instance.clone()])).build().unwrap();
    let user = UserRef::new(org.organization_id().parse().unwrap(), ada.id().parse().unwrap());
    let sf = Connection::new(&client, Arc::new(FixedToken::new(user, instance, &token).unwrap()));
    let first = async |soql: &str| -> SalesforceId {
        let rows: Vec<serde_json::Value> = sf.query(soql).fetch_all().await.unwrap();
        rows[0]["Id"].as_str().unwrap().parse().unwrap()
    };
    let (queue, lead) = (first("SELECT Id FROM Group").await, first("SELECT Id FROM Lead").await);
    let (task, case) = (first("SELECT Id FROM Task").await, first("SELECT Id FROM Case").await);
    let change = serde_json::json!({ "WhoId": lead, "OwnerId": queue });
    sf.sobject("Task").update(&task, &change).await.unwrap();
    sf.sobject("Case").update(&case, &serde_json::json!({ "OwnerId": queue })).await.unwrap();

    let tasks: Vec<Task> = sf.select().filter("Who.Type = 'Lead'").fetch_all().await.unwrap();
    let [Task { who: Some(who), what: Some(what), owner: Some(owner), .. }] = tasks.as_slice() else {
        panic!("{tasks:?}");
    };
    assert_eq!((who.r#type.clone(), who.username.clone()), (Some("Lead".into()), None));
    assert_eq!((what.r#type.as_deref(), owner.name.as_deref()), (Some("Account"), Some("Support")));
    let cases: Vec<Case> = sf.select().fetch_all().await.unwrap();
    let owners = cases.iter().filter_map(|case| case.owner.as_ref()?.r#type.as_deref());
    assert_eq!(owners.filter(|kind| *kind == "Queue").count(), 1, "{cases:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_struct_of_the_readme_is_what_the_fake_org_gives() {
    let org = start(serde_json::json!([])).await;
    let written = types(&org, |_| {}, &["Account:Id,Name,Industry,Owner.Name"]).await;
    assert!(written.stdout == include_str!("../../../examples/from_empty_folder/objects.rs"), "{written:?}");
}
