//! The pages: a public one, and a user's own accounts.

use std::time::Duration;

#[cfg(feature = "events")]
use actix_salesforce::feed::Feed;
use actix_salesforce::{
    Error, MaybeSalesforceConn, Salesforce, SalesforceConn, SalesforceId, SalesforceUser,
    records::RecordEtag, soql::Like,
};
use actix_web::{
    FromRequest as _, HttpRequest, HttpResponse, Responder,
    http::{StatusCode, header},
    web,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    account::{self, AccountForm},
    form::{self, Fields},
    html::{self, LoginStatus, escape},
    new_account,
    usage::Seen,
};

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    id: SalesforceId,
    name: String,
    phone: Option<String>,
    website: Option<String>,
    industry: Option<String>,
}

const ABOUT: &str = "<p>See and change the accounts of your own Salesforce org. This app sees what you may see there, and nothing else.</p>";

/// Public: who is logged in, or a button to log in. During an outage of the store the page says that it cannot tell.
pub(crate) async fn home(
    sf: actix_salesforce::Result<MaybeSalesforceConn>,
    request: HttpRequest,
) -> actix_salesforce::Result<impl Responder> {
    let is_logged_in = match sf {
        Ok(sf) => sf.is_some(),
        Err(error) if error.is_transient() => {
            let text = format!(
                "<div class=\"card\">{ABOUT}<p class=\"soft\">This page cannot tell right now who is logged in. All logins stay \
                 valid: load it again in a moment.</p></div>"
            );
            return Ok(html::page("Welcome", LoginStatus::Unknown, &text));
        }
        Err(error) => return Err(error),
    };
    if !is_logged_in {
        let text = format!(
            "<div class=\"card\">{ABOUT}<p><a class=\"button\" href=\"/auth/salesforce/login?return_to=/accounts\">Log in with \
             Salesforce</a></p></div>"
        );
        return Ok(html::page("Welcome", LoginStatus::LoggedOut, &text));
    }
    let user = SalesforceUser::extract(&request).await?;
    let name = user.display_name.as_deref().or(user.username.as_deref()).unwrap_or("someone");
    let text = format!(
        "<div class=\"card\"><p>You are logged in as <strong>{}</strong> of {}.</p>\
         <p><a class=\"button\" href=\"/accounts\">See the accounts</a></p></div>",
        escape(name),
        escape(&user.instance_url)
    );
    Ok(html::page("Welcome", LoginStatus::of(&user), &text))
}

#[derive(Serialize)]
struct WhoAmI {
    user_id: String,
    organization_id: String,
    username: String,
    instance_url: String,
}

async fn who_am_i(sf: &SalesforceConn) -> actix_salesforce::Result<web::Json<WhoAmI>> {
    let identity = sf.identity().await?;
    Ok(web::Json(WhoAmI {
        user_id: identity.user_id.to_string(),
        organization_id: identity.organization_id.to_string(),
        username: identity.username,
        instance_url: sf.instance_url()?.as_str().trim_end_matches('/').to_owned(),
    }))
}

/// One API read.
pub(crate) async fn whoami(sf: SalesforceConn) -> actix_salesforce::Result<impl Responder> {
    who_am_i(&sf).await
}

/// What must not happen in a session that was left alone: it needs a recent login.
pub(crate) async fn danger(
    request: HttpRequest,
    salesforce: Salesforce,
    sf: SalesforceConn,
) -> actix_web::Result<impl Responder> {
    form::same_origin(&request, &salesforce)?;
    Ok(who_am_i(&sf).await?)
}

/// Opens a record in Salesforce without another login.
pub(crate) async fn open(
    sf: SalesforceConn,
    id: web::Path<String>,
) -> actix_salesforce::Result<impl Responder> {
    let id: SalesforceId = id.parse()?;
    sf.frontdoor_url(&format!("/{id}")).await
}

/// Holds its connection for a while before it uses it.
pub(crate) async fn slow(sf: SalesforceConn) -> actix_salesforce::Result<impl Responder> {
    actix_web::rt::time::sleep(Duration::from_secs(3)).await;
    who_am_i(&sf).await
}

#[derive(Deserialize)]
pub(crate) struct Filter {
    name: Option<String>,
}

/// The accounts, filtered by a part of their name.
pub(crate) async fn list(
    sf: SalesforceConn,
    user: SalesforceUser,
    seen: web::Data<Seen>,
    filter: web::Query<Filter>,
    request: HttpRequest,
) -> actix_salesforce::Result<HttpResponse> {
    let name = filter.name.clone().unwrap_or_default();
    let accounts = sf
        .query::<Account>(
            "SELECT Id, Name, Phone, Website, Industry FROM Account WHERE Name LIKE :name ORDER BY Name LIMIT 200",
        )
        .bind("name", Like::contains(&name))
        .fetch_all()
        .await?;
    seen.note(&sf);
    if !wants_html(&request) {
        return Ok(HttpResponse::Ok().json(accounts));
    }
    let rows: String = accounts
        .iter()
        .map(|account| {
            format!(
                "<tr><td><a href=\"/accounts/{}\">{}</a></td><td>{}</td><td>{}</td></tr>",
                account.id,
                escape(&account.name),
                escape(account.phone.as_deref().unwrap_or_default()),
                escape(account.industry.as_deref().unwrap_or_default())
            )
        })
        .collect();
    #[cfg(feature = "events")]
    let script = request.app_data::<web::Data<Feed>>().map_or("", |_| crate::live::SCRIPT);
    #[cfg(not(feature = "events"))]
    let script = "";
    let body = format!(
        "<form class=\"line\" method=\"get\" action=\"/accounts\"><label>Name contains\
         <input name=\"name\" value=\"{}\"></label><button>Filter</button>\
         <a href=\"/accounts/export.csv\">Export all as CSV</a></form>\
         <div class=\"wide\"><table id=\"accounts\"><tr><th scope=\"col\">Name</th><th scope=\"col\">Phone</th><th scope=\"col\">Industry</th></tr>{rows}</table></div>\
         <form class=\"line\" method=\"post\" action=\"/accounts\"><label>Name<input name=\"Name\" required></label>\
         <label>Phone<input name=\"Phone\"></label><button id=\"create\">Create account</button>\
         <a href=\"/accounts/new\">With all fields</a></form>{script}",
        escape(&name)
    );
    Ok(html::page("Accounts", LoginStatus::of(&user), &body))
}

/// One account, with what belongs to it.
pub(crate) async fn show(
    sf: SalesforceConn,
    user: SalesforceUser,
    seen: web::Data<Seen>,
    id: web::Path<String>,
    request: HttpRequest,
) -> actix_salesforce::Result<HttpResponse> {
    let fields = ["Id", "Name", "Phone", "Website", "Industry"];
    let (values, etag): (Map<String, Value>, RecordEtag) =
        sf.sobject("Account").retrieve_revision(id.as_str(), &fields).await?;
    seen.note(&sf);
    if !wants_html(&request) {
        let account: Account = serde_json::from_value(values.into()).map_err(Error::internal)?;
        return Ok(HttpResponse::Ok().insert_header((header::ETAG, etag.to_string())).json(account));
    }
    let text = |name: &str| values.get(name).and_then(Value::as_str).unwrap_or_default();
    let action = format!("/accounts/{}", text("Id"));
    let form =
        AccountForm { action: &action, button: "Save", values: &values, etag: Some(&etag), errors: &[] };
    let body = format!(
        "<div class=\"card\">{}</div>{}\
         <form class=\"line\" method=\"post\" action=\"/accounts/{id}/delete\"><a href=\"/accounts\">All accounts</a>\
         <a href=\"/open/{id}\">Open in Salesforce</a><button class=\"danger\" id=\"delete\">Delete this account</button></form>",
        form.html(),
        account::related(&sf, text("Id")).await?,
        id = escape(text("Id")),
    );
    Ok(html::page(text("Name"), LoginStatus::of(&user), &body))
}

pub(crate) async fn create(
    request: HttpRequest,
    salesforce: Salesforce,
    sf: SalesforceConn,
    user: SalesforceUser,
    body: web::Bytes,
) -> actix_web::Result<HttpResponse> {
    form::same_origin(&request, &salesforce)?;
    let Fields { mut fields, is_json, .. } = form::read(&request, &body)?;
    let is_full_form = !is_json && fields.remove(new_account::MARK).is_some();
    let id = match sf.sobject("Account").create(&fields).await {
        Ok(id) => id,
        Err(error) => match account::field_errors(&error).filter(|_| is_full_form) {
            Some(errors) => return Ok(new_account::page(&sf, &user, &fields, &errors).await?),
            None => return refused(error, is_json, &user, "/accounts", &fields, None),
        },
    };
    let location = (header::LOCATION, format!("/accounts/{id}"));
    Ok(if is_json {
        HttpResponse::Created().insert_header(location).json(serde_json::json!({ "id": id }))
    } else {
        HttpResponse::SeeOther().insert_header(location).finish()
    })
}

/// Saves an account. If another user has changed it since the form was made, nothing is saved: the page shows both
/// versions. A script sends the version as `If-Match`.
pub(crate) async fn change(
    request: HttpRequest,
    salesforce: Salesforce,
    sf: SalesforceConn,
    user: SalesforceUser,
    id: web::Path<String>,
    body: web::Bytes,
) -> actix_web::Result<HttpResponse> {
    form::same_origin(&request, &salesforce)?;
    let Fields { fields, is_json, etag } = form::read(&request, &body)?;
    let account = sf.sobject("Account");
    let account = match &etag {
        Some(etag) => account.if_match(etag),
        None => account,
    };
    let location = format!("/accounts/{id}");
    match account.update(id.as_str(), &fields).await {
        Ok(()) => Ok(done(is_json, &location)),
        Err(Error::PreconditionFailed) if !is_json => Ok(account::conflict(&sf, &user, &id, &fields).await?),
        Err(error) => refused(error, is_json, &user, &location, &fields, etag.as_ref()),
    }
}

/// The form again with Salesforce's errors at their fields, for a browser; the error for a script.
fn refused(
    error: Error,
    is_json: bool,
    user: &SalesforceUser,
    action: &str,
    values: &Map<String, Value>,
    etag: Option<&RecordEtag>,
) -> actix_web::Result<HttpResponse> {
    match account::field_errors(&error) {
        Some(errors) if !is_json => {
            let form = AccountForm { action, button: "Save", values, etag, errors: &errors };
            Ok(account::invalid(user, &form))
        }
        _ => Err(form::refused(error)),
    }
}

pub(crate) async fn delete(
    request: HttpRequest,
    salesforce: Salesforce,
    sf: SalesforceConn,
    id: web::Path<String>,
) -> actix_web::Result<HttpResponse> {
    form::same_origin(&request, &salesforce)?;
    sf.sobject("Account").delete(id.as_str()).await?;
    Ok(done(!wants_html(&request), "/accounts"))
}

/// The page for all other addresses.
pub(crate) async fn nothing(
    user: actix_salesforce::Result<SalesforceUser>,
    request: HttpRequest,
) -> HttpResponse {
    if !wants_html(&request) {
        return HttpResponse::NotFound().json(serde_json::json!({ "error": "not_found" }));
    }
    let who = match &user {
        Ok(user) => LoginStatus::of(user),
        Err(error) if error.needs_login() => LoginStatus::LoggedOut,
        Err(_) => LoginStatus::Unknown,
    };
    let text = "<div class=\"card\"><p>There is no page at this address.</p></div>";
    let mut page = html::page("Not found", who, text);
    *page.status_mut() = StatusCode::NOT_FOUND;
    page
}

fn done(is_json: bool, location: &str) -> HttpResponse {
    if is_json {
        HttpResponse::NoContent().finish()
    } else {
        HttpResponse::SeeOther().insert_header((header::LOCATION, location)).finish()
    }
}

fn wants_html(request: &HttpRequest) -> bool {
    request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}
