// The fake org of the examples in the documentation. An example includes this file with two hidden lines,
// `mod fake_org { include!(…); }` and `fake_org::connected(async |sf| {`, and ends with `Ok(()) });`.

use salesforce_connection::{
    Client, Connection, Result,
    http::AllowedHosts,
    oauth::{LoginHost, OAuthApp, OAuthClient},
    token::{ServiceTokenSource, ServiceUser},
};
use salesforce_fake_org::{FakeOrg, FieldSpec};

/// Runs an example with a connection to a new fake org that has sample data.
pub fn connected(example: impl AsyncFnOnce(&Connection) -> Result<()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let response = serde_json::json!({ "tracking": "1Z" });
        let org = FakeOrg::builder().execution_user("ada@example.com").apex("POST", "/ship", 200, response);
        let actions = serde_json::json!({
            "actions": [{
                "kind": "flow", "name": "Discount", "inputs": [{ "name": "amount", "type": "NUMBER", "required": true }],
                "results": [
                    { "when": { "amount": 13 }, "error": { "code": "FLOW_EXCEPTION", "message": "not on 13" } },
                    { "outputs": { "discount": 10 } },
                ],
            }, {
                "kind": "apex", "name": "Ship", "inputs": [{ "name": "order", "type": "STRING" }],
                "results": [{ "outputs": { "tracking": "1Z" } }],
            }, {
                "kind": "standard", "name": "emailSimple", "inputs": [
                    { "name": "emailAddresses", "type": "STRING", "required": true },
                    { "name": "emailSubject", "type": "STRING" }, { "name": "emailBody", "type": "STRING" },
                ],
            }],
            "quick_actions": [
                { "object": "Account", "name": "NewContact", "creates": "Contact", "lookup": "AccountId" },
                { "name": "NewLead", "creates": "Lead" },
            ],
            "named_queries": [{
                "name": "AccountsByIndustry", "soql": "SELECT Name FROM Account WHERE Industry = :industry",
            }],
            "approval_processes": [{ "object": "Account", "name": "Big_accounts" }],
            "record_types": [{ "object": "Account", "name": "Partner" }],
            "dependent_picklists": [{
                "object": "Project__c", "field": "Tags__c", "controlled_by": "Phase__c",
                "values": { "Draft": ["Internal"], "Running": ["Urgent", "Billable"] },
            }],
        });
        let number = FieldSpec::new("Number__c", "string");
        let org = org.change_events(&["Account"]).platform_event("Order_Event__e", &[number]);
        let org = org.declare_json(&actions.to_string()).expect("a declaration");
        let org = org.start().await.expect("the fake org starts");
        let host: LoginHost = org.instance_url().parse().expect("a login host");
        let hosts = AllowedHosts::new([host.as_url().clone()]);
        let client = Client::builder().allowed_hosts(hosts);
        #[cfg(feature = "events")]
        let client = client.pubsub_endpoint(org.pubsub().endpoint().parse().expect("an address"));
        let client = client.build().expect("a client");
        let app = OAuthApp::new(org.client_id(), Some(org.client_secret().into()));
        let oauth = OAuthClient::with_client(app, &client);
        let user = ServiceUser::client_credentials(host);
        let source = ServiceTokenSource::builder(oauth, user).build().connect().await.expect("a token");
        example(&Connection::new(&client, source)).await.expect("the example works");
    });
}
