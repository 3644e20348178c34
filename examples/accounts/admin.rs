//! For operators: who is logged in, and how much of the org's API is used. Everything here is below `RequireLogin`, which
//! with `ACCOUNTS_ADMIN` lets in users with that custom permission only.

use actix_salesforce::{Salesforce, SalesforceConn, SalesforceUser, UserId, UserRef, store::GrantFilter};
use actix_web::{HttpRequest, HttpResponse, Responder, post, routes, web};

use crate::{
    form,
    html::{self, LoginStatus},
    usage::Seen,
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
            Self::Own => GrantFilter::User(UserRef::new(user.organization_id, user.user_id)),
            Self::Org => GrantFilter::Org(user.organization_id),
        }
    }
}

pub(crate) fn configure(scope: &mut web::ServiceConfig) {
    scope.service(overview).service(revoke_logins).service(revoke_login).service(revoke_grant);
}

#[routes]
#[get("")]
#[get("/")]
async fn overview(
    salesforce: Salesforce,
    sees: web::Data<Sees>,
    seen: web::Data<Seen>,
    user: SalesforceUser,
    sf: SalesforceConn,
) -> actix_salesforce::Result<impl Responder> {
    // One cheap request to the REST API: each response has the usage.
    sf.query::<serde_json::Value>("SELECT Id FROM User LIMIT 1").fetch_optional().await?;
    seen.note(&sf);
    let (usage, chart) = match sf.api_usage() {
        Some(usage) => (
            format!("{} of {}", usage.used, usage.allowed),
            seen.chart(sf.organization_id(), u64::from(usage.allowed)),
        ),
        None => ("unknown".to_owned(), String::new()),
    };
    let mine = sees.of(&user);
    let mut rows = String::new();
    for login in salesforce.list_logins(mine).await? {
        rows.push_str(&format!(
            "<tr><td>{reference}</td><td>{}</td><td>{}</td><td><form method=\"post\" action=\"/admin/logins/{reference}/end\">\
             <button class=\"danger\" aria-label=\"End login {reference}\">End</button></form></td></tr>",
            ago(login.created_at),
            ago(login.last_used_at),
            reference = html::escape(&login.log_id)
        ));
    }
    let grants = grants_table(&salesforce, &seen, mine).await?;
    let reconnect = reconnect_table(&salesforce, mine).await?;
    let body = format!(
        "<div class=\"card\"><p>API calls in 24 hours: <strong>{}</strong></p>{chart}\
         <p class=\"soft\">The chart, and when a refresh token was replaced, are what this process has seen since it \
         started. Each process of the app shows its own.</p></div>\
         <h2>Logins</h2><div class=\"wide\"><table id=\"logins\"><tr><th scope=\"col\">Login</th><th scope=\"col\">Made</th>\
         <th scope=\"col\">Last seen</th><th scope=\"col\">End it</th></tr>{rows}</table></div>\
         {grants}{reconnect}\
         <form method=\"post\" action=\"/admin/revoke\"><button class=\"danger\" id=\"revoke\">End all my logins</button></form>",
        html::escape(&usage),
    );
    Ok(html::page("Admin", LoginStatus::of(&user), &body))
}

/// The grants: when each token was last refreshed and its refresh token last replaced, and a button to revoke it.
async fn grants_table(
    salesforce: &Salesforce,
    seen: &Seen,
    of: GrantFilter,
) -> actix_salesforce::Result<String> {
    let mut rows = String::new();
    for grant in salesforce.list_grants(of).await? {
        if grant.needs_reconnecting.is_some() {
            continue;
        }
        let refreshed = match grant.refresh_count {
            0 => format!("not yet, made {}", ago(grant.updated_at)),
            times => format!("{} ({times} in all)", ago(grant.updated_at)),
        };
        let rotated = seen.rotated(UserRef::new(grant.organization_id, grant.user_id));
        rows.push_str(&format!(
            "<tr><td>{user}</td><td>{refreshed}</td><td>{}</td><td>{}</td><td>\
             <form method=\"post\" action=\"/admin/grants/{user}/revoke\">\
             <button class=\"danger\" aria-label=\"Revoke the grant of {user}\">Revoke</button></form></td></tr>",
            rotated.map_or_else(|| "not seen here".to_owned(), ago),
            html::escape(&grant.client_id),
            user = html::escape(grant.user_id.as_str()),
        ));
    }
    Ok(format!(
        "<h2>Grants</h2><div class=\"wide\"><table id=\"grants\"><tr><th scope=\"col\">User</th>\
         <th scope=\"col\">Token refreshed</th><th scope=\"col\">Refresh token replaced</th><th scope=\"col\">Client id</th>\
         <th scope=\"col\">Revoke it</th></tr>{rows}</table></div>"
    ))
}

/// The connections that Salesforce refuses: whose they are, why, since when, and the link that their users need.
async fn reconnect_table(salesforce: &Salesforce, seen: GrantFilter) -> actix_salesforce::Result<String> {
    let mut rows = String::new();
    for grant in salesforce.list_grants(seen).await? {
        let Some(broken) = grant.needs_reconnecting else { continue };
        let login = broken.login_path.unwrap_or_default();
        rows.push_str(&format!(
            "<tr><td>{user}</td><td>{}</td><td>{}</td><td><a href=\"{}\">Log in again</a></td><td>\
             <form method=\"post\" action=\"/admin/grants/{user}/revoke\">\
             <button class=\"danger\" aria-label=\"Remove the connection of {user}\">Remove</button></form></td></tr>",
            html::escape(broken.reason.or(broken.code).as_deref().unwrap_or("refused by Salesforce")),
            ago(broken.since),
            html::escape(&format!(
                "{login}{}return_to=%2Fadmin%2F",
                if login.contains('?') { '&' } else { '?' }
            )),
            user = html::escape(grant.user_id.as_str()),
        ));
    }
    if rows.is_empty() {
        return Ok(rows);
    }
    Ok(format!(
        "<h2>Needs reconnecting</h2><div class=\"wide\"><table id=\"broken\"><tr><th scope=\"col\">User</th><th scope=\"col\">Reason</th>\
         <th scope=\"col\">Since</th><th scope=\"col\">Reconnect</th><th scope=\"col\">Remove it</th></tr>\
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

/// Ends a grant with all of its logins. It has to be one that the user sees.
#[post("/grants/{user}/revoke")]
async fn revoke_grant(
    request: HttpRequest,
    of: web::Path<String>,
    salesforce: Salesforce,
    sees: web::Data<Sees>,
    user: SalesforceUser,
) -> actix_web::Result<impl Responder> {
    form::same_origin(&request, &salesforce)?;
    let of: UserId = of.parse().map_err(actix_salesforce::Error::from)?;
    let mine = salesforce.list_grants(sees.of(&user)).await?;
    if mine.iter().any(|grant| grant.user_id == of) {
        // Of this org only.
        salesforce.revoke_grants(GrantFilter::User(UserRef::new(user.organization_id, of))).await?;
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
