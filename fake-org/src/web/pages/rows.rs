//! The first rows of an object, as a page.

use std::fmt::Write as _;

use super::error_page::no_longer_exists;
use super::layout;
use crate::data::{Inner, Record};
use crate::soql::{self, Plan, Requester, Scope};
use crate::web::html::escape;
use crate::web::http_request::HttpRequest;
use crate::web::http_response::{HttpResponse, html};

/// Rows on the page; `FIELDS(ALL)` allows 200.
const ROWS: usize = 50;

pub(crate) async fn show(http: HttpRequest) -> HttpResponse {
    let name = http.uri.path().rsplit('/').next().unwrap_or_default();
    let requester = Requester { scope: Scope::Live, now: http.org.clock.now(), user_id: "" };
    let found = http.org.data.with(|data| {
        let object = data.schema.object(name)?;
        let total = data.counts().into_iter().find(|(known, _)| *known == object.name)?.1;
        Some((object, total, first(data, object.name, requester)))
    });
    let Some((object, total, rows)) = found else { return no_longer_exists().await };
    let mut content = format!(
        "<main><p class=\"hint\"><a href=\"/\">This org</a></p><h1>{} <code>{}</code></h1>\
         <p class=\"hint\">{total} rows{}</p><div class=\"card scroll\" tabindex=\"0\"><table class=\"rows\"><thead><tr>",
        escape(object.plural),
        escape(object.name),
        if rows.len() < usize::try_from(total).unwrap_or(0) {
            format!(", the first {ROWS}")
        } else {
            String::new()
        },
    );
    for field in object.fields {
        let _ = write!(content, "<th scope=\"col\">{}</th>", escape(field.name));
    }
    content.push_str("</tr></thead><tbody>");
    for row in &rows {
        content.push_str("<tr>");
        for field in object.fields {
            let value = row.get(field.name).filter(|value| !value.is_null());
            let text = value.map_or_else(String::new, |value| {
                value.as_str().map_or_else(|| value.to_string(), |text| text.chars().take(80).collect())
            });
            let _ = write!(content, "<td>{}</td>", escape(&text));
        }
        content.push_str("</tr>");
    }
    content.push_str("</tbody></table></div></main>");
    html(200, layout(object.plural, "wide", &content))
}

fn first(data: &Inner, object: &str, requester: Requester<'_>) -> Vec<Record> {
    let text = format!("SELECT FIELDS(ALL) FROM {object} LIMIT {ROWS}");
    let Ok(Plan::Rows(plan)) = soql::compile(&text, requester, &data.schema) else { return Vec::new() };
    let keys = plan.keys(data).unwrap_or_default();
    let rows = plan.records(data, &keys, &|_, id| id.to_owned()).unwrap_or_default();
    rows.into_iter()
        .filter_map(|row| if let serde_json::Value::Object(row) = row { Some(row) } else { None })
        .collect()
}
