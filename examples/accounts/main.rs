//! The app that a team would really write: server-rendered pages over their own org, no build step.
//!
//! `cargo run --example accounts`, then open the address that it prints.

mod account;
mod admin;
mod export;
mod files;
mod form;
mod html;
#[cfg(feature = "events")]
mod live;
mod new_account;
mod pages;
mod search;
#[path = "../support/mod.rs"]
mod support;
mod usage;

use actix_salesforce::{Config, RequireLogin};
use actix_web::{
    App, HttpServer,
    middleware::{Condition, DefaultHeaders, Logger},
    web,
};

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // With the name of a custom permission: administrators of an org see the logins of all of its users.
    let admin = std::env::var("ACCOUNTS_ADMIN").ok().filter(|name| !name.is_empty());
    let mut config = Config::from_env();
    if admin.is_some() {
        config.scopes.push_str(" custom_permissions");
    }
    // For `/open/{id}`. In an org of yours, add it to `SALESFORCE_SCOPES` once its app has it.
    if config.client_id.is_empty() {
        config.scopes.push_str(" web");
    }
    // It reads the changes that open pages show. The fake org has one.
    #[cfg(feature = "events")]
    let has_service_user =
        config.client_id.is_empty() || config.service.as_ref().is_some_and(|service| !service.url.is_empty());
    let seen = usage::Seen::default();
    let listener = seen.clone();
    let setup =
        support::set_up_with(config, |builder| builder.on_event(move |event| listener.event(event))).await?;
    let support::Setup { salesforce, bind, workers, _org } = setup;
    let admin_rule = match &admin {
        // Each sees the own org only.
        Some(name) => RequireLogin::new().any_org().permission(name),
        None => RequireLogin::new(),
    };
    let sees = if admin.is_some() { admin::Sees::Org } else { admin::Sees::Own };
    // In a fleet: which of the instances this is.
    let instance = std::env::var("INSTANCE").unwrap_or_default();
    #[cfg(feature = "events")]
    let feed = has_service_user.then(|| salesforce.feed(live::TOPIC));
    #[cfg(feature = "events")]
    if let Some(feed) = feed.clone() {
        live::close_at_end(feed);
    }
    HttpServer::new(move || {
        let app = App::new();
        #[cfg(feature = "events")]
        let app = app.configure(|app| {
            if let Some(feed) = &feed {
                app.app_data(web::Data::new(feed.clone()))
                    .service(web::resource("/accounts/live").get(live::events))
                    .service(web::resource("/live.js").get(live::script));
            }
        });
        app.app_data(web::Data::new(sees))
            .app_data(web::Data::new(seen.clone()))
            .service(web::resource("/").get(pages::home).head(pages::home))
            .service(web::resource("/whoami").get(pages::whoami))
            .service(web::resource("/slow").get(pages::slow))
            .service(web::resource("/accounts").get(pages::list).post(pages::create))
            .service(web::resource("/accounts/export.csv").get(export::csv))
            .service(web::resource("/accounts/new").get(new_account::show))
            .service(web::resource("/accounts/{id}").get(pages::show).post(pages::change))
            .service(web::resource("/accounts/{id}/delete").post(pages::delete))
            .service(web::resource("/accounts/{id}/files").post(files::upload))
            .service(web::resource("/accounts/{id}/files/{file}").get(files::download))
            .service(web::resource("/search").get(search::search))
            .service(web::resource("/open/{id}").get(pages::open))
            .service(web::resource("/danger").post(pages::danger).wrap(RequireLogin::new().fresh(5)))
            .service(web::scope("/admin").wrap(admin_rule.clone()).configure(admin::configure))
            .default_service(web::to(pages::nothing))
            .wrap(salesforce.clone())
            .wrap(Condition::new(
                !instance.is_empty(),
                DefaultHeaders::new().add(("x-instance", instance.clone())),
            ))
            .wrap(Logger::new("%r %s %Dms").log_target("accounts"))
    })
    .workers(workers)
    // A page that is left ends its stream at once.
    .h1_allow_half_closed(false)
    .bind(bind)?
    .run()
    .await?;
    Ok(())
}
