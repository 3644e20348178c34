//! `app-metadata`

use std::path::Path;

use crate::program::{Ended, ended, files, program};

const METADATA: &str = "force-app/main/default";

fn write(out: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let mut command = program(["app-metadata", "--contact-email", "ops@acme.example", "--name", "Acme_App"]);
    command.args(["--out", out.to_str().unwrap()]).args(arguments).envs(variables.iter().copied());
    ended(command.output().unwrap())
}

fn text(out: &Path, path: &str) -> String {
    std::fs::read_to_string(out.join(METADATA).join(path)).unwrap()
}

#[test]
fn the_files_match_the_settings_and_have_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("salesforce");
    let variables = [
        ("SALESFORCE_CLIENT_ID", "3MVG9-of-the-app"),
        ("SALESFORCE_CLIENT_SECRET", "a-client-secret"),
        ("SALESFORCE_KEYS", "a-key-that-seals"),
        ("SALESFORCE_PUBLIC_URL", "https://app.acme.example"),
        ("SALESFORCE_SCOPES", "api openid refresh_token web"),
        ("SALESFORCE_SINGLE_LOGOUT", "true"),
        ("SALESFORCE_SERVICE_URL", "https://acme.my.salesforce.com"),
    ];
    let written = write(&out, &variables, &["--label", "A & B <app>", "--run-as", "job@acme.example"]);
    assert_eq!((written.status, written.stdout.as_str()), (0, ""), "{written:?}");
    assert!(written.stderr.contains("sf project deploy start"), "{written:?}");

    assert_eq!(files(&out), ["force-app", "sfdx-project.json"]);
    let project: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("sfdx-project.json")).unwrap()).unwrap();
    assert_eq!(project["packageDirectories"][0]["path"], "force-app");
    assert_eq!(project["sourceApiVersion"], actix_salesforce::ApiVersion::CURRENT.to_string());
    assert_eq!(
        text(&out, "externalClientApps/Acme_App.eca-meta.xml"),
        r#"<?xml version="1.0" encoding="UTF-8"?>
<ExternalClientApplication xmlns="http://soap.sforce.com/2006/04/metadata">
    <contactEmail>ops@acme.example</contactEmail>
    <description>The app at https://app.acme.example</description>
    <distributionState>Local</distributionState>
    <isProtected>false</isProtected>
    <label>A &amp; B &lt;app&gt;</label>
</ExternalClientApplication>
"#
    );
    assert_eq!(
        text(&out, "extlClntAppGlobalOauthSets/Acme_App_glbloauth.ecaGlblOauth-meta.xml"),
        r#"<?xml version="1.0" encoding="UTF-8"?>
<ExtlClntAppGlobalOauthSettings xmlns="http://soap.sforce.com/2006/04/metadata">
    <callbackUrl>https://app.acme.example/auth/salesforce/callback</callbackUrl>
    <externalClientApplication>Acme_App</externalClientApplication>
    <isClientCredentialsFlowEnabled>true</isClientCredentialsFlowEnabled>
    <isConsumerSecretOptional>false</isConsumerSecretOptional>
    <isPkceRequired>true</isPkceRequired>
    <isRefreshTokenRotationEnabled>true</isRefreshTokenRotationEnabled>
    <isSecretRequiredForRefreshToken>true</isSecretRequiredForRefreshToken>
    <label>A &amp; B &lt;app&gt; global OAuth</label>
</ExtlClntAppGlobalOauthSettings>
"#
    );
    let settings = text(&out, "extlClntAppOauthSettings/Acme_App_oauth.ecaOauth-meta.xml");
    for member in [
        "<commaSeparatedOauthScopes>Api, OpenID, RefreshToken, Web</commaSeparatedOauthScopes>",
        "<singleLogoutUrl>https://app.acme.example/auth/salesforce/slo</singleLogoutUrl>",
    ] {
        assert!(settings.contains(member), "{member}: {settings}");
    }
    let policies = text(&out, "extlClntAppOauthPolicies/Acme_App_oauthPlcy.ecaOauthPlcy-meta.xml");
    assert!(
        policies.contains("<clientCredentialsFlowUser>job@acme.example</clientCredentialsFlowUser>"),
        "{policies}"
    );
    for path in [
        "externalClientApps/Acme_App.eca-meta.xml",
        "extlClntAppGlobalOauthSets/Acme_App_glbloauth.ecaGlblOauth-meta.xml",
        "extlClntAppOauthSettings/Acme_App_oauth.ecaOauth-meta.xml",
        "extlClntAppOauthPolicies/Acme_App_oauthPlcy.ecaOauthPlcy-meta.xml",
    ] {
        let text = text(&out, path);
        for secret in ["a-client-secret", "3MVG9", "a-key-that-seals", "onsumerSecret>a"] {
            assert!(!text.contains(secret), "{path} has {secret}");
        }
    }
}

#[test]
fn the_least_settings_give_three_files_with_the_defaults() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(write(folder.path(), &[], &["--public-client"]).status, 0);
    let metadata = folder.path().join(METADATA);
    assert_eq!(
        files(&metadata),
        ["externalClientApps", "extlClntAppGlobalOauthSets", "extlClntAppOauthSettings"]
    );
    let global = text(folder.path(), "extlClntAppGlobalOauthSets/Acme_App_glbloauth.ecaGlblOauth-meta.xml");
    for member in [
        "<callbackUrl>http://127.0.0.1:8080/auth/salesforce/callback</callbackUrl>",
        "<isConsumerSecretOptional>true</isConsumerSecretOptional>",
        "<isClientCredentialsFlowEnabled>false</isClientCredentialsFlowEnabled>",
    ] {
        assert!(global.contains(member), "{member}: {global}");
    }
}

#[test]
fn each_login_host_with_its_own_callback_is_registered() {
    let folder = tempfile::tempdir().unwrap();
    let variables = [("SALESFORCE_LOGIN_HOSTS", "portal=https://login.acme.example|00Dx0000000BV7z")];
    let written = write(folder.path(), &variables, &[]);
    assert_eq!(written.status, 0, "{written:?}");
    let global = text(folder.path(), "extlClntAppGlobalOauthSets/Acme_App_glbloauth.ecaGlblOauth-meta.xml");
    let callback = "http://127.0.0.1:8080/auth/salesforce/callback";
    assert!(
        global.contains(&format!("<callbackUrl>{callback}\n{callback}/portal</callbackUrl>")),
        "{global}"
    );
}

#[test]
fn files_are_overwritten_only_when_asked_and_a_project_stays() {
    let folder = tempfile::tempdir().unwrap();
    let project = r#"{"packageDirectories":[{"path":"other"},{"path":"sfdx","default":true}]}"#;
    std::fs::write(folder.path().join("sfdx-project.json"), project).unwrap();
    assert_eq!(write(folder.path(), &[], &[]).status, 0);
    let path = folder.path().join("sfdx/main/default/externalClientApps/Acme_App.eca-meta.xml");
    std::fs::write(&path, "changed by hand").unwrap();
    let refused = write(folder.path(), &[], &[]);
    assert!(refused.status == 2 && refused.stderr.contains("--force"), "{refused:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "changed by hand");
    assert_eq!(write(folder.path(), &[], &["--force"]).status, 0);
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("<?xml"));
    assert_eq!(std::fs::read_to_string(folder.path().join("sfdx-project.json")).unwrap(), project);
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    std::fs::write(&key, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").unwrap();
    let out = folder.path().join("salesforce");
    for (variable, arguments, expected) in [
        (("SALESFORCE_SCOPES", "api refresh_tokn"), &[][..], "did you mean `refresh_token`?"),
        (("SALESFORCE_PUBLIC_URL", "http://app.acme.example"), &[], "SALESFORCE_PUBLIC_URL"),
        (("SALESFORCE_SERVICE_KEY", "-----BEGIN"), &[], "--certificate FILE"),
        (
            ("SALESFORCE_SCOPES", "api"),
            &["--certificate", key.to_str().unwrap()],
            "never leaves this machine",
        ),
        (("SALESFORCE_SCOPES", "api"), &["--permission-set", "not a name"], "an API name has letters"),
    ] {
        let refused = write(&out, &[variable], arguments);
        assert!(refused.status == 2 && refused.stderr.contains(expected), "{expected}: {refused:?}");
        assert!(!out.exists());
    }
}

const GLOBAL: &str = "extlClntAppGlobalOauthSets/Acme_App_glbloauth.ecaGlblOauth-meta.xml";

#[test]
fn a_certificate_and_permission_sets_are_those_of_the_app() {
    let folder = tempfile::tempdir().unwrap();
    let (key, certificate) = crate::key::pair();
    let path = folder.path().join("cert.pem");
    std::fs::write(&path, &certificate).unwrap();
    let variables = [
        ("SALESFORCE_SERVICE_URL", "https://acme.my.salesforce.com"),
        ("SALESFORCE_SERVICE_USERNAME", "robot@acme.example"),
        ("SALESFORCE_SERVICE_KEY", &key),
    ];
    let sets = ["--permission-set", "Robots", "--permission-set", "Night_Jobs"];
    let arguments = [&["--certificate", path.to_str().unwrap()], &sets[..]].concat();
    let written = write(folder.path(), &variables, &arguments);
    assert_eq!(written.status, 0, "{written:?}");
    let global = text(folder.path(), GLOBAL);
    assert!(global.contains(&format!("<certificate>{}</certificate>", certificate.trim())), "{global}");
    assert!(global.contains("<isClientCredentialsFlowEnabled>false<"), "{global}");
    let policies = text(folder.path(), "extlClntAppOauthPolicies/Acme_App_oauthPlcy.ecaOauthPlcy-meta.xml");
    for member in [
        "<commaSeparatedPermissionSet>Robots,Night_Jobs</commaSeparatedPermissionSet>",
        "<permittedUsersPolicyType>AdminApprovedPreAuthorized</permittedUsersPolicyType>",
    ] {
        assert!(policies.contains(member), "{member}: {policies}");
    }
    for secret in key.lines().filter(|line| !line.starts_with("-----")) {
        assert!(!global.contains(secret) && !policies.contains(secret), "the private key is in a file");
    }
}

#[test]
fn a_service_user_with_a_separate_app_changes_nothing_of_the_app_for_logins() {
    let separate = ("SALESFORCE_SERVICE_CLIENT_ID", "3MVG9-of-the-jobs");
    let url = ("SALESFORCE_SERVICE_URL", "https://acme.my.salesforce.com");
    for variables in [
        &[url, separate][..],
        &[
            url,
            separate,
            ("SALESFORCE_SERVICE_USERNAME", "robot@acme.example"),
            ("SALESFORCE_SERVICE_KEY", "x"),
        ],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let written = write(folder.path(), variables, &[]);
        assert_eq!(written.status, 0, "{written:?}");
        let global = text(folder.path(), GLOBAL);
        assert!(global.contains("<isClientCredentialsFlowEnabled>false<"), "{global}");
        assert!(!global.contains("certificate"), "{global}");
        assert!(written.stderr.contains("The service user has a separate app"), "{written:?}");
    }
}

/// The scopes that a start knows: one that it takes is one that the app can be given.
#[test]
fn each_scope_that_a_start_knows_has_its_name_in_metadata() {
    let source = include_str!("../../../src/config/unused.rs");
    let list = source.split("const SCOPES").nth(1).unwrap().split("];").next().unwrap();
    let scopes: Vec<&str> = list.split('"').skip(1).step_by(2).collect();
    assert_eq!((scopes.len(), scopes.contains(&"cdp_query_api")), (35, true), "{scopes:?}");
    let folder = tempfile::tempdir().unwrap();
    let written = write(folder.path(), &[("SALESFORCE_SCOPES", &scopes.join(" "))], &[]);
    assert_eq!(written.status, 0, "{written:?}");
    let settings = text(folder.path(), "extlClntAppOauthSettings/Acme_App_oauth.ecaOauth-meta.xml");
    let names = settings.split("<commaSeparatedOauthScopes>").nth(1).unwrap().split('<').next().unwrap();
    assert_eq!(names.split(", ").count(), scopes.len(), "{names}");
    for name in ["CDPQuery", "Chatbot", "SFApiPlatform", "MCP"] {
        assert!(names.split(", ").any(|known| known == name), "{name}: {names}");
    }
}

#[test]
fn settings_of_a_file_count_for_the_app_with_the_variables_on_top() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.toml");
    let text = "[salesforce]\npublic_url = 'https://app.acme.example'\nscopes = 'api'\nstore = 'sqlite:/no/such/x.db'\n\
                [salesforce.service]\nurl = 'https://acme.my.salesforce.com'\n";
    std::fs::write(&file, text).unwrap();
    let arguments = ["--config", file.to_str().unwrap(), "--section", "salesforce"];
    let written = write(folder.path(), &[("SALESFORCE_SCOPES", "api web")], &arguments);
    assert_eq!(written.status, 0, "{written:?}");
    let global = self::text(folder.path(), GLOBAL);
    for member in [
        "<callbackUrl>https://app.acme.example/auth/salesforce/callback</callbackUrl>",
        "<isClientCredentialsFlowEnabled>true</isClientCredentialsFlowEnabled>",
    ] {
        assert!(global.contains(member), "{member}: {global}");
    }
    let settings = self::text(folder.path(), "extlClntAppOauthSettings/Acme_App_oauth.ecaOauth-meta.xml");
    assert!(settings.contains(">Api, Web<"), "{settings}");
    let unclear = write(folder.path(), &[("SALESFORCE_ALLOW_MY_DOMAIN", "perhaps")], &["--force"]);
    assert!(unclear.status == 2 && unclear.stderr.contains("SALESFORCE_ALLOW_MY_DOMAIN"), "{unclear:?}");
}
