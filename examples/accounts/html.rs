//! A page's frame, and escaping. An app of your own would use its template engine.

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

/// Whose page it is, for the corner.
pub(crate) enum Who<'a> {
    Person(&'a str),
    Nobody,
    /// It cannot be told.
    Unknown,
}

impl<'a> Who<'a> {
    pub(crate) fn of(user: &'a SalesforceUser) -> Self {
        Self::Person(user.username.as_deref().unwrap_or("someone"))
    }
}

/// A whole page. `body` is HTML.
pub(crate) fn page(title: &str, who: Who<'_>, body: &str) -> HttpResponse {
    let title = escape(title);
    let corner = match who {
        Who::Person(name) => format!(
            "<span class=\"who\">{}</span>\
             <form method=\"post\" action=\"/auth/salesforce/logout\"><button class=\"quiet\" id=\"logout\">Log out</button></form>",
            escape(name)
        ),
        Who::Nobody => "<a class=\"button\" id=\"login\" href=\"/auth/salesforce/login?return_to=/accounts\">Log in with Salesforce</a>"
            .to_owned(),
        Who::Unknown => String::new(),
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
             <a href=\"/admin/\">Admin</a></nav><div class=\"corner\">{corner}</div></header>\
             <main><h1>{title}</h1>{body}{instance}</main></body></html>"
        ))
}
