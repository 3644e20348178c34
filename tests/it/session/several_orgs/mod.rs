//! Several orgs in one browser: it adds, lists, switches and drops them, and nothing of one gets into another.

mod apart;
mod ends;
mod fresh;
mod processes;
mod route;
mod unusable;

use std::{net::TcpListener, time::Duration};

use crate::support::{ADA, Client, Page, Server, app, reserve, serve, settings_for};
use actix_salesforce::{
    AccessRule, Allowed, OrgId, RequireLogin, Result, Salesforce, SalesforceBuilder, SalesforceConn,
    SalesforceOrgs, SessionMode,
    actix_session::{SessionMiddleware, storage::CookieSessionStore},
    store::GrantFilter,
};
use actix_web::{App, Responder, cookie::Key, get, web};
use salesforce_fake_org::FakeOrg;

const ORGS: &str = "/auth/salesforce/orgs";
const BEN: &str = "ben@example.com";
const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

/// Five orgs, each behind a login host: the default one, and `org1` to `org5`. Ada is signed in at each.
struct Several {
    orgs: Vec<FakeOrg>,
    salesforce: Salesforce,
    server: Server,
}

/// Whom the API of both orgs takes this browser's users for, and what it takes the current one for.
#[get("/pair/{source}/{target}")]
async fn both_orgs(
    sf: SalesforceConn,
    orgs: SalesforceOrgs,
    path: web::Path<(OrgId, OrgId)>,
) -> Result<impl Responder> {
    let (source, target) = (orgs.connection(path.0)?, orgs.connection(path.1)?);
    let (source, target, current) = tokio::join!(source.identity(), target.identity(), sf.identity());
    let names = [source?, target?, current?]
        .map(|identity| identity.organization_id.to_string() + &identity.username);
    Ok(web::Json(names))
}

/// The same below a rule that is an extractor.
async fn both_orgs_of_a_recent_login(
    orgs: SalesforceOrgs,
    _: Allowed<Recent>,
    path: web::Path<(OrgId, OrgId)>,
) -> Result<impl Responder> {
    let (source, target) = (orgs.connection(path.0)?, orgs.connection(path.1)?);
    Ok(format!("{} {}", source.identity().await?.username, target.identity().await?.username))
}

struct Recent;

impl AccessRule for Recent {
    fn rule() -> RequireLogin {
        RequireLogin::new().fresh(5)
    }
}

#[get("/current")]
async fn all_orgs(orgs: SalesforceOrgs) -> impl Responder {
    orgs.iter().map(|login| login.user().username.clone().unwrap_or_default()).collect::<Vec<_>>().join(" ")
}

fn run(listener: TcpListener, salesforce: Salesforce, mode: SessionMode) -> Server {
    serve(listener, move |listener| {
        let key = Key::generate();
        app::listen!(listener, 4, move || {
            let own =
                SessionMiddleware::builder(CookieSessionStore::default(), key.clone()).cookie_secure(false);
            let recent = web::scope("/recent").service(both_orgs).service(all_orgs);
            App::new()
                .service(recent.wrap(RequireLogin::new().fresh(5)))
                .route("/recently/{source}/{target}", web::get().to(both_orgs_of_a_recent_login))
                .service(both_orgs)
                .service(all_orgs)
                .configure(app::routes)
                .wrap(salesforce.clone())
                .wrap(actix_web::middleware::Condition::new(mode == SessionMode::App, own.build()))
        })
    })
}

/// The first org is behind the default login host, the others behind `org1`, `org2`, …
fn settings_of(orgs: &[FakeOrg], url: &str, mode: SessionMode) -> SalesforceBuilder {
    let others = orgs.iter().enumerate().skip(1);
    others.fold(settings_for(&orgs[0], url).session(mode), |builder, (index, org)| {
        builder.login_host(format!("org{index}"), org.login_url()).allowed_origin(org.instance_url())
    })
}

impl Several {
    async fn start(count: usize, mode: SessionMode) -> Self {
        Self::with(count, mode, |builder| builder).await
    }

    async fn with(
        count: usize,
        mode: SessionMode,
        settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder,
    ) -> Self {
        let mut orgs: Vec<FakeOrg> = Vec::new();
        for _ in 0..count {
            let org = match orgs.first() {
                Some(first) => {
                    let (id, secret) = (first.client_id().to_owned(), first.client_secret().to_owned());
                    FakeOrg::builder().client(&id, &secret).start().await.unwrap()
                }
                None => FakeOrg::start().await.unwrap(),
            };
            org.sign_in(&org.user(ADA));
            orgs.push(org);
        }
        let (listener, url) = reserve();
        let salesforce = settings(settings_of(&orgs, &url, mode)).build().await.unwrap();
        let server = run(listener, salesforce.clone(), mode);
        Self { orgs, salesforce, server }
    }

    /// The next version of the app, with other settings.
    async fn restarted(self, settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder) -> Self {
        let (listener, url) = reserve();
        let mode = SessionMode::Embedded;
        let salesforce = settings(settings_of(&self.orgs, &url, mode)).build().await.unwrap();
        let server = run(listener, salesforce.clone(), mode);
        Self { orgs: self.orgs, salesforce, server }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url)
    }

    fn id(&self, org: usize) -> String {
        self.orgs[org].organization_id()
    }

    async fn post(&self, browser: &Client, fields: &[(&str, &str)]) -> Page {
        browser.submit(&self.url(ORGS), &self.server.url, fields).await
    }

    /// Adds a login at this org, and goes where the browser is sent.
    async fn add(&self, browser: &Client, org: usize) -> Page {
        let host = format!("org{org}");
        let host = if org == 0 { self.orgs[0].login_url().replace("http://", "") } else { host };
        let host = host.trim_end_matches('/');
        let page = self.post(browser, &[("add", "1"), ("host", host), ("return_to", "/user")]).await;
        assert_eq!(page.status, 303, "{page:?}");
        browser.visit(page.location().as_str()).await
    }

    /// A browser that is logged in at the first org, and at all others in turn.
    async fn logged_in(&self) -> Client {
        let browser = Client::new();
        assert_eq!(browser.visit(&self.url("/whoami")).await.status, 200);
        for org in 1..self.orgs.len() {
            assert_eq!(self.add(&browser, org).await.status, 200);
        }
        browser
    }

    /// The orgs of the browser as the route lists them, and the position of the current one in `self.orgs`.
    async fn listed(&self, browser: &Client) -> (usize, Option<usize>) {
        let page = browser.fetch(&self.url(ORGS)).await;
        if page.status == 401 {
            return (0, None);
        }
        let list = page.json();
        let list = list.as_array().unwrap();
        let current: Vec<_> = list.iter().filter(|org| org["current"] == true).collect();
        assert!(current.len() <= 1, "{list:?}");
        let current = current.first().map(|org| org["organization_id"].as_str().unwrap().to_owned());
        (list.len(), current.map(|id| (0..self.orgs.len()).find(|org| self.id(*org) == id).unwrap()))
    }

    /// The org that handlers of this browser work in.
    async fn works_in(&self, browser: &Client) -> Option<usize> {
        let page = browser.fetch(&self.url("/user")).await;
        if page.status == 401 {
            return None;
        }
        let id = page.json()["organization_id"].as_str().unwrap().to_owned();
        (0..self.orgs.len()).find(|org| self.id(*org) == id)
    }

    async fn logins(&self) -> usize {
        self.salesforce.list_logins(GrantFilter::All).await.unwrap().len()
    }

    /// Logins end in the background.
    async fn wait_for_logins(&self, count: usize) {
        for _ in 0..100 {
            if self.logins().await == count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} logins instead of {count}", self.logins().await);
    }
}
