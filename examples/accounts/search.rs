//! A search over accounts, contacts and opportunities.

use actix_salesforce::{SalesforceConn, SalesforceUser};
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use serde_json::Value;

use crate::html::{self, LoginStatus, escape};

#[derive(Deserialize)]
pub(crate) struct Words {
    q: Option<String>,
}

pub(crate) async fn search(
    sf: SalesforceConn,
    user: SalesforceUser,
    words: web::Query<Words>,
) -> actix_salesforce::Result<HttpResponse> {
    let words = words.into_inner().q.unwrap_or_default();
    // Salesforce searches for two characters and more (SOQL and SOSL Reference, "FIND").
    let found = match words.trim().chars().count() {
        0..2 => Vec::new(),
        _ => {
            sf.search(words.trim())
                .returning("Account", &["Id", "Name"])
                .returning("Contact", &["Id", "Name", "AccountId"])
                .returning("Opportunity", &["Id", "Name", "AccountId"])
                .limit(50)
                .fetch_all()
                .await?
        }
    };
    let text = |record: &serde_json::Map<String, Value>, name: &str| {
        escape(record.get(name).and_then(Value::as_str).unwrap_or_default())
    };
    let rows: String = found
        .iter()
        .map(|record| {
            let account = if record.object == "Account" { "Id" } else { "AccountId" };
            format!(
                "<tr><td><a href=\"/accounts/{}\">{}</a></td><td>{}</td></tr>",
                text(&record.fields, account),
                text(&record.fields, "Name"),
                escape(&record.object)
            )
        })
        .collect();
    let result = match (rows.is_empty(), words.trim().is_empty()) {
        (_, true) => "<p class=\"soft\">Enter two characters or more.</p>".to_owned(),
        (true, false) => format!("<p class=\"soft\">Nothing was found for \"{}\".</p>", escape(&words)),
        (false, false) => format!(
            "<div class=\"wide\"><table id=\"found\"><tr><th scope=\"col\">Name</th><th scope=\"col\">What</th></tr>{rows}</table></div>"
        ),
    };
    Ok(html::page("Search", LoginStatus::of(&user), &result))
}
