//! Copies records from one org to another: the user is logged in at both in one browser.
//!
//! `cargo run --example copy_between_orgs`, then open the address that it prints. "Add an organization" logs in at a second
//! org; the form names the source and the target by their ids. `SALESFORCE_LOGIN_HOSTS` names the login host of the second
//! one; without an account, a second fake org is there.

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::{Config, FormLogin, OrgId, Result, Salesforce, SalesforceOrgs, SameLogin};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, get, post, web};
use futures_util::StreamExt as _;
use salesforce_fake_org::FakeOrg;

#[derive(serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct Account {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
}

#[get("/")]
async fn page(orgs: SalesforceOrgs, login: FormLogin) -> impl Responder {
    // An id of an org has letters and digits only.
    let ids = orgs.iter().map(|org| format!("<option>{}</option>", org.user().organization_id));
    let ids = ids.collect::<String>();
    web::Html::new(format!(
        "<form method=post action='/copy?login={login}'><label>From <select name=source>{ids}</select></label>\
         <label>to <select name=target>{ids}</select></label><button>Copy the accounts</button></form>\
         <p><a href=/auth/salesforce/orgs>Your organizations</a>"
    ))
}

#[derive(serde::Deserialize)]
struct Copy {
    source: OrgId,
    target: OrgId,
}

#[post("/copy")]
async fn copy(
    request: HttpRequest,
    salesforce: Salesforce,
    _: SameLogin,
    orgs: SalesforceOrgs,
    form: web::Form<Copy>,
) -> Result<HttpResponse> {
    if salesforce.is_cross_origin(&request) || form.source == form.target {
        return Ok(HttpResponse::Forbidden().body("choose two organizations on the page of this app"));
    }
    let (source, target) = (orgs.connection(form.source)?, orgs.connection(form.target)?);
    let accounts = source.query::<Account>("SELECT Name, Phone FROM Account ORDER BY Name").fetch();
    // Read and written in pieces, so that any number of records needs little memory.
    let (mut pieces, mut copied, mut refused) = (accounts.chunks(200), 0, 0);
    while let Some(piece) = pieces.next().await {
        let piece = piece.into_iter().collect::<Result<Vec<_>>>()?;
        for saved in target.sobject("Account").create_many(&piece).await? {
            *if saved.is_ok() { &mut copied } else { &mut refused } += 1;
        }
    }
    Ok(HttpResponse::Ok().body(format!("{copied} accounts copied, {refused} refused")))
}

#[actix_web::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let (mut config, source) = support::with_org(Config::from_env()).await?;
    let mut target = None;
    if let Some(source) = &source {
        let org =
            FakeOrg::builder().client(&source.client_id(), &source.client_secret()).rows(0).start().await?;
        config.login_hosts.insert("second".to_owned(), org.login_url());
        config.allowed_origins.push(org.instance_url());
        target = Some(org);
    }
    let support::Setup { salesforce, bind, workers, _org } =
        support::set_up_with(config, |builder| builder).await?;
    HttpServer::new(move || App::new().wrap(salesforce.clone()).service(page).service(copy))
        .workers(workers)
        .bind(bind)?
        .run()
        .await?;
    drop((source, target));
    Ok(())
}
