//! An app of four workers whose scope and resource are protected by one rule, and whose menu asks the same rule.

use std::sync::Arc;

use crate::support::{Client, Page, Server, app::listen, reserve, serve, settings_for};
use actix_salesforce::{RequireLogin, Salesforce, SalesforceBuilder, SalesforceUser};
use actix_web::{App, HttpRequest, Responder, web};
use salesforce_fake_org::{FakeOrg, User};
use serde_json::Value;

pub(super) const BEN: &str = "ben@example.com";
/// Below the scope.
pub(super) const PAGE: &str = "/in/page";
/// The resource.
pub(super) const ONE: &str = "/one";

pub(super) struct GuardedApp {
    pub(super) org: FakeOrg,
    pub(super) salesforce: Salesforce,
    pub(super) server: Server,
}

async fn inside() -> impl Responder {
    "inside"
}

/// Who is logged in, without a rule.
async fn user(user: SalesforceUser) -> impl Responder {
    web::Json(user)
}

/// Asks the rule and does not enforce it.
async fn menu(request: HttpRequest, rule: web::Data<RequireLogin>) -> actix_web::Result<impl Responder> {
    Ok(if rule.allows(&request).await? { "shown" } else { "hidden" })
}

impl GuardedApp {
    pub(super) async fn start(rule: RequireLogin) -> Self {
        Self::around(FakeOrg::start().await.unwrap(), |builder| builder, rule).await
    }

    pub(super) async fn around(
        org: FakeOrg,
        settings: impl FnOnce(SalesforceBuilder) -> SalesforceBuilder,
        rule: RequireLogin,
    ) -> Self {
        let (listener, url) = reserve();
        let builder = settings_for(&org, &url).scopes("api openid refresh_token custom_permissions");
        let salesforce = settings(builder).build().await.unwrap();
        let wrapped = salesforce.clone();
        let rule_data = Arc::new(rule.clone());
        let server = serve(listener, move |listener| {
            listen!(listener, 4, move || {
                let page = web::resource("/page").get(inside).post(inside);
                App::new()
                    .app_data(web::Data::from(Arc::clone(&rule_data)))
                    .route("/user", web::get().to(user))
                    .route("/menu", web::get().to(menu))
                    .service(web::scope("/in").service(page).wrap(rule.clone()))
                    .service(web::resource(ONE).get(inside).wrap(rule.clone()))
                    .wrap(wrapped.clone())
            })
        });
        Self { org, salesforce, server }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.url)
    }

    /// A browser in which this user has logged in, without the rule.
    pub(super) async fn logged_in(&self, name: &str) -> Client {
        self.org.sign_in(&self.org.user(name));
        let browser = Client::new();
        let page = browser.visit(&self.url("/auth/salesforce/login?return_to=/user")).await;
        assert_eq!(page.json()["username"], name, "{page:?}");
        browser
    }

    /// Changes what a user may do in Salesforce, and makes the app look.
    pub(super) async fn change(&self, user: &User, access: &Value) {
        self.org.set_user_access(user, access).unwrap();
        self.look_again(user).await;
    }

    pub(super) async fn look_again(&self, user: &User) {
        self.salesforce.refresh_access(user_ref(user)).await;
    }

    /// How many codes were traded in.
    pub(super) fn exchanges(&self) -> u64 {
        self.org.token_calls("authorization_code")
    }

    /// Whether the scope, the resource and the menu let this browser in: all of them, or none.
    pub(super) async fn lets_in(&self, browser: &Client) -> bool {
        let pages = [browser.open(&self.url(PAGE)).await, browser.open(&self.url(ONE)).await];
        let menu = browser.open(&self.url("/menu")).await;
        match pages[0].status {
            200 => {
                assert_eq!((&*pages[1].body, &*menu.body), ("inside", "shown"), "{pages:?}");
                true
            }
            403 => {
                assert_eq!((pages[1].status, &*menu.body), (403, "hidden"), "{pages:?}");
                false
            }
            _ => panic!("neither in nor refused: {pages:?}"),
        }
    }

    /// What a program reads whom the rule refuses.
    pub(super) async fn refusal(&self, browser: &Client) -> Value {
        let page: Page = browser.fetch(&self.url(PAGE)).await;
        assert_eq!(page.status, 403, "{page:?}");
        let body = page.json();
        assert_eq!(body["error"], "forbidden");
        body
    }
}

pub(super) fn user_ref(user: &User) -> actix_salesforce::UserRef {
    actix_salesforce::UserRef::new(user.organization_id().parse().unwrap(), user.id().parse().unwrap())
}
