//! Responses that are too large.

use super::{refresh, token_body};
use crate::{
    http::{error::HttpError, scripted::Reply},
    oauth::error::OAuthError,
};

#[tokio::test]
async fn a_token_response_is_read_up_to_64_kib() {
    for (filler, is_read) in [(50 * 1024, true), (66 * 1024, false)] {
        let result = refresh(move |origin| {
            let mut body = token_body(origin);
            body["something_new"] = "x".repeat(filler).into();
            Reply::json(200, body.to_string())
        })
        .await;
        assert_eq!(result.is_ok(), is_read, "{filler}: {result:?}");
        assert!(is_read || matches!(result, Err(OAuthError::Http(HttpError::TooLarge))));
    }
}
