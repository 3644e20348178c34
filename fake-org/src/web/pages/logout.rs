//! After a logout: the app's own logout page is loaded unseen, and the login page comes ten seconds later.

use super::{EMBLEM, layout};
use crate::web::html::escape;
use crate::web::http_response::{HttpResponse, html};

/// The page; with the registered Single Logout URL when a user was logged in.
pub(crate) fn show(single_logout_url: Option<&str>) -> HttpResponse {
    let frame = single_logout_url.map_or_else(String::new, |url| {
        format!("<iframe src=\"{}\" title=\"Single logout\" hidden></iframe>", escape(url))
    });
    let content = format!(
        "<main>{EMBLEM}<div class=\"card\"><h1>You have been logged out</h1>\
         <p>You will see <a href=\"/\">the login page</a> in a moment.</p></div>{frame}</main>"
    );
    let mut response = html(200, layout("Logged out", "narrow", &content));
    if let Ok(value) = "10;url=/".parse() {
        response.headers_mut().insert("refresh", value);
    }
    response
}
