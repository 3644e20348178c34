//! `--config`: a settings file of the app, which the variables stand on top of.

use std::fs;

use salesforce_fake_org::FakeOrg;

use crate::run::{ADA, Doctor};

/// Leaves the settings of the org to the file, but for the client secret.
fn without_variables<'a>(org: &'a FakeOrg, file: &str, section: &str) -> Doctor<'a> {
    let mut doctor = Doctor::of(org).with(["--config", file, "--section", section]);
    for (name, _) in org.variables() {
        if name != "SALESFORCE_CLIENT_SECRET" {
            doctor = doctor.unset(name);
        }
    }
    doctor
}

#[tokio::test]
async fn settings_of_a_file_are_checked_with_the_variables_on_top() {
    let org = FakeOrg::builder().execution_user(ADA).start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (id, login, instance) = (org.client_id(), org.login_url(), org.instance_url());
    let toml = folder.path().join("app.toml");
    let text = format!(
        "name = 'shop'\n[web.salesforce]\nclient_id = '{id}'\nclient_secret = 'an-old-one'\nlogin_url = '{login}'\n\
         allowed_origins = ['{instance}']\n[web.salesforce.service]\nurl = '{instance}'\n"
    );
    fs::write(&toml, text).unwrap();
    let ended = without_variables(&org, toml.to_str().unwrap(), "web.salesforce").run().await;
    assert_eq!((ended.status, ended.checks(&["failed", "warning"])), (Some(0), vec![]), "{ended:?}");
    for check in ["secret", "rotation", "service-user"] {
        assert_eq!(ended.finding(check)["outcome"], "passed", "{ended:?}");
    }
}

/// An app without a logout route has no form to try.
#[tokio::test]
async fn routes_of_a_file_count_and_what_is_wrong_in_it_is_named_without_its_value() {
    let org = FakeOrg::start().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("app.json");
    let server = crate::public_url::faithful_app(&org).await;
    let file = serde_json::json!({ "salesforce": { "routes": { "logout": null } } });
    fs::write(&path, file.to_string()).unwrap();
    let doctor =
        Doctor::of(&org).arguments(["--json", "--no-login"]).set("SALESFORCE_PUBLIC_URL", &server.url);
    let ended = doctor.with(["--config", path.to_str().unwrap(), "--section", "salesforce"]).run().await;
    assert_eq!((ended.status, ended.finding("public-url")["outcome"].as_str()), (Some(0), Some("passed")));
    let finding = ended.finding("proxy-headers");
    assert_eq!(finding["outcome"], "skipped", "{ended:?}");
    assert!(finding["what"].as_str().unwrap().contains("No logout route"), "{finding}");

    for (name, text, section, says) in [
        (
            "a.json",
            "{\"salesforce\": {\"client_secrte\": \"hush\"}}",
            "salesforce",
            "no setting `client_secrte`\n  help: did you mean `client_secret`?",
        ),
        (
            "b.json",
            "{\"client_id\": \"x\", \"service\": {\"usernam\": \"hush\"}}",
            "",
            "no setting `service.usernam`\n  help: did you mean `username`?",
        ),
        ("c.toml", "allow_my_domain = \"hush\"", "", "the setting `allow_my_domain` is not a boolean"),
        (
            "d.toml",
            "[api]\nclient_name = \"x\"\nmax_concurrent_requests = \"hush\"",
            "",
            "the setting `api.max_concurrent_requests` is not ",
        ),
        ("e.toml", "name = \"shop\"\nsecret = 'hush", "", "e.toml:2: not TOML: "),
        ("f.json", "{\n\"secret\": \"hush\"", "", "f.json:2: not JSON: "),
        ("g.json", "{\"salesforce\": {}}", "salesforc", "did you mean `salesforce`?"),
        ("h.yaml", "salesforce: hush", "", "set the SALESFORCE_ variables"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let file = path.to_str().unwrap();
        let doctor = Doctor::of(&org);
        let doctor = match section {
            "" => doctor.with(["--config", file]),
            section => doctor.with(["--config", file, "--section", section]),
        };
        let refused = doctor.run().await;
        assert_eq!(refused.status, Some(2), "{name}: {refused:?}");
        assert!(refused.stderr.contains(says) && refused.stderr.contains("help: "), "{name}: {refused:?}");
        assert!(!refused.stderr.contains("hush"), "{name}: {refused:?}");
    }
}
