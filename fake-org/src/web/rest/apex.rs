//! `/services/apexrest/…`: what declared classes answer.

use super::answer::Answer;
use super::guard::{authenticate, counted};
use crate::web::call::Call;
use crate::web::reply::Reply;

pub(super) async fn answer(call: Call) -> Reply {
    if let Err(refusal) = authenticate(&call) {
        return Answer::from(refusal).into_reply();
    }
    let path = call.uri.path().strip_prefix("/services/apexrest").unwrap_or_default().trim_end_matches('/');
    let declared = call.org.apex(call.method.as_str(), path);
    counted(&call.org, async {
        match declared {
            Some((status, body)) => Answer::json(status, body),
            // Status, code and text are unverified.
            None => Answer::error(404, "NOT_FOUND", "Could not find a match for URL"),
        }
    })
    .await
}
