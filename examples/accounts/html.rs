//! A page's frame, and escaping. A real app would use its template engine.

use actix_salesforce::SalesforceUser;
use actix_web::{HttpResponse, http::header};

const STYLE: &str = include_str!("style.css");

/// Escapes for HTML text and for attribute values in double quotes.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// What the corner of the page shows.
pub(crate) enum LoginStatus<'a> {
    /// By user name.
    LoggedIn(&'a str),
    LoggedOut,
    /// The store is unavailable.
    Unknown,
}

impl<'a> LoginStatus<'a> {
    pub(crate) fn of(user: &'a SalesforceUser) -> Self {
        Self::LoggedIn(user.username.as_deref().unwrap_or("someone"))
    }
}

/// A whole page. `body` is HTML.
pub(crate) fn page(title: &str, who: LoginStatus<'_>, body: &str) -> HttpResponse {
    let title = escape(title);
    let who_is_in = matches!(who, LoginStatus::LoggedIn(_));
    let corner = match who {
        LoginStatus::LoggedIn(name) => format!(
            "<span class=\"who\">{}</span>\
             <a id=\"orgs\" href=\"/auth/salesforce/orgs?return_to=/accounts\">Organizations</a>\
             <form method=\"post\" action=\"/auth/salesforce/logout\"><button class=\"quiet\" id=\"logout\">Log out</button></form>",
            escape(name)
        ),
        LoginStatus::LoggedOut => "<a class=\"button\" id=\"login\" href=\"/auth/salesforce/login?return_to=/accounts\">Log in with Salesforce</a>"
            .to_owned(),
        LoginStatus::Unknown => String::new(),
    };
    let search = match who_is_in {
        true => {
            "<form class=\"search\" role=\"search\" action=\"/search\"><label for=\"q\" class=\"hidden\">Search</label>\
             <input id=\"q\" name=\"q\" type=\"search\" placeholder=\"Search\"></form>"
        }
        false => "",
    };
    let instance = std::env::var("INSTANCE")
        .map_or_else(|_| String::new(), |name| format!("<footer class=\"soft\">{}</footer>", escape(&name)));
    HttpResponse::Ok()
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'"))
        .content_type("text/html; charset=utf-8")
        .body(format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>{title} · Accounts</title>\
             <style>{STYLE}</style></head><body>\
             <header><a class=\"brand\" href=\"/\">Accounts</a><nav><a href=\"/accounts\">All accounts</a>\
             <a href=\"/admin/\">Admin</a></nav>{search}<div class=\"corner\">{corner}</div></header>\
             <main><h1>{title}</h1>{body}{instance}</main></body></html>"
        ))
}
