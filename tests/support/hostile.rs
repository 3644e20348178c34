//! What a token response may say and no app may believe: at a login and at a refresh alike.

use serde_json::{Value, json};

/// Members to put over those of a genuine response; `null` removes one. `stranger` is an origin that exists and is
/// not allowed.
pub fn token_responses(stranger: &str) -> Vec<Value> {
    let mut all = vec![
        json!({ "access_token": "" }),
        json!({ "access_token": null }),
        json!({ "access_token": 7 }),
        json!({ "token_type": "mac" }),
        json!({ "instance_url": null }),
        json!({ "instance_url": 7 }),
        json!({ "instance_url": [stranger] }),
        json!({ "id": null }),
        json!({ "id": 7 }),
        json!({ "id": "https://login.salesforce.com/id/../../005" }),
        json!({ "signature": "AAAA" }),
        json!({ "issued_at": "1" }),
    ];
    let long = format!("https://{}.my.salesforce.com", "a".repeat(65_536));
    for instance in [
        stranger,
        "http://evil.example",
        "https://evil.example",
        "https://x.my.salesforce.com.evil.example",
        "https://evilsalesforce.com",
        "https://x.my.salesforce.com@evil.example",
        "https://x.my.salesforce.com:8443",
        "https://x.my.salesforce.com.",
        "https://xn--slesforce-46a.my.salesforce.com",
        "https://x.my.\u{ff53}alesforce.com",
        "https://127.0.0.1",
        "https://[::1]",
        "https://169.254.169.254",
        "https://x.my.salesforce.com/path?",
        "https://x.my.salesforce.com#",
        "",
        &long,
    ] {
        all.push(json!({ "instance_url": instance }));
    }
    all
}
