//! Pages in frames of Salesforce: which sites may show them.

use std::collections::BTreeSet;

use actix_web::http::header::{self, HeaderMap, HeaderValue};
use url::Url;

use crate::config::Settings;
use salesforce_connection::oauth::SignedRequest;

/// Returns the origins of the org whose pages may show the app's in a frame, as sources of a content security policy:
/// those that the signed request names, and those of the org's My Domain.
pub(crate) fn ancestors(settings: &Settings, request: &SignedRequest) -> String {
    let named = [&request.target_origin, &request.location_url].into_iter().flatten();
    let named = named.filter_map(|text| Url::parse(text).ok()).filter(|url| settings.is_salesforce_page(url));
    let mut origins: BTreeSet<String> = named.map(|url| url.origin().ascii_serialization()).collect();
    origins.insert(request.instance_url.origin().ascii_serialization());
    origins.extend(request.instance_url.host_str().map(hosts_of_my_domain).unwrap_or_default());
    origins.into_iter().collect::<Vec<_>>().join(" ")
}

/// Returns the origins of an org's pages, by the host of its instance (Salesforce Help "My Domain URL Formats"): Lightning,
/// Visualforce pages without a namespace, and Setup. That these are all in which a Canvas app is shown is unverified.
fn hosts_of_my_domain(instance: &str) -> Vec<String> {
    let Some(name) = instance.strip_suffix(".my.salesforce.com") else { return Vec::new() };
    let (first, partition) = name.split_at(name.find('.').unwrap_or(name.len()));
    vec![
        format!("https://{name}.lightning.force.com"),
        format!("https://{first}--c{partition}.vf.force.com"),
        format!("https://{name}.my.salesforce-setup.com"),
    ]
}

/// Lets these sites, and no other, show a response in a frame. What the app says about it is replaced; the rest of its
/// policies stays.
pub(crate) fn allow(headers: &mut HeaderMap, ancestors: &str) {
    // It knows no list of sites, and browsers ignore it beside `frame-ancestors`.
    headers.remove(header::X_FRAME_OPTIONS);
    let is_other = |directive: &&str| {
        let name = directive.split_ascii_whitespace().next().unwrap_or_default();
        !name.is_empty() && !name.eq_ignore_ascii_case("frame-ancestors")
    };
    // A header may have several policies, and a policy has no comma (CSP level 3, section 2.2).
    let given: Vec<String> = headers
        .get_all(header::CONTENT_SECURITY_POLICY)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|policy| policy.split(';').map(str::trim).filter(is_other).collect::<Vec<_>>().join("; "))
        .filter(|policy| !policy.is_empty())
        .collect();
    headers.remove(header::CONTENT_SECURITY_POLICY);
    for policy in given.into_iter().chain([format!("frame-ancestors {ancestors}")]) {
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.append(header::CONTENT_SECURITY_POLICY, policy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_an_org_follow_from_its_instance() {
        assert_eq!(
            hosts_of_my_domain("acme.my.salesforce.com"),
            [
                "https://acme.lightning.force.com",
                "https://acme--c.vf.force.com",
                "https://acme.my.salesforce-setup.com"
            ]
        );
        assert_eq!(
            hosts_of_my_domain("acme--dev.sandbox.my.salesforce.com")[..2],
            ["https://acme--dev.sandbox.lightning.force.com", "https://acme--dev--c.sandbox.vf.force.com"]
        );
        assert!(hosts_of_my_domain("127.0.0.1").is_empty());
    }

    #[test]
    fn a_framed_response_has_the_ancestors_of_the_org_and_no_others() {
        let policies = |given: &[&str]| {
            let mut headers = HeaderMap::new();
            headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
            for policy in given {
                let policy = HeaderValue::from_str(policy).unwrap();
                headers.append(header::CONTENT_SECURITY_POLICY, policy);
            }
            allow(&mut headers, "https://acme.example");
            assert!(!headers.contains_key(header::X_FRAME_OPTIONS));
            let policies = headers.get_all(header::CONTENT_SECURITY_POLICY);
            policies.map(|policy| policy.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        const OURS: &str = "frame-ancestors https://acme.example";
        assert_eq!(policies(&[]), [OURS]);
        assert_eq!(policies(&["default-src 'self'"]), ["default-src 'self'", OURS]);
        assert_eq!(
            policies(&["default-src 'self'; Frame-Ancestors *; img-src *, frame-ancestors 'none'", "a b"]),
            ["default-src 'self'; img-src *", "a b", OURS]
        );
    }
}
