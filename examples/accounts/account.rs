//! One account: its fields as a form, what belongs to it, and what happens when it cannot be saved.

use actix_salesforce::{Error, SalesforceConn, SalesforceId, SalesforceUser, records::RecordEtag};
use actix_web::{HttpResponse, http::StatusCode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::html::{self, LoginStatus, escape};

/// The fields that the form shows.
pub(crate) const FIELDS: [&str; 4] = ["Name", "Phone", "Website", "Industry"];

/// What the form of an account shows.
pub(crate) struct AccountForm<'a> {
    pub(crate) action: &'a str,
    pub(crate) button: &'a str,
    pub(crate) values: &'a Map<String, Value>,
    /// The version that the form changes; absent for a new account.
    pub(crate) etag: Option<&'a RecordEtag>,
    /// What Salesforce says about fields, by their names.
    pub(crate) errors: &'a [(String, String)],
}

impl AccountForm<'_> {
    pub(crate) fn html(&self) -> String {
        let fields: String = FIELDS.iter().map(|name| self.field(name)).collect();
        let etag = self.etag.map_or_else(String::new, |etag| {
            format!("<input type=\"hidden\" name=\"etag\" value=\"{}\">", escape(&etag.to_string()))
        });
        format!(
            "<form class=\"fields\" method=\"post\" action=\"{}\">{etag}{fields}<button id=\"save\">{}</button></form>",
            escape(self.action),
            escape(self.button)
        )
    }

    /// A field, with the error beneath it.
    fn field(&self, name: &str) -> String {
        let value = self.values.get(name).and_then(Value::as_str).unwrap_or_default();
        let errors: String =
            self.errors.iter().filter(|(field, _)| field == name).map(|(_, text)| escape(text)).collect();
        let (attributes, text) = match errors.is_empty() {
            true => (String::new(), String::new()),
            false => (
                format!(" aria-invalid=\"true\" aria-describedby=\"error-{name}\""),
                format!("<span class=\"error\" id=\"error-{name}\">{errors}</span>"),
            ),
        };
        format!(
            "<div><label for=\"{name}\">{name}</label><input id=\"{name}\" name=\"{name}\" value=\"{}\"{attributes}>{text}</div>",
            escape(value)
        )
    }
}

/// What Salesforce says about the fields that a user entered; `None` for other errors.
pub(crate) fn field_errors(error: &Error) -> Option<Vec<(String, String)>> {
    if error.status() != Some(400) || error.is_program_mistake() || error.api_errors().is_empty() {
        return None;
    }
    let mut errors = Vec::new();
    for entry in error.api_errors() {
        match entry.fields.as_slice() {
            [] => errors.push((String::new(), entry.message.clone())),
            fields => errors.extend(fields.iter().map(|field| (field.clone(), entry.message.clone()))),
        }
    }
    Some(errors)
}

/// The form again, with what the user entered and an error at each field that Salesforce names.
pub(crate) fn invalid(user: &SalesforceUser, form: &AccountForm<'_>) -> HttpResponse {
    let others = form.errors.iter().filter(|(field, _)| !FIELDS.contains(&field.as_str()));
    let others: String = others.map(|(_, text)| format!("<br>{}", escape(text))).collect();
    let body = format!(
        "<p class=\"error\" role=\"alert\">This was not saved: check what you entered.{others}</p><div class=\"card\">{}</div>\
         <p><a href=\"/accounts\">All accounts</a></p>",
        form.html()
    );
    let mut page = html::page("Not saved", LoginStatus::of(user), &body);
    *page.status_mut() = StatusCode::BAD_REQUEST;
    page
}

/// Another user has changed the account since the form was made: both versions, and the form for the newer one.
pub(crate) async fn conflict(
    sf: &SalesforceConn,
    user: &SalesforceUser,
    id: &str,
    entered: &Map<String, Value>,
) -> actix_salesforce::Result<HttpResponse> {
    let (current, etag): (Map<String, Value>, RecordEtag) =
        sf.sobject("Account").retrieve_revision(id, &FIELDS).await?;
    let shown = |values: &Map<String, Value>, name: &str| {
        escape(values.get(name).and_then(Value::as_str).unwrap_or("(empty)"))
    };
    let rows: String = FIELDS
        .iter()
        .filter(|name| entered.contains_key(**name))
        .map(|name| {
            let differs = current.get(*name).unwrap_or(&Value::Null) != &entered[*name];
            let class = if differs { " class=\"differs\"" } else { "" };
            format!(
                "<tr{class}><th scope=\"row\">{name}</th><td>{}</td><td>{}</td></tr>",
                shown(&current, name),
                shown(entered, name)
            )
        })
        .collect();
    let action = format!("/accounts/{id}");
    let form = AccountForm {
        action: &action,
        button: "Save my version",
        values: entered,
        etag: Some(&etag),
        errors: &[],
    };
    let body = format!(
        "<p class=\"error\" role=\"alert\">Another user changed this account while you edited it. Nothing was saved.</p>\
         <div class=\"wide\"><table id=\"versions\"><tr><th scope=\"col\">Field</th><th scope=\"col\">In Salesforce now</th>\
         <th scope=\"col\">Yours</th></tr>{rows}</table></div><div class=\"card\">{}</div>\
         <p><a href=\"/accounts/{}\">Keep the version in Salesforce</a></p>",
        form.html(),
        escape(id)
    );
    let mut page = html::page("Changed meanwhile", LoginStatus::of(user), &body);
    *page.status_mut() = StatusCode::CONFLICT;
    Ok(page)
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Contact {
    id: SalesforceId,
    name: String,
    email: Option<String>,
    phone: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Opportunity {
    id: SalesforceId,
    name: String,
    stage_name: Option<String>,
    amount: Option<f64>,
    close_date: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct File {
    id: SalesforceId,
    name: String,
    body_length: Option<u64>,
}

/// The contacts, opportunities and files of an account, as sections of a page.
pub(crate) async fn related(sf: &SalesforceConn, id: &str) -> actix_salesforce::Result<String> {
    let (contacts, opportunities, files) = tokio::try_join!(
        children::<Contact>(
            sf,
            id,
            "SELECT Id, Name, Email, Phone FROM Contact WHERE AccountId = :id ORDER BY Name LIMIT 50"
        ),
        children::<Opportunity>(
            sf,
            id,
            "SELECT Id, Name, StageName, Amount, CloseDate FROM Opportunity WHERE AccountId = :id \
             ORDER BY CloseDate DESC LIMIT 50"
        ),
        children::<File>(
            sf,
            id,
            "SELECT Id, Name, BodyLength FROM Attachment WHERE ParentId = :id ORDER BY Name LIMIT 50"
        ),
    )?;
    let text = |text: &Option<String>| escape(text.as_deref().unwrap_or_default());
    let contacts = section("contacts", "Contacts", &["Name", "Email", "Phone"], contacts, |contact| {
        vec![escape(&contact.name), text(&contact.email), text(&contact.phone)]
    });
    let opportunities = section(
        "opportunities",
        "Opportunities",
        &["Name", "Stage", "Amount", "Close date"],
        opportunities,
        |one| {
            let amount = one.amount.map_or_else(String::new, |amount| format!("{amount:.2}"));
            vec![escape(&one.name), text(&one.stage_name), amount, text(&one.close_date)]
        },
    );
    let files = section("files", "Files", &["Name", "Bytes"], files, |file| {
        let link =
            format!("<a href=\"/accounts/{}/files/{}\">{}</a>", escape(id), file.id, escape(&file.name));
        vec![link, file.body_length.map_or_else(String::new, |bytes| bytes.to_string())]
    });
    Ok(format!(
        "{contacts}{opportunities}{files}\
         <form class=\"line\" method=\"post\" enctype=\"multipart/form-data\" action=\"/accounts/{}/files\">\
         <label>Add a file (5 MB at most)<input type=\"file\" name=\"file\" required></label><button id=\"upload\">Upload</button></form>",
        escape(id)
    ))
}

/// `None`: the user may not see this object or one of its fields.
async fn children<T: DeserializeOwned + Send + Sync + 'static>(
    sf: &SalesforceConn,
    account: &str,
    soql: &str,
) -> actix_salesforce::Result<Option<Vec<T>>> {
    match sf.query::<T>(soql).bind("id", account).fetch_all().await {
        Ok(records) => Ok(Some(records)),
        Err(error) if error.is_program_mistake() => Ok(None),
        Err(error) => Err(error),
    }
}

fn section<T>(
    id: &str,
    title: &str,
    columns: &[&str],
    records: Option<Vec<T>>,
    row: impl Fn(&T) -> Vec<String>,
) -> String {
    let heads: String = columns.iter().map(|column| format!("<th scope=\"col\">{column}</th>")).collect();
    let table = match records {
        None => "<p class=\"soft\">Your Salesforce user may not see these.</p>".to_owned(),
        Some(records) if records.is_empty() => "<p class=\"soft\">None.</p>".to_owned(),
        Some(records) => {
            let cells =
                |record: &T| row(record).iter().map(|cell| format!("<td>{cell}</td>")).collect::<String>();
            let rows: String = records.iter().map(|record| format!("<tr>{}</tr>", cells(record))).collect();
            format!("<div class=\"wide\"><table><tr>{heads}</tr>{rows}</table></div>")
        }
    };
    format!(
        "<section id=\"{id}\" aria-labelledby=\"{id}-title\"><h2 id=\"{id}-title\">{title}</h2>{table}</section>"
    )
}
