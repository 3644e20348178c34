//! One app with a host for each tenant. Each tenant connects its Salesforce at the one host that Salesforce knows.
//!
//! `cargo run --example tenants`, then open <http://acme.app.localhost:8080>. Browsers look names below `localhost` up on
//! this machine.

#[path = "support/mod.rs"]
mod support;

use actix_salesforce::{
    Config, Salesforce, SessionMode,
    owner::{ConnectDecision, ConnectionName, InvalidOwner, Owner},
};
use actix_session::{Session, SessionExt as _, SessionMiddleware, storage::CookieSessionStore};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, cookie::Key, get, post, web};
use url::Url;

/// The tenants of each user. A real app has a table.
const MEMBERS: [(&str, &[&str]); 2] = [("7", &["acme", "globex"]), ("8", &["globex"])];

/// The user of this browser. A real app asks for a password, and checks the origin of each form.
fn user(session: &Session) -> Option<String> {
    session.get("user").ok()?
}

fn is_member(user: &str, tenant: &str) -> bool {
    MEMBERS.iter().any(|(name, tenants)| *name == user && tenants.contains(&tenant))
}

/// The host that Salesforce knows, such as `https://connect.app.example`. The tenants are its neighbours.
struct ConnectHost(Url);

impl ConnectHost {
    /// `app.example`
    fn domain(&self) -> Option<&str> {
        Some(self.0.host_str()?.split_once('.')?.1)
    }

    /// `https://acme.app.example/`
    fn of_tenant(&self, tenant: &str) -> Option<Url> {
        let mut url = self.0.clone();
        url.set_host(Some(&format!("{tenant}.{}", self.domain()?))).ok()?;
        Some(url)
    }
}

/// The page of a tenant, at the tenant's host.
#[get("/")]
async fn home(
    request: HttpRequest,
    session: Session,
    salesforce: Salesforce,
    connect: web::Data<ConnectHost>,
) -> actix_salesforce::Result<HttpResponse> {
    let Some(user) = user(&session) else {
        let form = "<form method=post action=/user/7><button id=log-in>Log in as user 7</button></form>";
        return Ok(HttpResponse::Ok().content_type("text/html").body(form));
    };
    let host = request.connection_info().host().to_owned();
    let tenant = host.split('.').next().unwrap_or_default();
    if !is_member(&user, tenant) {
        return Ok(HttpResponse::NotFound().body("You belong to no such tenant."));
    }
    // The tenant's name is one of the table now: it can stand in a page.
    let (owner, name) = (Owner::new(tenant)?, ConnectionName::new(tenant)?);
    let connected = match salesforce.owner_connection(&owner, &name).await {
        Ok(sf) => format!("{} accounts", sf.query::<()>("SELECT COUNT() FROM Account").count().await?),
        Err(error) if error.needs_login() => "not connected".to_owned(),
        Err(error) => return Err(error),
    };
    // A link: a form of this page would be of another origin than the connect route.
    let host = connect.0.as_str().trim_end_matches('/');
    let link = format!("{host}/auth/salesforce/connect?name={tenant}&return_to=/back%3Ftenant%3D{tenant}");
    let html = format!(
        "<h1>{tenant}</h1><p id=state>{connected}</p><a id=connect href=\"{link}\">Connect Salesforce</a>"
    );
    Ok(HttpResponse::Ok().content_type("text/html").body(html))
}

#[derive(serde::Deserialize)]
struct Back {
    tenant: String,
}

/// From the connect host back to the tenant. Only to one of the user's: any other would be an open redirect.
#[get("/back")]
async fn back(session: Session, back: web::Query<Back>, connect: web::Data<ConnectHost>) -> HttpResponse {
    let is_own = user(&session).is_some_and(|user| is_member(&user, &back.tenant));
    match connect.of_tenant(&back.tenant).filter(|_| is_own) {
        Some(url) => HttpResponse::SeeOther().insert_header(("location", url.as_str())).finish(),
        None => HttpResponse::NotFound().body("You belong to no such tenant."),
    }
}

#[post("/user/{id}")]
async fn log_in(session: Session, id: web::Path<String>) -> actix_web::Result<impl Responder> {
    session.renew();
    session.insert("user", id.into_inner())?;
    Ok(web::Redirect::to("/").see_other())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut config = Config::from_env();
    if std::env::var_os("SALESFORCE_PUBLIC_URL").is_none() {
        config.public_url = "http://connect.app.localhost:8080".to_owned();
    }
    let connect = web::Data::new(ConnectHost(Url::parse(&config.public_url)?));
    let setup = support::set_up_with(config, |builder| {
        builder.session(SessionMode::App).connect_owner(|request| async move {
            // The connection has the tenant's name, and the user has to be one of its members.
            let tenant = request.name.as_str();
            Ok::<_, InvalidOwner>(match user(&request.http.get_session()) {
                Some(user) if is_member(&user, tenant) => ConnectDecision::owner(Owner::new(tenant)?),
                Some(_) => ConnectDecision::refuse("You belong to no such tenant."),
                None => ConnectDecision::not_logged_in(),
            })
        })
    })
    .await?;
    let salesforce = setup.salesforce.clone();
    let key = Key::generate();
    HttpServer::new(move || {
        // The session of the app itself is one for all hosts below the domain.
        let session = SessionMiddleware::builder(CookieSessionStore::default(), key.clone())
            .cookie_name("user".to_owned())
            .cookie_secure(connect.0.scheme() == "https")
            .cookie_domain(connect.domain().map(str::to_owned));
        App::new()
            .app_data(connect.clone())
            .service(home)
            .service(back)
            .service(log_in)
            .wrap(salesforce.clone())
            .wrap(session.build())
    })
    .workers(setup.workers)
    .bind(setup.bind)?
    .run()
    .await?;
    setup.salesforce.shutdown().await;
    Ok(())
}
