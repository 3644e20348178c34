//! A search over accounts, contacts and opportunities, in each org that the browser is logged in at.

use actix_salesforce::{Connection, OrgLogin, Result, SalesforceOrgs, search::Record};
use actix_web::{HttpResponse, web};
use futures_util::future;
use serde::Deserialize;
use serde_json::Value;

use crate::html::{self, LoginStatus, escape};

#[derive(Deserialize)]
pub(crate) struct Words {
    q: Option<String>,
}

pub(crate) async fn search(orgs: SalesforceOrgs, words: web::Query<Words>) -> Result<HttpResponse> {
    let words = words.into_inner().q.unwrap_or_default();
    let user = orgs.current().user();
    let body = match words.trim().chars().count() {
        // Salesforce searches for two characters and more (SOQL and SOSL Reference, "FIND").
        0..2 => "<p class=\"soft\">Enter two characters or more.</p>".to_owned(),
        _ => {
            let all = orgs.iter().map(|org| find(org.connection(), words.trim()));
            // What one org finds is worth a page although another org is down.
            let found = future::join_all(all).await;
            match <[_; 1]>::try_from(found) {
                Ok([only]) => table(orgs.current(), &only?, &words, true),
                Err(found) => sections(&orgs, found, &words),
            }
        }
    };
    Ok(html::page("Search", LoginStatus::of(user), &body))
}

async fn find(sf: &Connection, words: &str) -> Result<Vec<Record>> {
    sf.search(words)
        .returning("Account", &["Id", "Name"])
        .returning("Contact", &["Id", "Name", "AccountId"])
        .returning("Opportunity", &["Id", "Name", "AccountId"])
        .limit(50)
        .fetch_all()
        .await
}

/// A section for each org, the current one first.
fn sections(orgs: &SalesforceOrgs, found: Vec<Result<Vec<Record>>>, words: &str) -> String {
    orgs.iter()
        .zip(found)
        .enumerate()
        .map(|(index, (org, found))| {
            let user = org.user();
            let name = user.username.as_deref().unwrap_or_default();
            let content = match found {
                Ok(found) => table(org, &found, words, index == 0),
                Err(_) => "<p class=\"soft\">This organization could not be searched.</p>".to_owned(),
            };
            format!("<h2>{} in {}</h2>{content}", escape(name), user.organization_id)
        })
        .collect()
}

fn table(org: &OrgLogin, found: &[Record], words: &str, is_current: bool) -> String {
    if found.is_empty() {
        return format!("<p class=\"soft\">Nothing was found for \"{}\".</p>", escape(words));
    }
    let rows: String = found.iter().map(|record| row(org, record, is_current)).collect();
    format!(
        "<div class=\"wide\"><table><tr><th scope=\"col\">Name</th><th scope=\"col\">What</th></tr>{rows}</table></div>"
    )
}

fn row(org: &OrgLogin, record: &Record, is_current: bool) -> String {
    let text = |name: &str| record.fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let account = text(if record.object == "Account" { "Id" } else { "AccountId" });
    let (page, name) = (format!("/accounts/{}", escape(account)), escape(text("Name")));
    let link = match is_current {
        true => format!("<a href=\"{page}\">{name}</a>"),
        // The app works in the current org: the button makes this one current, then opens the page.
        false => format!(
            "<form method=\"post\" action=\"/auth/salesforce/orgs\">\
             <input type=\"hidden\" name=\"return_to\" value=\"{page}\"><input type=\"hidden\" name=\"switch\" value=\"{}\"><input type=\"hidden\" name=\"user_id\" value=\"{}\">\
             <button class=\"link\">{name}</button></form>",
            org.user().organization_id,
            org.user().user_id
        ),
    };
    format!("<tr><td>{link}</td><td>{}</td></tr>", escape(&record.object))
}
