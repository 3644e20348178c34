//! Changes in Salesforce appear in open pages: a stream of events says that something changed, and the page asks for itself
//! again, as its own user.

use actix_salesforce::feed::Feed;
use actix_web::{Error, HttpRequest, HttpResponse, Responder, http::header::ContentType, rt, web};

/// The topic: changes of accounts. In an org of yours, select the object under *Change Data Capture* in Setup.
pub(crate) const TOPIC: &str = "/data/AccountChangeEvent";

/// What stands at the end of a page with the element `accounts`.
pub(crate) const SCRIPT: &str = "<script src=\"/live.js\" defer></script>";

pub(crate) async fn events(request: HttpRequest, feed: web::Data<Feed>) -> Result<HttpResponse, Error> {
    feed.respond(&request).await
}

pub(crate) async fn script() -> impl Responder {
    let script = ContentType(actix_web::mime::APPLICATION_JAVASCRIPT_UTF_8);
    HttpResponse::Ok().insert_header(script).body(include_str!("live.js"))
}

/// Ends the streams when the program is asked to stop: the server waits for its responses.
pub(crate) fn close_at_end(feed: Feed) {
    #[cfg(unix)]
    {
        use rt::signal::unix::{SignalKind, signal};
        for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
            let feed = feed.clone();
            rt::spawn(async move {
                if let Ok(mut signals) = signal(kind) {
                    signals.recv().await;
                    feed.close();
                }
            });
        }
    }
    #[cfg(not(unix))]
    rt::spawn(async move {
        if rt::signal::ctrl_c().await.is_ok() {
            feed.close();
        }
    });
}
