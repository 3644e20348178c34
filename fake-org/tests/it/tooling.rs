//! The Tooling API as far as apps read it.
use crate::support::Api;
use salesforce_fake_org::FakeOrg;

#[tokio::test]
async fn the_tooling_api_has_classes_and_the_definitions_of_objects() {
    let org = FakeOrg::builder().rows(0).start().await.unwrap();
    let api = Api::of(&org);
    let query =
        async |soql: &str| api.get(&format!("/tooling/query?q={}", soql.replace(' ', "+"))).await.json();
    let classes = query("SELECT Name, ApiVersion, Status FROM ApexClass").await;
    assert_eq!((&classes["totalSize"], &classes["records"][0]["Name"]), (&1.into(), &"Ship".into()));
    assert_eq!(classes["records"][0]["ApiVersion"], 66.0);
    let account = query("SELECT KeyPrefix FROM EntityDefinition WHERE QualifiedApiName = 'Account'").await;
    assert_eq!(account["records"][0]["KeyPrefix"], "001");
    let described = api.get("/tooling/sobjects/ApexClass/describe").await.json();
    assert_eq!((&described["name"], &described["createable"]), (&"ApexClass".into(), &false.into()));
    let path = described["urls"]["sobject"].as_str().unwrap();
    assert!(path.contains("/tooling/sobjects/ApexClass"), "{path}");
    assert_eq!(api.get("/tooling/sobjects/Nope/describe").await.status, 404);
}

/// A test must not take missing Apex for code that ran.
#[tokio::test]
async fn anonymous_apex_is_refused_by_name() {
    let org = FakeOrg::builder().rows(0).start().await.unwrap();
    let response = Api::of(&org).get("/tooling/executeAnonymous?anonymousBody=insert").await;
    let (code, message) = response.error();
    assert_eq!((response.status, code.as_str()), (501, "NOT_EMULATED"));
    assert!(message.contains("executeAnonymous"), "{message}");
}
