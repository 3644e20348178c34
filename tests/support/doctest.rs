// What the examples in the documentation run against. An example takes this file in with two hidden lines,
// `mod fake_org { include!(…); }` and `fake_org::connected(async |sf| {`, and ends with `Ok(()) });`.

use actix_salesforce::{Connection, Result, Salesforce, token::ServiceUser};
use salesforce_fake_org::{FakeOrg, Fault};

/// Runs an example with a connection to a separate org, which has its sample data.
pub fn connected(example: impl AsyncFnOnce(&Connection) -> Result<()>) {
    actix_web::rt::System::new().block_on(async {
        let shipped = serde_json::json!({ "tracking": "1Z" });
        let org = FakeOrg::builder().execution_user("ada@example.com").apex("POST", "/ship", 200, shipped);
        let org = org.change_events(&["Account"]);
        let org = org.start().await.expect("the fake org starts");
        // It has Apex classes, and no table of them.
        let class = serde_json::json!({ "Name": "Ship", "ApiVersion": 66.0 });
        let classes = serde_json::json!({ "totalSize": 1, "done": true, "records": [class] });
        org.faults().path("/services/data/v66.0/tooling/query", Fault::Json(classes));
        let host = org.instance_url().parse().expect("a login host");
        let salesforce = Salesforce::builder();
        #[cfg(feature = "events")]
        let salesforce = salesforce.pubsub_url(org.pubsub().endpoint());
        let salesforce = salesforce
            .client_id(org.client_id())
            .client_secret(org.client_secret())
            .service_user(ServiceUser::client_credentials(host))
            .build()
            .await
            .expect("the settings are good");
        let sf = salesforce.service_connection().await.expect("a connection");
        example(&sf).await.expect("the example works");
    });
}
