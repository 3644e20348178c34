//! HTTP/2 over TLS, with the authorities that the system trusts.

use super::*;

/// The client reads the authorities that it trusts when it is created, so that this takes a process with another
/// `SSL_CERT_FILE`.
#[tokio::test]
async fn events_arrive_over_tls() {
    let number = FieldSpec::new("Number__c", "double");
    let org = FakeOrg::builder().rows(1).tls(true).platform_event("Order_Event__e", &[number]).start();
    let org = org.await.unwrap();
    let tokens = org.issue_tokens(&org.user("ada@example.com"), "api");
    let file = std::env::temp_dir().join(format!("pubsub-{}.pem", std::process::id()));
    std::fs::write(&file, org.ca_pem().unwrap()).unwrap();
    let child = |authority: &std::path::Path| {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "events::pubsub::tests::tls::over_tls", "--ignored"]);
        child.env("SSL_CERT_FILE", authority).env("TEST_TOKEN", &tokens.access_token);
        child.env("TEST_ORG", org.organization_id()).env("TEST_INSTANCE", org.instance_url());
        child.env("TEST_PUBSUB", org.pubsub().endpoint()).env("TEST_LOGIN", org.login_url());
        child.output().unwrap()
    };
    let trusted = child(&file);
    std::fs::remove_file(&file).unwrap();
    assert!(trusted.status.success(), "{}", String::from_utf8_lossy(&trusted.stdout));
    assert_eq!(org.pubsub().calls("Publish"), 1);
}

#[tokio::test]
#[ignore = "run by events_arrive_over_tls"]
async fn over_tls() {
    let variable = |name: &str| std::env::var(name).unwrap();
    let hosts = AllowedHosts::new([variable("TEST_INSTANCE").parse().unwrap()]);
    let client = Client::builder().allowed_hosts(hosts);
    let client = client.pubsub_endpoint(variable("TEST_PUBSUB").parse().unwrap()).build().unwrap();
    let user = UserRef::new(variable("TEST_ORG").parse().unwrap(), "005x00000012Q9P".parse().unwrap());
    let token = Secret::new(variable("TEST_TOKEN"));
    let source = FixedToken::new(user, variable("TEST_INSTANCE").parse().unwrap(), &token).unwrap();
    let sf = Connection::new(&client, Arc::new(source));
    assert!(variable("TEST_PUBSUB").starts_with("https://"));
    publish(&sf, [1, 2]).await;
    let mut events = sf.subscribe::<Order>(ORDERS, StartFrom::Earliest);
    assert_eq!(numbers(&mut events, 2).await, [1, 2]);
}
