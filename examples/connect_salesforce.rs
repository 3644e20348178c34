//! An app with its own accounts: each may connect Salesforce, and a job reads what is connected.
//!
//! `cargo run --example connect_salesforce`, then open the address that it prints.

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::{
    Config, Salesforce,
    owner::{ConnectDecision, ConnectionName, InvalidOwner, Owner},
};
use actix_session::{Session, SessionExt as _};
use actix_web::{App, HttpServer, Responder, get, post, web};

/// The account of this browser. A real app asks for a password, and checks the origin of each form.
fn account(session: &Session) -> Option<Owner> {
    Owner::new(session.get::<String>("account").ok()??).ok()
}

#[get("/")]
async fn home(session: Session, salesforce: Salesforce) -> actix_salesforce::Result<impl Responder> {
    let Some(owner) = account(&session) else {
        return Ok(web::Html::new(
            "<form method=post action=/account/7><button>Log in as account 7</button></form>",
        ));
    };
    let mut html = String::from(
        "<form method=post action=/auth/salesforce/connect><input type=hidden name=name value=prod>\
         <button>Connect Salesforce</button></form><ul>",
    );
    for connection in salesforce.owner_connections(&owner).await? {
        let state = match connection.needs_reconnecting {
            Some(_) => "has ended: connect it again".to_owned(),
            None => {
                let sf = salesforce.owner_connection(&owner, &connection.name).await?;
                format!("{} accounts", sf.query::<()>("SELECT COUNT() FROM Account").count().await?)
            }
        };
        html += &format!(
            "<li>{0}: {state} <form method=post action=/end><input type=hidden name=name value={0}><button>End</button></form>",
            connection.name
        );
    }
    Ok(web::Html::new(html))
}

#[post("/account/{id}")]
async fn log_in(session: Session, id: web::Path<String>) -> actix_web::Result<impl Responder> {
    session.renew();
    session.insert("account", id.into_inner())?;
    Ok(web::Redirect::to("/").see_other())
}

#[derive(serde::Deserialize)]
struct End {
    name: String,
}

#[post("/end")]
async fn end(
    session: Session,
    salesforce: Salesforce,
    form: web::Form<End>,
) -> actix_salesforce::Result<impl Responder> {
    if let Some(owner) = account(&session) {
        salesforce.disconnect_owner(&owner, &ConnectionName::new(form.name.as_str())?).await?;
    }
    Ok(web::Redirect::to("/").see_other())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let owner = |builder: actix_salesforce::SalesforceBuilder| {
        builder.connect_owner(|request| async move {
            Ok::<_, InvalidOwner>(match account(&request.http.get_session()) {
                Some(owner) => ConnectDecision::owner(owner),
                None => ConnectDecision::not_logged_in(),
            })
        })
    };
    let setup = support::set_up_with(Config::from_env(), owner).await?;
    let salesforce = setup.salesforce.clone();
    HttpServer::new(move || App::new().service(home).service(log_in).service(end).wrap(salesforce.clone()))
        .workers(setup.workers)
        .bind(setup.bind)?
        .run()
        .await?;
    setup.salesforce.shutdown().await;
    Ok(())
}
