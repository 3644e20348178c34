//! A frontdoor URL as the response of a handler.

use actix_web::{
    HttpRequest, HttpResponse, Responder,
    body::BoxBody,
    http::header::{CACHE_CONTROL, HeaderValue, LOCATION, REFERRER_POLICY},
};

use crate::frontdoor::FrontdoorUrl;

/// Redirects the browser with status 303, which no cache stores and no `Referer` names.
impl Responder for FrontdoorUrl {
    type Body = BoxBody;

    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let Ok(mut location) = HeaderValue::from_str(self.expose()) else {
            // A parsed URL is ASCII without control characters.
            return HttpResponse::InternalServerError().finish();
        };
        location.set_sensitive(true);
        HttpResponse::SeeOther()
            .insert_header((LOCATION, location))
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((REFERRER_POLICY, "no-referrer"))
            .finish()
    }
}
