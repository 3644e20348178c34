//! Recognizes responses that say, without an error of Salesforce, that the instance or the session is no longer valid.
//!
//! A refresh returns the org's current instance and a new token, so that one refresh is worth a try. That Salesforce sends
//! these responses after an org has moved is reported by users; which of them it sends when is unverified.

use reqwest::{
    StatusCode,
    header::{CONTENT_TYPE, LOCATION},
};

use crate::{
    http::response::Response,
    request::{error_response, path::ResourcePath},
};

/// Whether a misdirected request may have taken effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Misdirected {
    /// It was not processed, so that a write may be sent again, too.
    NotProcessed,
    /// Unknown: only a request that may take effect twice may be sent again.
    Unknown,
}

/// Returns whether a response is one of an instance that no longer serves the org, or of an invalid session.
pub(crate) fn check(response: &Response, path: &ResourcePath) -> Option<Misdirected> {
    match response.status.as_u16() {
        status if is_redirect(response) => {
            let is_moved =
                if path.is_apex_rest() { leads_elsewhere(response, path) } else { path.is_service() };
            // After status 303 the response is elsewhere, but the request may have been processed.
            let kind = if status == 303 { Misdirected::Unknown } else { Misdirected::NotProcessed };
            is_moved.then_some(kind)
        }
        400 => error_response::has_code(&response.body, "URL_NOT_RESET").then_some(Misdirected::NotProcessed),
        401 => error_response::has_lost_session(response, path).then_some(Misdirected::NotProcessed),
        // 410: the same for good, from what stands in front of an instance (RFC 9110 section 15.5.11; unverified).
        404 | 410 => (path.is_data() && is_html(response)).then_some(Misdirected::Unknown),
        // The server is not the one for this host (RFC 9110 section 15.5.20; unverified).
        421 => (path.is_service() && !path.is_apex_rest()).then_some(Misdirected::NotProcessed),
        200 => is_login_page(response, path).then_some(Misdirected::Unknown),
        _ => None,
    }
}

/// Returns whether a response is a redirect. Status 300 and 304 are not, whatever headers they have.
pub(crate) fn is_redirect(response: &Response) -> bool {
    matches!(response.status.as_u16(), 301 | 302 | 303 | 305..=308)
}

/// Returns whether a redirect leads to the same path on a host: that of the moved org, not a page that a class chose.
fn leads_elsewhere(response: &Response, path: &ResourcePath) -> bool {
    let location = response.headers.get(LOCATION).and_then(|location| location.to_str().ok());
    location.is_some_and(|location| location.starts_with("http") && location.ends_with(&path.to_string()))
}

/// Returns whether a successful response is a login page instead of data.
///
/// Files may be HTML as well; where the path may be that of a file, the response is not judged.
pub(crate) fn is_login_page(response: &Response, path: &ResourcePath) -> bool {
    response.status == StatusCode::OK
        && path.is_data()
        && !path.may_be_file()
        && response.unread.is_none()
        && is_html(response)
        && {
            let text = String::from_utf8_lossy(&response.body[..response.body.len().min(16 * 1024)]);
            text.to_ascii_lowercase().contains("login")
        }
}

fn is_html(response: &Response) -> bool {
    let content_type = response.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| {
        let value = value.trim_start().to_ascii_lowercase();
        value.starts_with("text/html") || value.starts_with("application/xhtml+xml")
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::*;
    use crate::version::ApiVersion;

    fn judged(
        status: u16,
        header: (&'static str, &'static str),
        body: &'static str,
        path: &str,
    ) -> Option<Misdirected> {
        let headers = HeaderMap::from_iter([(header.0.parse().unwrap(), header.1.parse().unwrap())]);
        let response =
            Response { status: status.try_into().unwrap(), headers, body: body.into(), unread: None };
        let instance = url::Url::parse("https://old.my.salesforce.com").unwrap();
        check(&response, &ResourcePath::parse(path, ApiVersion::CURRENT, &instance).unwrap())
    }

    #[test]
    fn what_an_apex_class_may_send_is_its_own() {
        const ELSEWHERE: (&str, &str) = ("location", "https://new.my.salesforce.com/services/apexrest/x");
        const HTML: (&str, &str) = ("content-type", "text/html; charset=UTF-8");
        for (status, header, body, path, expected) in [
            (302, ("location", "/x"), "", "limits", Some(Misdirected::NotProcessed)),
            (308, ELSEWHERE, "", "limits", Some(Misdirected::NotProcessed)),
            (303, ELSEWHERE, "", "limits", Some(Misdirected::Unknown)),
            (300, ELSEWHERE, "[]", "limits", None),
            (304, ELSEWHERE, "", "limits", None),
            (302, ("location", "https://shop.example/"), "", "/services/apexrest/x", None),
            (307, ELSEWHERE, "", "/services/apexrest/x", Some(Misdirected::NotProcessed)),
            (302, ("location", "/login"), "", "/apex/page", None),
            (401, HTML, "<html>", "limits", Some(Misdirected::NotProcessed)),
            (401, HTML, "", "/services/apexrest/x", None),
            (401, HTML, r#"[{"errorCode":"OTHER","message":"m"}]"#, "limits", None),
            (404, HTML, "<html>", "limits", Some(Misdirected::Unknown)),
            (404, HTML, "<html>", "/services/apexrest/x", None),
            (404, ("content-type", "Application/XHTML+xml"), "<html>", "limits", Some(Misdirected::Unknown)),
            (410, HTML, "<html>", "limits", Some(Misdirected::Unknown)),
            (410, HTML, "<html>", "/services/apexrest/x", None),
            (410, ("content-type", "application/json"), "[]", "limits", None),
            (421, HTML, "", "limits", Some(Misdirected::NotProcessed)),
            (421, HTML, "", "/services/apexrest/x", None),
            (404, ("content-type", "application/json"), "[]", "limits", None),
            (200, HTML, "<html>Login</html>", "limits", Some(Misdirected::Unknown)),
            (200, HTML, "<html>Login</html>", "/services/apexrest/x", None),
            (200, HTML, "<html>Login</html>", "sobjects/Attachment/00P000000000001/Body", None),
            (200, HTML, "<html>A report</html>", "limits", None),
            (
                400,
                HTML,
                r#"[{"errorCode":"URL_NOT_RESET","message":"m"}]"#,
                "limits",
                Some(Misdirected::NotProcessed),
            ),
            (400, HTML, r#"[{"errorCode":"OTHER","message":"URL_NOT_RESET"}]"#, "limits", None),
        ] {
            assert_eq!(judged(status, header, body, path), expected, "{status} {header:?} {path}");
        }
    }
}
