//! `/services/apexrest/…`: what declared classes answer.

use super::answer::Answer;
use super::guard::{authenticate, counted};
use super::xml;
use crate::web::call::Call;
use crate::web::reply::Reply;

pub(super) async fn answer(call: Call) -> Reply {
    let as_xml = xml::is_wanted(call.uri.path(), &call.headers);
    if let Err(refusal) = authenticate(&call) {
        return Answer::from(refusal).formatted(as_xml).into_reply();
    }
    let path = call.uri.path().strip_prefix("/services/apexrest").unwrap_or_default().trim_end_matches('/');
    let declared = call.org.apex(call.method.as_str(), path);
    counted(&call.org, as_xml, async {
        match declared {
            Some((status, body)) => Answer::json(status, body),
            // Status, code and text are unverified.
            None => Answer::error(404, "NOT_FOUND", "Could not find a match for URL").formatted(as_xml),
        }
    })
    .await
}
