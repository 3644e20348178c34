//! What a user leaves in the session of a browser is not shown to the next one, whatever writes the session when.

use std::time::Duration;

use crate::support::{
    ADA, Client, Server,
    app::{listen, reserve, serve},
    settings_for,
};
use actix_salesforce::{Salesforce, SalesforceUser, SessionMode, store::GrantFilter};
use actix_session::{Session, SessionMiddleware, storage::CookieSessionStore};
use actix_web::{App, Responder, cookie::Key, get, web};
use salesforce_fake_org::FakeOrg;
use sha2::{Digest as _, Sha256};

const BEN: &str = "ben@example.com";

/// Stores a draft once it has waited.
#[get("/draft/{text}/{wait}")]
async fn draft(session: Session, path: web::Path<(String, u64)>) -> actix_web::Result<impl Responder> {
    tokio::time::sleep(Duration::from_millis(path.1)).await;
    session.insert("draft", &path.0)?;
    Ok("stored")
}

#[get("/drafts")]
async fn drafts(session: Session) -> actix_web::Result<impl Responder> {
    Ok(session.get::<String>("draft")?.unwrap_or_else(|| "none".to_owned()))
}

/// Begins again: the handler empties the whole session.
#[get("/new/{text}")]
async fn new(session: Session, text: web::Path<String>) -> actix_web::Result<impl Responder> {
    session.clear();
    session.insert("draft", &*text)?;
    Ok("stored")
}

/// Names the user as earlier versions did.
#[get("/former")]
async fn former(session: Session, user: SalesforceUser) -> actix_web::Result<impl Responder> {
    let digest = Sha256::digest(format!("{} {}", user.organization_id, user.user_id));
    let hash: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    session.insert("salesforce.last_user", hash)?;
    Ok("named")
}

struct Scene {
    org: FakeOrg,
    salesforce: Salesforce,
    server: Server,
    browser: Client,
}

impl Scene {
    async fn start(mode: SessionMode) -> Self {
        let org = FakeOrg::start().await.unwrap();
        let (listener, url) = reserve();
        let salesforce = settings_for(&org, &url).session(mode);
        let salesforce = salesforce.on_user_change(|session| drop(session.remove("draft")));
        let salesforce = salesforce.build().await.unwrap();
        let wrapped = salesforce.clone();
        let routes = |app: &mut web::ServiceConfig| {
            app.configure(crate::support::app::routes)
                .service(draft)
                .service(drafts)
                .service(new)
                .service(former);
        };
        let server = serve(listener, move |listener| match mode {
            SessionMode::App => listen!(listener, 2, move || {
                let session = SessionMiddleware::builder(CookieSessionStore::default(), Key::from(&[7; 64]));
                let session = session.cookie_secure(false).build();
                App::new().configure(routes).wrap(wrapped.clone()).wrap(session)
            }),
            _ => listen!(listener, 2, move || App::new().configure(routes).wrap(wrapped.clone())),
        });
        Self { org, salesforce, server, browser: Client::new() }
    }

    async fn open(&self, path: &str) -> String {
        self.browser.open(&format!("{}{path}", self.server.url)).await.body
    }

    /// Logs in as this user. The former login ends without a logout, which would empty the session.
    async fn log_in(&self, name: &str) {
        self.salesforce.revoke_grants(GrantFilter::All).await.unwrap();
        self.org.sign_in(&self.org.user(name));
        let page = self.browser.visit(&format!("{}/whoami", self.server.url)).await;
        assert_eq!(page.body, name, "{page:?}");
    }
}

/// W-24 with S-16: the slow response was begun under the former login, and writes that user's session after the new one.
#[actix_web::test]
async fn a_slow_response_to_the_former_user_shows_the_next_one_nothing() {
    let scene = Scene::start(SessionMode::Embedded).await;
    scene.log_in(ADA).await;
    let (_, ()) = futures_util::join!(scene.open("/draft/ada/1500"), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        scene.log_in(BEN).await;
    });
    assert_eq!(scene.open("/drafts").await, "none");
    // What Ben stores from now on is his, and stays.
    scene.open("/draft/ben/0").await;
    for _ in 0..2 {
        assert_eq!(scene.open("/drafts").await, "ben");
    }
    scene.log_in(ADA).await;
    assert_eq!(scene.open("/drafts").await, "none", "another user");
}

/// A session of an earlier version names its user by a hash. The next login of that user names it by the tag.
#[actix_web::test]
async fn a_session_of_an_earlier_version_is_named_at_the_next_login() {
    let scene = Scene::start(SessionMode::Embedded).await;
    scene.log_in(ADA).await;
    scene.open("/former").await;
    scene.log_in(ADA).await;
    let (_, ()) = futures_util::join!(scene.open("/draft/ada/1500"), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        scene.log_in(BEN).await;
    });
    assert_eq!(scene.open("/drafts").await, "none");
}

/// The slow response was begun before any login: the session that it writes names no user.
#[actix_web::test]
async fn a_slow_response_to_a_visitor_makes_no_data_of_a_user_a_visitors() {
    let scene = Scene::start(SessionMode::Embedded).await;
    let (_, ()) = futures_util::join!(scene.open("/draft/visitor/1500"), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        scene.log_in(ADA).await;
    });
    scene.open("/draft/ada/0").await;
    assert_eq!(scene.open("/drafts").await, "ada");
    scene.log_in(BEN).await;
    assert_eq!(scene.open("/drafts").await, "none");
}

/// A handler that empties the session takes the name of its user with it.
#[actix_web::test]
async fn a_handler_that_empties_the_session_makes_no_data_of_a_user_a_visitors() {
    for mode in [SessionMode::Embedded, SessionMode::App] {
        let scene = Scene::start(mode).await;
        scene.log_in(ADA).await;
        scene.open("/new/ada").await;
        scene.log_in(ADA).await;
        assert_eq!(scene.open("/drafts").await, "ada", "{mode:?}: the same user");
        scene.open("/new/more").await;
        scene.log_in(BEN).await;
        assert_eq!(scene.open("/drafts").await, "none", "{mode:?}");
        // And what a visitor stores is the visitor's: it stays with the first login.
        let visitor = Scene::start(mode).await;
        visitor.open("/new/visitor").await;
        visitor.log_in(ADA).await;
        assert_eq!(visitor.open("/drafts").await, "visitor", "{mode:?}");
    }
}
