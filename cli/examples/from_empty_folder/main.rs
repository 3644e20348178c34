//! Shows accounts of a Salesforce org to users of that org.

mod objects;

use actix_salesforce::{Salesforce, SalesforceConn};
use actix_web::{App, HttpServer, Responder, get, web::Json};

use crate::objects::{Account, AccountIndustry};

#[get("/accounts")]
async fn accounts(sf: SalesforceConn) -> actix_salesforce::Result<impl Responder> {
    let energy =
        sf.select::<Account>().filter("Industry = :industry").bind("industry", AccountIndustry::Energy);
    Ok(Json(energy.order_by("Name").limit(10).fetch_all().await?))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Colour codes are for a terminal, not for a file.
    let is_terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    tracing_subscriber::fmt().with_ansi(is_terminal).init();
    let salesforce = Salesforce::from_env().await?;
    HttpServer::new(move || App::new().wrap(salesforce.clone()).service(accounts))
        .bind(("127.0.0.1", 8080))?
        .run()
        .await?;
    Ok(())
}
