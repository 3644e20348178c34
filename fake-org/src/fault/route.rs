//! Which class of requests a path belongs to, for faults.

use super::Route;

pub(crate) fn class(path: &str) -> Option<Route> {
    match path {
        "/services/oauth2/authorize" | "/login" | "/consent" => return Some(Route::Authorize),
        "/services/oauth2/token" => return Some(Route::Token),
        "/services/oauth2/revoke" => return Some(Route::Revoke),
        "/services/oauth2/introspect" => return Some(Route::Introspect),
        "/services/oauth2/userinfo" => return Some(Route::Userinfo),
        "/id/keys" => return Some(Route::Jwks),
        "/.well-known/openid-configuration" => return Some(Route::Discovery),
        _ => {}
    }
    if path.starts_with("/id/") {
        return Some(Route::Identity);
    }
    let rest = path.strip_prefix("/services/data")?;
    let resource = rest.split('/').nth(2).unwrap_or_default();
    Some(if matches!(resource, "query" | "queryAll") { Route::Query } else { Route::Api })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_pages_count_as_queries() {
        assert_eq!(class("/services/data/v66.0/query/01gFk0000000000001-2000"), Some(Route::Query));
        assert_eq!(class("/services/data/v66.0/queryAll/"), Some(Route::Query));
        assert_eq!(class("/services/data/v66.0/sobjects/Account"), Some(Route::Api));
        assert_eq!(class("/services/data/"), Some(Route::Api));
        assert_eq!(class("/"), None);
    }
}
