//! The login form.

use super::{EMBLEM, Form, layout};
use crate::state::Org;
use crate::user::PASSWORD;
use crate::web::html::escape;
use crate::web::http_response::{HttpResponse, html};

/// The form, with what was typed and what was wrong with it after a failed try.
pub(crate) fn show(
    org: &Org,
    form: Form<'_>,
    login_hint: Option<&str>,
    failed: Option<(&str, &str)>,
) -> HttpResponse {
    let typed = failed.map(|(username, _)| username).or(login_hint).unwrap_or_default();
    let problem = failed.map_or_else(String::new, |(_, sentence)| {
        format!("<p id=\"error\" class=\"problem\" role=\"alert\">{}</p>", escape(sentence))
    });
    let names: Vec<String> = org.auth(|auth| {
        auth.users.iter().take(8).map(|user| format!("<code>{}</code>", escape(&user.username))).collect()
    });
    let described = if failed.is_some() { " aria-describedby=\"error\"" } else { "" };
    let content = format!(
        "<main>{EMBLEM}<div class=\"card\"><h1>Log in</h1>{problem}\
         <form method=\"post\" action=\"{site}/login\">\
         <input type=\"hidden\" name=\"request\" value=\"{query}\">\
         <label for=\"username\">Username</label>\
         <input type=\"text\" id=\"username\" name=\"username\" value=\"{typed}\" autocomplete=\"username\" \
         autocapitalize=\"none\" spellcheck=\"false\" required autofocus{described}>\
         <label for=\"password\">Password</label>\
         <input type=\"password\" id=\"password\" name=\"pw\" autocomplete=\"current-password\" required>\
         <input type=\"submit\" id=\"Login\" name=\"Login\" class=\"button\" value=\"Log In\">\
         </form></div>\
         <p class=\"hint\">Sample users: {names}.<br>Password for all of them: <code>{PASSWORD}</code></p></main>",
        site = escape(form.site),
        query = escape(form.query),
        typed = escape(typed),
        names = names.join(", "),
    );
    html(200, layout("Log in", form.class(), &content))
}
