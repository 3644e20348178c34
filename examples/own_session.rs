//! An app that has a session already: `SessionMode::App` uses it instead of a second one.
//!
//! The order matters. The middleware that is registered last is outermost, so `.wrap(session)` stands after
//! `.wrap(salesforce)`.
//!
//! `cargo run --example own_session`, then open the address that it prints.

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::{Config, SalesforceUser, SessionMode};
use actix_session::{Session, SessionMiddleware, storage::CookieSessionStore};
use actix_web::{App, HttpServer, Responder, cookie::Key, get};

#[get("/")]
async fn visits(user: SalesforceUser, session: Session) -> actix_web::Result<impl Responder> {
    let visits = session.get::<u32>("visits")?.unwrap_or(0) + 1;
    session.insert("visits", visits)?;
    Ok(format!("{}: visit {visits} of this browser", user.username.unwrap_or_default()))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let setup = support::set_up_with(Config::from_env(), |builder| builder.session(SessionMode::App)).await?;
    let support::Setup { salesforce, bind, workers, _org } = setup;
    let is_https = salesforce.redirect_uri().scheme() == "https";
    // A real app reads the key from its settings, or a restart ends all sessions.
    let key = Key::generate();
    HttpServer::new(move || {
        let session =
            SessionMiddleware::builder(CookieSessionStore::default(), key.clone()).cookie_secure(is_https);
        App::new().service(visits).wrap(salesforce.clone()).wrap(session.build())
    })
    .workers(workers)
    .bind(bind)?
    .run()
    .await?;
    Ok(())
}
