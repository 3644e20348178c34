//! A browser that sends a callback twice, as some do when a page is reloaded or prefetched.

use crate::web::html::escape;
use crate::web::http_response::{HttpResponse, html};

/// A page that goes to an address in a frame and then as a whole.
pub(crate) fn show(location: &str) -> HttpResponse {
    let to = escape(location);
    html(
        200,
        format!(
            "<!DOCTYPE html><html><head><meta http-equiv=\"refresh\" content=\"1;url={to}\"></head>\
             <body><iframe src=\"{to}\" title=\"The first time\"></iframe></body></html>"
        ),
    )
}
