//! Descriptions are cached separately for each org, user and version.

use crate::tests::*;

/// Objects differ by org and version, and what is visible of them by user: eight views that must not be confused.
#[tokio::test]
async fn each_org_user_and_version_has_separate_descriptions() {
    let server = Server::start(|request| {
        let described = json!({"name": "A", "label": request.nth.to_string()});
        if request.target.ends_with("/sobjects") {
            json!({"sobjects": [described]}).into()
        } else {
            described.into()
        }
    })
    .await;
    let (other_org, other_user) = ("00Dx0000000BV7yEAG", "005x00000012Q9QAAU");
    let users = [(ORG, USER), (ORG, other_user), (other_org, USER), (other_org, other_user)];
    let versions = [ApiVersion::CURRENT, "65.0".parse().unwrap()];
    let connections = connect_each(&server, [], &users, &versions);
    assert_eq!(connections.len(), 8);

    let mut first = Vec::new();
    for (n, sf) in connections.iter().enumerate() {
        first.push((sf.sobject("A").describe().await.unwrap(), sf.describe_global().await.unwrap()));
        let (object, list) = first.last().unwrap();
        // The label counts the responses to this version's path.
        assert_eq!((&*object.summary.label, &*list[0].label), (&*(n / 2).to_string(), &*(n / 2).to_string()));
        assert_eq!(server.lines().len(), 2 * (n + 1), "sent for {sf:?}");
    }
    for (sf, (object, list)) in connections.iter().zip(&first) {
        assert!(Arc::ptr_eq(&sf.sobject("a").describe().await.unwrap(), object), "{sf:?}");
        assert!(Arc::ptr_eq(&sf.describe_global().await.unwrap(), list), "{sf:?}");
    }
    assert_eq!(server.lines().len(), 16, "each is cached");
    for version in versions {
        let object = format!("GET /services/data/v{version}/sobjects/A/describe");
        assert_eq!(server.lines().iter().filter(|line| **line == object).count(), 4, "{version}");
    }
}
