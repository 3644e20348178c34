//! `call-metadata`

use std::path::Path;

use crate::program::{Ended, ended, files, program};

const METADATA: &str = "force-app/main/default";
const ORG: &str = "00Dx0000000BV7zEAG";
const CALLER: [(&str, &str); 5] = [
    ("SALESFORCE_PUBLIC_URL", "https://orders.acme.example/"),
    ("SALESFORCE_CALLER_ORG", ORG),
    ("SALESFORCE_CALLER_AUDIENCE", "https://orders.acme.example/from-salesforce"),
    ("SALESFORCE_CALLER_ISSUER", "https://acme.my.salesforce.com"),
    ("SALESFORCE_CALLER_CERTIFICATES", "orders_2026=/etc/orders/2026.crt"),
];

fn write(out: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let mut command = program(["call-metadata", "--name", "Orders_App", "--out", out.to_str().unwrap()]);
    command.args(arguments).envs(variables.iter().copied());
    ended(command.output().unwrap())
}

fn text(out: &Path, path: &str) -> String {
    std::fs::read_to_string(out.join(METADATA).join(path)).unwrap()
}

fn claims(out: &Path) -> Vec<(String, String)> {
    let text = text(out, "externalCredentials/Orders_App.externalCredential-meta.xml");
    let member = |part: &str, name: &str| {
        let rest = part.split_once(&format!("<{name}>"))?.1;
        Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
    };
    text.split("<externalCredentialParameters>")
        .filter(|part| part.contains("JwtBodyClaim"))
        .map(|part| (member(part, "parameterName").unwrap(), member(part, "parameterValue").unwrap()))
        .collect()
}

#[test]
fn the_files_make_the_token_that_the_caller_of_the_settings_accepts() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let written = write(out, &CALLER, &["--label", "Orders & more"]);
    assert_eq!((written.status, written.stdout.as_str()), (0, ""), "{written:?}");
    for step in ["orders_2026", "sf project deploy start", "Orders_App_Calls", "callout:Orders_App"] {
        assert!(written.stderr.contains(step), "{step}: {written:?}");
    }
    assert_eq!(files(&out.join(METADATA)), ["externalCredentials", "namedCredentials", "permissionsets"]);
    let expected = [
        ("aud", "https://orders.acme.example/from-salesforce"),
        ("iss", "https://acme.my.salesforce.com"),
        ("sub", "{!$User.Id}"),
        ("org", "{!$Organization.Id}"),
    ];
    assert_eq!(claims(out), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let external = text(out, "externalCredentials/Orders_App.externalCredential-meta.xml");
    for member in [
        "<authenticationProtocol>Jwt</authenticationProtocol>",
        "        <certificate>orders_2026</certificate>\n        <parameterName>SigningCertificate</parameterName>",
        "<parameterType>PerUserPrincipal</parameterType>",
        "<label>Orders &amp; more</label>",
    ] {
        assert!(external.contains(member), "{member}: {external}");
    }
    assert_eq!(
        text(out, "namedCredentials/Orders_App.namedCredential-meta.xml"),
        r#"<?xml version="1.0" encoding="UTF-8"?>
<NamedCredential xmlns="http://soap.sforce.com/2006/04/metadata">
    <allowMergeFieldsInBody>false</allowMergeFieldsInBody>
    <allowMergeFieldsInHeader>false</allowMergeFieldsInHeader>
    <calloutStatus>Enabled</calloutStatus>
    <generateAuthorizationHeader>true</generateAuthorizationHeader>
    <label>Orders &amp; more</label>
    <namedCredentialParameters>
        <parameterName>Url</parameterName>
        <parameterType>Url</parameterType>
        <parameterValue>https://orders.acme.example</parameterValue>
    </namedCredentialParameters>
    <namedCredentialParameters>
        <externalCredential>Orders_App</externalCredential>
        <parameterName>ExternalCredential</parameterName>
        <parameterType>Authentication</parameterType>
    </namedCredentialParameters>
    <namedCredentialType>SecuredEndpoint</namedCredentialType>
</NamedCredential>
"#
    );
    let permissions = text(out, "permissionsets/Orders_App_Calls.permissionset-meta.xml");
    for member in [
        "<externalCredentialPrincipal>Orders_App-User</externalCredentialPrincipal>",
        "<object>UserExternalCredential</object>",
        "<allowRead>true</allowRead>",
    ] {
        assert!(permissions.contains(member), "{member}: {permissions}");
    }
}

#[test]
fn claims_follow_the_settings_of_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let settings = out.join("salesforce.toml");
    let file = format!(
        "public_url = 'https://orders.acme.example'\n[[inbound.callers]]\norganization = '{ORG}'\n\
         audience = ' https://orders.acme.example/a '\nissuer = 'acme'\norganization_claim = 'tenant'\n\
         username_claim = 'login'\ncertificates = {{ one = 'one.crt', two = 'two.crt' }}\n\
         [[inbound.callers]]\norganization = '00Dx0000000BV7yEAG'\naudience = 'https://orders.acme.example/b'\n\
         issuer = 'other'\ncertificates = {{ three = 'three.crt' }}\n"
    );
    std::fs::write(&settings, file).unwrap();
    let settings = ["--config", settings.to_str().unwrap()];
    let run = |variables: &[(&str, &str)], arguments: &[&str]| {
        write(out, variables, &[&settings, arguments].concat())
    };

    let several = run(&[], &[]);
    assert!(several.status == 2 && several.stderr.contains("--organization"), "{several:?}");
    let other = run(&[], &["--organization", "00Dx0000000BV7x"]);
    assert!(
        other.status == 2 && other.stderr.contains("no caller of the settings has this org"),
        "{other:?}"
    );
    // The id in 15 characters.
    let unclear = run(&[], &["--organization", &ORG[..15]]);
    assert!(unclear.status == 2 && unclear.stderr.contains("one, two"), "{unclear:?}");
    let unknown = run(&[], &["--organization", ORG, "--certificate", "three"]);
    assert!(unknown.status == 2 && unknown.stderr.contains("no certificate `three`"), "{unknown:?}");
    assert!(!out.join("force-app").exists(), "nothing was written");

    let arguments = ["--organization", ORG, "--certificate", "two", "--constant-organization"];
    assert_eq!(run(&[], &arguments).status, 0);
    assert!(claims(out).contains(&("tenant".to_owned(), ORG.to_owned())), "{:?}", claims(out));
    let audience = ("aud".to_owned(), "https://orders.acme.example/a".to_owned());
    assert!(claims(out).contains(&audience), "as the app reads it: {:?}", claims(out));
    assert!(!claims(out).iter().any(|(name, _)| name == "login"), "only JWT bearer needs the user name");
    let again = run(&[], &arguments);
    assert!(again.status == 2 && again.stderr.contains("--force"), "{again:?}");
}

#[test]
fn a_user_name_is_a_claim_where_calls_are_connected_by_jwt_bearer_and_the_key_stays_here() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let key = [("SALESFORCE_CALLER_KEY", "-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----")];
    let written = write(out, &[&CALLER[..], &key].concat(), &[]);
    assert_eq!(written.status, 0, "{written:?}");
    assert!(claims(out).contains(&("username".to_owned(), "{!$User.Username}".to_owned())));
    for path in [
        "externalCredentials/Orders_App.externalCredential-meta.xml",
        "namedCredentials/Orders_App.namedCredential-meta.xml",
        "permissionsets/Orders_App_Calls.permissionset-meta.xml",
    ] {
        assert!(!text(out, path).contains("secret"), "{path}");
    }
    assert!(!written.stderr.contains("PRIVATE"), "{written:?}");
}

#[test]
fn what_is_missing_is_named_with_its_next_step() {
    for (missing, hint) in [
        ("SALESFORCE_PUBLIC_URL", "SALESFORCE_PUBLIC_URL"),
        ("SALESFORCE_CALLER_ORG", "lacks SALESFORCE_CALLER_ORG"),
        ("SALESFORCE_CALLER_AUDIENCE", "lacks SALESFORCE_CALLER_AUDIENCE"),
        ("SALESFORCE_CALLER_ISSUER", "lacks SALESFORCE_CALLER_ISSUER"),
        ("SALESFORCE_CALLER_CERTIFICATES", "Certificate and Key Management"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let variables: Vec<_> = CALLER.into_iter().filter(|(name, _)| *name != missing).collect();
        let ended = write(folder.path(), &variables, &[]);
        assert!(ended.status == 2 && ended.stderr.contains(hint), "{missing}: {ended:?}");
        assert!(!folder.path().join("force-app").exists());
    }
    let folder = tempfile::tempdir().unwrap();
    let ended = write(folder.path(), &[], &[]);
    assert!(ended.status == 2 && ended.stderr.contains("the settings have no caller"), "{ended:?}");
}
