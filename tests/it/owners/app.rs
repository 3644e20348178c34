//! An app with its own accounts: a browser is logged in to it by the cookie `account`.

use std::{net::TcpListener, sync::Arc};

use actix_salesforce::{
    Error, Salesforce, SalesforceBuilder,
    owner::{ConnectDecision, ConnectionName, InvalidOwner, Owner},
};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, get, web};
use salesforce_fake_org::FakeOrg;

use crate::support::{ADA, Client, Page, Server, reserve, serve, settings_for};

pub(super) const CONNECT: &str = "/auth/salesforce/connect";
pub(super) const CALLBACK: &str = "/auth/salesforce/callback";

pub(super) struct AccountsApp {
    pub(super) org: Arc<FakeOrg>,
    pub(super) salesforce: Salesforce,
    pub(super) server: Server,
}

fn account(request: &HttpRequest) -> Option<Owner> {
    Owner::new(request.cookie("account")?.value()).ok()
}

pub(super) fn name(name: &str) -> ConnectionName {
    ConnectionName::new(name).unwrap()
}

pub(super) fn owner(name: &str) -> Owner {
    Owner::new(name).unwrap()
}

/// What the account's connection reads.
#[get("/data/{name}")]
async fn data(
    request: HttpRequest,
    salesforce: Salesforce,
    name: web::Path<String>,
) -> actix_salesforce::Result<String> {
    let owner = account(&request).ok_or(Error::LoginRequired)?;
    let sf = salesforce.owner_connection(&owner, &ConnectionName::new(name.into_inner())?).await?;
    Ok(sf.identity().await?.username)
}

pub(super) fn with_accounts(builder: SalesforceBuilder) -> SalesforceBuilder {
    builder.connect_owner(|request| async move {
        Ok::<_, InvalidOwner>(match account(&request.http) {
            Some(owner) if owner.as_str() == "mallory" => {
                ConnectDecision::refuse("Your plan has no Salesforce.")
            }
            Some(owner) => ConnectDecision::owner(owner),
            None => ConnectDecision::not_logged_in(),
        })
    })
}

impl AccountsApp {
    pub(super) async fn start() -> Self {
        Self::with(|builder| builder).await
    }

    pub(super) async fn with(settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder) -> Self {
        let org = FakeOrg::start().await.unwrap();
        org.sign_in(&org.user(ADA));
        Self::around(org, settings).await
    }

    pub(super) async fn around(
        org: FakeOrg,
        settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder,
    ) -> Self {
        let (listener, _) = reserve();
        Self::on(listener, Arc::new(org), settings).await
    }

    pub(super) async fn on(
        listener: TcpListener,
        org: Arc<FakeOrg>,
        settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder,
    ) -> Self {
        let url = format!("http://{}", listener.local_addr().unwrap());
        let salesforce = settings(with_accounts(settings_for(&org, &url))).build().await.unwrap();
        let wrapped = salesforce.clone();
        let server = serve(listener, move |listener| {
            HttpServer::new(move || {
                App::new()
                    .service(data)
                    .configure(crate::support::app::routes)
                    .route("/connected", web::get().to(|| async { HttpResponse::Ok().body("connected") }))
                    .wrap(wrapped.clone())
            })
            .workers(4)
            .disable_signals()
            .shutdown_timeout(1)
            .listen(listener)
            .unwrap()
            .run()
        });
        Self { org, salesforce, server }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url)
    }

    /// A browser in which this account is logged in to the app.
    pub(super) fn browser(&self, account: &str) -> Client {
        let browser = Client::new();
        browser.set_cookie("127.0.0.1", "account", account);
        browser
    }

    /// The first response to the form that connects.
    pub(super) async fn submit(&self, browser: &Client, name: &str) -> Page {
        let fields = [("name", name), ("return_to", "/connected")];
        browser.submit(&self.url(CONNECT), &self.server.url, &fields).await
    }

    /// The callback URL after the form, not opened yet.
    pub(super) async fn callback_of(&self, browser: &Client, name: &str) -> String {
        let page = self.submit(browser, name).await;
        assert_eq!(page.status, 303, "{page:?}");
        browser.visit_until(page.location().as_str(), CALLBACK).await.to_string()
    }

    /// Connects, and returns the page at the end.
    pub(super) async fn connect(&self, browser: &Client, name: &str) -> Page {
        let callback = self.callback_of(browser, name).await;
        let page = browser.open(&callback).await;
        assert_eq!((page.status, page.header("location")), (303, "/connected"), "{page:?}");
        page
    }

    pub(super) async fn data(&self, browser: &Client, name: &str) -> Page {
        browser.fetch(&self.url(&format!("/data/{name}"))).await
    }
}
