//! jsforce's two-handler recipe, without the middleware: redirect to the authorization URL, trade the code in the
//! callback, keep what came, and re-establish the connection later.
//!
//! One OAuth client is shared by all connections. What the middleware adds to this is what its documentation promises;
//! here only the state and the verifier are bound to the browser, in a session.
//!
//! `cargo run --example by_hand`, then open the address that it prints.

#![allow(clippy::print_stdout, reason = "this is what the example is for")]

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::{
    Error, Salesforce, Secret, UserRef,
    oauth::{AuthorizeOptions, Scopes},
};
use actix_session::{Session, SessionMiddleware, storage::CookieSessionStore};
use actix_web::{
    App, HttpResponse, HttpServer, Responder,
    cookie::Key,
    error::{ErrorBadRequest, ErrorInternalServerError, ErrorUnauthorized},
    get, web,
};

/// `/oauth2/auth`: send the browser to Salesforce.
#[get("/oauth2/auth")]
async fn auth(salesforce: web::Data<Salesforce>, session: Session) -> actix_web::Result<impl Responder> {
    let scopes: Scopes = "api refresh_token".parse().map_err(ErrorInternalServerError)?;
    let authorization = salesforce.oauth().authorize(
        salesforce.login_host(),
        salesforce.redirect_uri(),
        &AuthorizeOptions::new(scopes),
    );
    session.insert("state", authorization.state.expose())?;
    session.insert("verifier", authorization.verifier.expose())?;
    Ok(HttpResponse::Found().insert_header(("Location", authorization.url.as_str())).finish())
}

#[derive(serde::Deserialize)]
struct Callback {
    code: Secret,
    state: Secret,
}

/// The callback: trade the code for tokens, say what came, and keep it.
#[get("/auth/salesforce/callback")]
async fn callback(
    salesforce: web::Data<Salesforce>,
    session: Session,
    query: web::Query<Callback>,
) -> actix_web::Result<impl Responder> {
    let state = session.remove_as::<String>("state").and_then(Result::ok).map(Secret::new);
    let verifier = session.remove_as::<String>("verifier").and_then(Result::ok).map(Secret::new);
    let (Some(state), Some(verifier)) = (state, verifier) else {
        return Err(ErrorBadRequest("no login was begun in this browser"));
    };
    if state != query.state {
        return Err(ErrorBadRequest("this is not the login that was begun"));
    }
    let host = salesforce.login_host();
    let tokens = salesforce
        .oauth()
        .exchange(host, salesforce.redirect_uri(), &query.code, &verifier)
        .await
        .map_err(Error::from)?;
    println!(
        "access token: {}",
        if tokens.access_token.expose().is_empty() { "missing" } else { "received" }
    );
    println!("refresh token: {}", if tokens.refresh_token.is_some() { "received" } else { "missing" });
    println!("instance URL: {}", tokens.instance_url);
    println!("user id: {}", tokens.identity.user.user_id);
    println!("organization id: {}", tokens.identity.user.organization_id);
    let user = tokens.identity.user;
    salesforce.import_tokens(host, tokens).await?;
    session.renew();
    session.insert("user", user)?;
    Ok(web::Redirect::to("/accounts").see_other())
}

/// Later, perhaps much later: the same connection from what was kept, by the two ids that say whose it is. A background
/// job gets it in the same way.
#[get("/accounts")]
async fn accounts(salesforce: web::Data<Salesforce>, session: Session) -> actix_web::Result<impl Responder> {
    let user = session.get::<UserRef>("user").ok().flatten();
    let user = user.ok_or_else(|| ErrorUnauthorized("log in first, at /oauth2/auth"))?;
    let connection = salesforce.user_connection(user).await?;
    let rows =
        connection.query::<serde_json::Value>("SELECT Id, Name FROM Account LIMIT 5").fetch_all().await?;
    Ok(web::Json(rows))
}

#[get("/")]
async fn home() -> impl Responder {
    web::Redirect::to("/oauth2/auth")
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let support::Setup { salesforce, bind, workers, _org } = support::set_up().await?;
    let key = Key::generate();
    let is_https = salesforce.redirect_uri().scheme() == "https";
    HttpServer::new(move || {
        let session =
            SessionMiddleware::builder(CookieSessionStore::default(), key.clone()).cookie_secure(is_https);
        App::new()
            .app_data(web::Data::new(salesforce.clone()))
            .wrap(session.build())
            .service(home)
            .service(auth)
            .service(callback)
            .service(accounts)
    })
    .workers(workers)
    .bind(bind)?
    .run()
    .await?;
    Ok(())
}
