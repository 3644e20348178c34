//! "Allow access?"

use super::{EMBLEM, Form, layout};
use crate::auth::scopes::Scopes;
use crate::state::Org;
use crate::user::User;
use crate::web::html::escape;
use crate::web::http_response::{HttpResponse, html};

/// The scopes in words, as the page shows them.
fn in_words(scope: &str) -> &str {
    match scope {
        "api" => "Manage user data via APIs",
        "web" => "Manage user data via Web browsers",
        "full" => "Full access",
        "refresh_token" => "Perform requests at any time",
        "openid" => "Access unique user identifiers",
        "id" => "Access the identity URL service",
        "profile" => "Access your basic information (profile)",
        "email" => "Access your email address",
        "address" => "Access your address",
        "phone" => "Access your phone number",
        other => other,
    }
}

pub(crate) fn show(
    org: &Org,
    form: Form<'_>,
    scopes: &Scopes,
    redirect_uri: &str,
    user: &User,
) -> HttpResponse {
    let scopes: String =
        scopes.words().iter().map(|scope| format!("<li>{}</li>", escape(in_words(scope)))).collect();
    let app = escape(&org.app.name);
    let content = format!(
        "<main>{EMBLEM}<div class=\"card\"><h1>Allow access?</h1>\
         <p><strong>{app}</strong> is asking to:</p><ul class=\"plain\">{scopes}</ul>\
         <p>Do you want to allow access for <strong>{user}</strong>?</p>\
         <form method=\"post\" action=\"{site}/consent\">\
         <input type=\"hidden\" name=\"request\" value=\"{query}\">\
         <div class=\"pair\">\
         <input type=\"submit\" id=\"oadeny\" name=\"cancel\" class=\"button quiet\" value=\"Deny\">\
         <input type=\"submit\" id=\"oaapprove\" name=\"save\" class=\"button\" value=\"Allow\">\
         </div></form></div>\
         <p class=\"hint\">Not you? <a href=\"/secur/logout.jsp\">Log out</a>. You will go back to \
         <code>{callback}</code>.</p></main>",
        user = escape(&user.username),
        site = escape(form.site),
        query = escape(form.query),
        callback = escape(redirect_uri),
    );
    html(200, layout("Allow access?", form.class(), &content))
}
