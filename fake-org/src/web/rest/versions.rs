//! `/services/data/` and `/services/data/vNN.0/`.

use serde_json::{Map, Value, json};

use super::response::{Response, Result};
use super::rest_request::RestRequest;
use super::xml;
use crate::base::api_version::OLDEST;
use crate::data::Inner;
use crate::web::http_request::HttpRequest;
use crate::web::http_response::HttpResponse;

/// No authentication, not counted.
pub(super) async fn versions(http: HttpRequest) -> HttpResponse {
    let as_xml = xml::is_wanted(http.uri.path(), &http.headers);
    Response::json(200, list(http.org.settings().newest_version)).formatted(as_xml).into_reply()
}

fn list(newest: u32) -> Value {
    let versions = (OLDEST..=newest).map(|n: u32| {
        // Three releases a year: 66.0 is Spring '26.
        let (season, year) = (["Spring", "Summer", "Winter"][(n % 3) as usize], 4 + (n + 1) / 3);
        let year = if season == "Winter" { year } else { year - u32::from(n % 3 == 2) };
        json!({
            "label": format!("{season} '{year:02}"),
            "url": format!("/services/data/v{n}.0"),
            "version": format!("{n}.0"),
        })
    });
    versions.collect()
}

/// What there is in a version. Only what this emulator implements.
pub(super) fn resources(request: &RestRequest<'_>, _: &mut Inner) -> Result {
    let root = request.root();
    let mut map = Map::new();
    for name in [
        "actions",
        "composite",
        "graphql",
        "jobs",
        "limits",
        "named",
        "parameterizedSearch",
        "process",
        "query",
        "queryAll",
        "quickActions",
        "recent",
        "search",
        "sobjects",
        "ssot",
        "tooling",
        "ui-api",
    ] {
        map.insert(name.into(), json!(format!("{root}/{name}")));
    }
    map.insert("identity".into(), json!(request.user.identity_url(&request.org.origins().login)));
    Ok(Response::json(200, Value::Object(map)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn release_names_follow_the_calendar() {
        let list = list(68);
        let label = |version: &str| {
            let mut items = list.as_array().into_iter().flatten();
            items.find(|item| item["version"] == version).map(|item| item["label"].clone())
        };
        assert_eq!(label("66.0"), Some(json!("Spring '26")));
        assert_eq!(label("67.0"), Some(json!("Summer '26")));
        assert_eq!(label("68.0"), Some(json!("Winter '27")));
        assert_eq!(label("65.0"), Some(json!("Winter '26")));
        assert_eq!(label("62.0"), Some(json!("Winter '25")));
        assert_eq!(label("60.0"), Some(json!("Spring '24")));
    }
}
