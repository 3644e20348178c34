//! Reads the settings of Salesforce as one part of the app's own settings file.
//!
//! `Config` implements `serde::Deserialize`, so any format works. Unknown names are errors. Secrets stay in the
//! environment here: they come on top of the file.
//!
//! `cargo run --example app_settings_file`, then open the address that it prints.

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::{Config, SalesforceUser};
use actix_web::{App, HttpServer, Responder, get};

#[derive(serde::Deserialize)]
struct AppSettings {
    title: String,
    salesforce: Config,
}

/// A real app reads a file: `serde_json::from_reader(File::open("settings.json")?)`.
const FILE: &str = r#"{
    "title": "Accounts",
    "salesforce": {
        "scopes": "api openid refresh_token",
        "after_logout": "/",
        "idle_timeout": "8h",
        "api": { "max_concurrent_requests": 32 }
    }
}"#;

#[get("/")]
async fn home(title: actix_web::web::Data<String>, user: SalesforceUser) -> impl Responder {
    format!("{}: {}", title.as_str(), user.username.unwrap_or_default())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let AppSettings { title, salesforce: mut config } = serde_json::from_str(FILE)?;
    let environment = Config::from_env();
    config.client_id = environment.client_id;
    config.client_secret = environment.client_secret;
    config.keys = environment.keys;
    config.public_url = environment.public_url;

    let setup = support::set_up_with(config, |builder| builder).await?;
    let support::Setup { salesforce, bind, workers, _org } = setup;
    let title = actix_web::web::Data::new(title);
    HttpServer::new(move || App::new().app_data(title.clone()).wrap(salesforce.clone()).service(home))
        .workers(workers)
        .bind(bind)?
        .run()
        .await?;
    Ok(())
}
