//! A page of Salesforce with an app in a frame.

use super::layout;
use crate::web::html::escape;
use crate::web::http_response::{HttpResponse, html};

/// Posts the signed request into the frame when the page opens.
pub(crate) fn show(canvas_url: &str, signed_request: &str) -> HttpResponse {
    let content = format!(
        "<main><h1>Canvas app</h1><form method=\"post\" action=\"{}\" target=\"canvas\" id=\"post\">\
         <input type=\"hidden\" name=\"signed_request\" value=\"{}\"></form>\
         <iframe name=\"canvas\" title=\"Canvas app\" width=\"800\" height=\"900\"></iframe>\
         <script>document.getElementById('post').submit()</script></main>",
        escape(canvas_url),
        escape(signed_request),
    );
    html(200, layout("Canvas app", "wide", &content))
}

/// Shows the app's page, whose address says that the user must allow the app first.
pub(crate) fn show_approval(url: &str) -> HttpResponse {
    let content = format!(
        "<main><h1>Canvas app</h1>\
         <iframe name=\"canvas\" title=\"Canvas app\" src=\"{}\" width=\"800\" height=\"900\"></iframe></main>",
        escape(url),
    );
    html(200, layout("Canvas app", "wide", &content))
}
