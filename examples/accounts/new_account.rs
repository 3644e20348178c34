//! The form for a new account as Salesforce describes it to this user (UI API): the record types, the fields of the page
//! layout with those that it requires, and picklists whose values depend on another field.

use actix_salesforce::{
    SalesforceConn, SalesforceId, SalesforceUser,
    ui::{FieldInfo, LayoutField, Picklist, RecordForm},
};
use actix_web::{HttpResponse, http::StatusCode, web};
use serde_json::{Map, Value};

use crate::html::{self, LoginStatus, escape};

/// The hidden field that tells this form from the short one on the list.
pub(crate) const MARK: &str = "form";
const RECORD_TYPE: &str = "RecordTypeId";

/// The form. The query has what the user entered so far: a choice of record type, or of a field that controls the values
/// of another one, comes back here before anything is saved.
pub(crate) async fn show(
    sf: SalesforceConn,
    user: SalesforceUser,
    query: web::Query<Map<String, Value>>,
) -> actix_salesforce::Result<HttpResponse> {
    page(&sf, &user, &query, &[]).await
}

/// The form with these values, and what Salesforce says about fields.
pub(crate) async fn page(
    sf: &SalesforceConn,
    user: &SalesforceUser,
    values: &Map<String, Value>,
    errors: &[(String, String)],
) -> actix_salesforce::Result<HttpResponse> {
    let chosen = values.get(RECORD_TYPE).and_then(Value::as_str);
    let chosen = chosen.filter(|id| !id.is_empty()).map(str::parse::<SalesforceId>).transpose()?;
    let form = sf.sobject("Account").new_record_form(chosen).await?;
    let layout = &form.defaults.layout;
    let fields: String = layout
        .sections
        .iter()
        .map(|section| {
            // A lookup needs a search of its object, which this form does not have.
            let is_lookup =
                |name: &str| form.info.fields.get(name).is_some_and(|info| info.data_type == "Reference");
            let editable =
                section.fields.iter().filter(|field| field.editable_for_new && !is_lookup(&field.api_name));
            let fields: String = editable.map(|field| input(&form, field, values, errors)).collect();
            let heading = section.heading.as_deref().unwrap_or("Details");
            match fields.is_empty() {
                true => String::new(),
                false => format!("<fieldset><legend>{}</legend>{fields}</fieldset>", escape(heading)),
            }
        })
        .collect();
    let is_shown =
        |name: &String| layout.fields().any(|field| field.editable_for_new && field.api_name == *name);
    let others: String = errors
        .iter()
        .filter(|(name, _)| !is_shown(name))
        .map(|(_, text)| format!("<br>{}", escape(text)))
        .collect();
    let alert = match errors.is_empty() {
        true => String::new(),
        false => format!(
            "<p class=\"error\" role=\"alert\">This was not saved: check what you entered.{others}</p>"
        ),
    };
    let body = format!(
        "{alert}<div class=\"card\"><form class=\"fields\" method=\"post\" action=\"/accounts\">\
         <input type=\"hidden\" name=\"{MARK}\" value=\"full\">{}{fields}\
         <button id=\"save\">Create account</button>\
         <button id=\"update\" class=\"quiet\" formmethod=\"get\" formaction=\"/accounts/new\" formnovalidate>Update the choices</button>\
         </form></div><p><a href=\"/accounts\">All accounts</a></p>",
        record_types(&form)
    );
    let mut page = html::page("New account", LoginStatus::of(user), &body);
    if !errors.is_empty() {
        *page.status_mut() = StatusCode::BAD_REQUEST;
    }
    Ok(page)
}

/// The record types that this user may create; nothing if there is no choice.
fn record_types(form: &RecordForm) -> String {
    let available: Vec<_> =
        form.info.record_type_infos.values().filter(|one| one.available && !one.master).collect();
    if available.is_empty() {
        return String::new();
    }
    let options: String = available
        .iter()
        .map(|one| option(one.record_type_id.as_str(), &one.name, one.record_type_id == form.record_type_id))
        .collect();
    format!(
        "<div><label for=\"{RECORD_TYPE}\">Record type</label><select id=\"{RECORD_TYPE}\" name=\"{RECORD_TYPE}\">{options}</select></div>"
    )
}

/// The value that a field has at first: what the user entered, or Salesforce's default.
fn value_of(form: &RecordForm, values: &Map<String, Value>, name: &str) -> String {
    let default = || form.defaults.fields.get(name).map(|default| &default.value);
    match values.get(name).or_else(default) {
        Some(Value::String(text)) => text.clone(),
        None | Some(Value::Null) => String::new(),
        Some(other) => other.to_string(),
    }
}

fn input(
    form: &RecordForm,
    field: &LayoutField,
    values: &Map<String, Value>,
    errors: &[(String, String)],
) -> String {
    let name = field.api_name.as_str();
    let info = form.info.fields.get(name);
    let is_required = field.required || info.is_some_and(|info| info.required);
    let value = value_of(form, values, name);
    let about: String = errors.iter().filter(|(of, _)| of == name).map(|(_, text)| escape(text)).collect();
    let mut attributes = format!("id=\"{0}\" name=\"{0}\"", escape(name));
    if is_required {
        attributes.push_str(" required");
    }
    if !about.is_empty() {
        attributes.push_str(&format!(" aria-invalid=\"true\" aria-describedby=\"error-{}\"", escape(name)));
    }
    let control = match form.picklists.field(name) {
        Some(picklist) => select(form, picklist, info, &attributes, values, &value),
        None => {
            let kind = match info.map_or("", |info| info.data_type.as_str()) {
                "Email" => "email",
                "Url" => "url",
                "Phone" => "tel",
                "Date" => "date",
                _ => "text",
            };
            format!("<input type=\"{kind}\" {attributes} value=\"{}\">", escape(&value))
        }
    };
    let star = if is_required { " *" } else { "" };
    let error = match about.is_empty() {
        true => String::new(),
        false => format!("<span class=\"error\" id=\"error-{}\">{about}</span>", escape(name)),
    };
    format!(
        "<div><label for=\"{}\">{}{star}</label>{control}{error}</div>",
        escape(name),
        escape(&field.label)
    )
}

/// A picklist: those of its values that the controlling field allows now.
fn select(
    form: &RecordForm,
    picklist: &Picklist,
    info: Option<&FieldInfo>,
    attributes: &str,
    values: &Map<String, Value>,
    value: &str,
) -> String {
    let controller = info.and_then(|info| info.controlling_fields.as_ref()?.first());
    let controlling = controller.map(|name| value_of(form, values, name)).filter(|value| !value.is_empty());
    // A value that the record type does not have allows nothing.
    let allowed = picklist.values_for(controlling.as_deref()).unwrap_or_default();
    let options: String =
        allowed.iter().map(|one| option(&one.value, &one.label, one.value == value)).collect();
    let hint = match controller.and_then(|name| form.info.fields.get(name)) {
        Some(controller) if allowed.is_empty() => {
            format!(
                "<span class=\"soft\">Choose {} first, then update the choices.</span>",
                escape(&controller.label)
            )
        }
        _ => String::new(),
    };
    format!("<select {attributes}>{}{options}</select>{hint}", option("", "--None--", value.is_empty()))
}

fn option(value: &str, label: &str, is_chosen: bool) -> String {
    let selected = if is_chosen { " selected" } else { "" };
    format!("<option value=\"{}\"{selected}>{}</option>", escape(value), escape(label))
}
