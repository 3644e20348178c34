//! "Allow access?"

use super::{EMBLEM, escape, layout};
use crate::auth::users::User;
use crate::shared::Org;
use crate::web::oauth::AuthorizeRequest;
use crate::web::reply::{Reply, html};

/// The scopes in words, as people are shown them.
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

pub(crate) fn show(org: &Org, request: &AuthorizeRequest, user: &User) -> Reply {
    let scopes: String =
        request.scopes.words().iter().map(|scope| format!("<li>{}</li>", escape(in_words(scope)))).collect();
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
        site = escape(&request.site),
        query = escape(&request.query),
        callback = escape(&request.callback.redirect_uri),
    );
    html(200, layout("Allow access?", if request.popup { "narrow popup" } else { "narrow" }, &content))
}
