//! Which requests of browsers are rejected, so that a page of another origin cannot drive the org.

use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method};

/// A `Host` of another name: a page that had its own name point to this machine (DNS rebinding) would be of the same
/// origin as the org.
pub(super) const FOREIGN_HOST: &str =
    "fake org: the Host header is not this listener's address, localhost, 127.0.0.1 or [::1] with its port\n";

/// A request that changes something, sent by a page of another origin.
pub(super) const FOREIGN_ORIGIN: &str = "fake org: this request comes from a page of another origin\n";

/// Whether the request names this listener. `origin`: the listener's, as printed.
pub(super) fn names_listener(parts: &Parts, origin: &str) -> bool {
    let (_, own) = origin.split_once("://").unwrap_or(("", origin));
    let (_, port) = own.rsplit_once(':').unwrap_or((own, ""));
    let is_own = |name: &str| {
        name.eq_ignore_ascii_case(own)
            || name.rsplit_once(':').is_some_and(|(host, named)| {
                named == port
                    && (host.eq_ignore_ascii_case("localhost") || host == "127.0.0.1" || host == "[::1]")
            })
    };
    let in_target = parts.uri.authority().is_none_or(|authority| is_own(authority.as_str()));
    // HTTP/1.0 has no `Host`, and no browser sends it.
    in_target && parts.headers.get(HOST).is_none_or(|host| host.to_str().is_ok_and(is_own))
}

/// Whether the request may change something only if it comes from the listener's own origin.
pub(super) fn is_guarded(method: &Method, path: &str) -> bool {
    if path == "/fake" || path.starts_with("/fake/") {
        // The instance host's dashboard links to the rows, which are another origin's.
        return !(method == Method::GET && path.starts_with("/fake/rows/"));
    }
    let changes = ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method);
    // Apps post a token here from their own pages (H: Generate a frontdoor.jsp URL).
    changes && path != "/secur/frontdoor.jsp"
}

/// Whether the request comes from the listener's own origin, or from a program: browsers say where a request comes
/// from (Fetch, "Origin header"; Fetch Metadata, "Sec-Fetch-Site").
pub(super) fn is_own(headers: &HeaderMap, scheme: &str) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let host = text(HOST.as_str()).unwrap_or_default();
    text(ORIGIN.as_str()).is_none_or(|origin| origin.eq_ignore_ascii_case(&format!("{scheme}://{host}")))
        && text("sec-fetch-site").is_none_or(|site| matches!(site, "same-origin" | "none"))
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    fn parts(target: &str, host: Option<&str>) -> Parts {
        let mut request = Request::builder().uri(target);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn a_listener_has_its_address_and_the_loopback_names() {
        let own = "http://127.0.0.2:8100";
        for host in ["127.0.0.2:8100", "localhost:8100", "LOCALHOST:8100", "127.0.0.1:8100", "[::1]:8100"] {
            assert!(names_listener(&parts("/", Some(host)), own), "{host}");
        }
        for host in [
            "evil.example:8100",
            "localhost:8101",
            "localhost",
            "127.0.0.3:8100",
            "localhost.evil.example:8100",
        ] {
            assert!(!names_listener(&parts("/", Some(host)), own), "{host}");
        }
        assert!(names_listener(&parts("/", None), own));
        assert!(!names_listener(&parts("http://evil.example:8100/", Some("localhost:8100")), own));
    }

    #[test]
    fn control_and_changes_are_guarded() {
        for (method, path) in
            [(Method::GET, "/fake/requests"), (Method::POST, "/fake/reset"), (Method::POST, "/login")]
        {
            assert!(is_guarded(&method, path), "{method} {path}");
        }
        let free = [
            (Method::GET, "/services/oauth2/authorize"),
            (Method::GET, "/fake/rows/Account"),
            (Method::POST, "/secur/frontdoor.jsp"),
            (Method::OPTIONS, "/services/data/v66.0/query"),
            (Method::GET, "/fakery"),
        ];
        for (method, path) in free {
            assert!(!is_guarded(&method, path), "{method} {path}");
        }
    }
}
