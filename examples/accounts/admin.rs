//! For operators: who is logged in, and how much of the org's API is used. Everything here is below `RequireLogin`, which
//! with `ACCOUNTS_ADMIN` lets in users with that custom permission only.

use actix_salesforce::{Salesforce, SalesforceConn, SalesforceUser, store::GrantFilter};
use actix_web::{HttpRequest, HttpResponse, Responder, post, routes, web};

use crate::{
    form,
    html::{self, LoginStatus},
};

/// Whose logins a user of these pages sees and ends.
#[derive(Clone, Copy)]
pub(crate) enum Sees {
    Own,
    /// Those of all users of the user's own org.
    Org,
}

impl Sees {
    fn of(self, user: &SalesforceUser) -> GrantFilter {
        match self {
            Self::Own => {
                GrantFilter::User(actix_salesforce::UserRef::new(user.organization_id, user.user_id))
            }
            Self::Org => GrantFilter::Org(user.organization_id),
        }
    }
}

pub(crate) fn configure(scope: &mut web::ServiceConfig) {
    scope.service(overview).service(revoke_logins).service(revoke_login);
}

#[routes]
#[get("")]
#[get("/")]
async fn overview(
    salesforce: Salesforce,
    sees: web::Data<Sees>,
    user: SalesforceUser,
    sf: SalesforceConn,
) -> actix_salesforce::Result<impl Responder> {
    // One cheap request to the REST API: each response has the usage.
    sf.query::<serde_json::Value>("SELECT Id FROM User LIMIT 1").fetch_optional().await?;
    let usage = sf
        .api_usage()
        .map_or_else(|| "unknown".to_owned(), |usage| format!("{} of {}", usage.used, usage.allowed));
    let mine = sees.of(&user);
    let mut rows = String::new();
    for login in salesforce.list_logins(mine).await? {
        rows.push_str(&format!(
            "<tr><td>{reference}</td><td>{}</td><td>{}</td><td><form method=\"post\" action=\"/admin/logins/{reference}/end\">\
             <button class=\"danger\">End</button></form></td></tr>",
            ago(login.created_at),
            ago(login.last_used_at),
            reference = html::escape(&login.log_id)
        ));
    }
    let refreshed = salesforce.list_grants(Sees::Own.of(&user)).await?;
    let refreshed = refreshed.first().map_or_else(String::new, |grant| {
        let renewed = match grant.refresh_count {
            0 => format!("got {}, not renewed yet", ago(grant.updated_at)),
            times => format!("renewed {times} times, last {}", ago(grant.updated_at)),
        };
        format!("{renewed}. Client id: {}", grant.client_id)
    });
    let reconnect = reconnect_table(&salesforce, mine).await?;
    let body = format!(
        "<div class=\"card\"><p>API calls in 24 hours: <strong>{}</strong></p><p>Your token: {}</p></div>\
         <div class=\"wide\"><table><tr><th>Login</th><th>Made</th><th>Last seen</th><th></th></tr>{rows}</table></div>\
         {reconnect}\
         <form method=\"post\" action=\"/admin/revoke\"><button class=\"danger\" id=\"revoke\">End all my logins</button></form>",
        html::escape(&usage),
        html::escape(&refreshed)
    );
    Ok(html::page("Admin", LoginStatus::of(&user), &body))
}

/// The connections that Salesforce refuses: whose they are, why, since when, and the link that their users need.
async fn reconnect_table(salesforce: &Salesforce, seen: GrantFilter) -> actix_salesforce::Result<String> {
    let mut rows = String::new();
    for grant in salesforce.list_grants(seen).await? {
        let Some(broken) = grant.needs_reconnecting else { continue };
        let login = broken.login_path.unwrap_or_default();
        rows.push_str(&format!(
            "<tr><td>{}</td><td>{}</td><td>{}</td><td><a href=\"{}\">Log in again</a></td></tr>",
            html::escape(grant.user_id.as_str()),
            html::escape(broken.reason.or(broken.code).as_deref().unwrap_or("refused by Salesforce")),
            ago(broken.since),
            html::escape(&format!(
                "{login}{}return_to=%2Fadmin%2F",
                if login.contains('?') { '&' } else { '?' }
            ))
        ));
    }
    if rows.is_empty() {
        return Ok(rows);
    }
    Ok(format!(
        "<h2>Needs reconnecting</h2><div class=\"wide\"><table><tr><th>User</th><th>Reason</th><th>Since</th><th></th></tr>\
         {rows}</table></div>"
    ))
}

#[post("/revoke")]
async fn revoke_logins(
    request: HttpRequest,
    salesforce: Salesforce,
    user: SalesforceUser,
) -> actix_web::Result<impl Responder> {
    form::same_origin(&request, &salesforce)?;
    // The button says "my".
    salesforce.revoke_grants(Sees::Own.of(&user)).await?;
    Ok(HttpResponse::SeeOther().insert_header(("location", "/")).finish())
}

/// Ends one login. It is looked up among those that the user sees, so that a user cannot end another one.
#[post("/logins/{reference}/end")]
async fn revoke_login(
    request: HttpRequest,
    reference: web::Path<String>,
    salesforce: Salesforce,
    sees: web::Data<Sees>,
    user: SalesforceUser,
) -> actix_web::Result<impl Responder> {
    form::same_origin(&request, &salesforce)?;
    let mine = salesforce.list_logins(sees.of(&user)).await?;
    if let Some(login) = mine.iter().find(|login| login.log_id == *reference) {
        salesforce.revoke_login(login).await?;
    }
    Ok(HttpResponse::SeeOther().insert_header(("location", "/admin/")).finish())
}

fn ago(time: std::time::SystemTime) -> String {
    match time.elapsed().map(|elapsed| elapsed.as_secs()) {
        Ok(seconds @ 0..120) => format!("{seconds} s ago"),
        Ok(seconds) => format!("{} min ago", seconds / 60),
        Err(_) => "now".to_owned(),
    }
}
