//! The measured apps: ours with each store, and the floors.

use actix_salesforce::{Salesforce, SalesforceConn, SalesforceUser, testing::log_in_as};
use actix_session::{Session, SessionMiddleware, storage::CookieSessionStore};
use actix_web::{
    App as ActixApp, HttpResponse, HttpServer,
    cookie::Key,
    rt::System,
    web::{self, Data, ServiceConfig},
};
use redis::{AsyncCommands as _, aio::MultiplexedConnection};
use salesforce_fake_org::FakeOrg;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    Bare,
    Session,
    RedisGet,
    Memory,
    Redis,
    RedisCached,
    Sqlite,
    Postgres,
}

/// What a process says of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct App {
    pub(crate) port: u16,
    pub(crate) cookie: String,
}

const TEXT: &str = "0123456789012345678901234567890123456789";

async fn public() -> &'static str {
    TEXT
}

async fn protected(sf: SalesforceConn, _user: SalesforceUser) -> HttpResponse {
    drop(sf);
    HttpResponse::Ok().body(TEXT)
}

/// Puts as much into a session as a login does.
async fn begin(session: Session) -> &'static str {
    session.insert("login", "x".repeat(43)).unwrap();
    TEXT
}

async fn read(session: Session) -> HttpResponse {
    let value: Option<String> = session.get("login").unwrap();
    assert!(value.is_some_and(|value| value.len() == 43));
    HttpResponse::Ok().body(TEXT)
}

async fn redis_get(redis: Data<Shared>) -> HttpResponse {
    let mut connection = redis.connection().await;
    let value: String = connection.get("bench").await.unwrap();
    HttpResponse::Ok().body(value)
}

/// The worker's connection to Redis.
struct Shared {
    url: String,
    connection: tokio::sync::OnceCell<MultiplexedConnection>,
}

impl Shared {
    async fn connection(&self) -> MultiplexedConnection {
        let connect = async || {
            let client = redis::Client::open(&*self.url).unwrap();
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            let () = connection.set("bench", TEXT).await.unwrap();
            connection
        };
        self.connection.get_or_init(connect).await.clone()
    }
}

/// Serves until the process is killed.
pub(crate) fn serve(variant: &str) {
    let store = std::env::var("REQUESTS_BENCH_STORE").unwrap();
    System::new().block_on(async {
        match variant {
            "Bare" => run(|config| _ = config.route("/", web::get().to(public)), "").await,
            "Session" => session().await,
            "RedisGet" => redis(store).await,
            _ => ours(&store, variant == "RedisCached").await,
        }
    });
}

fn announce(port: u16, cookie: String) {
    println!("{}", serde_json::to_string(&App { port, cookie }).unwrap());
}

async fn run(routes: fn(&mut ServiceConfig), cookie: &str) {
    let server =
        HttpServer::new(move || ActixApp::new().configure(routes)).workers(1).bind("127.0.0.1:0").unwrap();
    announce(server.addrs()[0].port(), cookie.to_owned());
    server.run().await.unwrap();
}

async fn redis(url: String) {
    let app = move || {
        let shared = Data::new(Shared { url: url.clone(), connection: tokio::sync::OnceCell::new() });
        ActixApp::new().app_data(shared).route("/", web::get().to(redis_get))
    };
    let server = HttpServer::new(app).workers(1).bind("127.0.0.1:0").unwrap();
    announce(server.addrs()[0].port(), String::new());
    server.run().await.unwrap();
}

async fn session() {
    let key = Key::generate();
    let app = move || {
        let session =
            SessionMiddleware::builder(CookieSessionStore::default(), key.clone()).cookie_secure(false);
        let app = ActixApp::new().wrap(session.build());
        let app = app.route("/", web::get().to(public)).route("/begin", web::get().to(begin));
        app.route("/read", web::get().to(read))
    };
    let server = HttpServer::new(app).workers(1).bind("127.0.0.1:0").unwrap();
    let port = server.addrs()[0].port();
    let running = actix_web::rt::spawn(server.run());
    let browser = reqwest::get(format!("http://127.0.0.1:{port}/begin")).await.unwrap();
    announce(port, cookies(&browser));
    running.await.unwrap().unwrap();
}

async fn ours(store: &str, cache_logins: bool) {
    let org = FakeOrg::start().await.unwrap();
    let port = crate::free_port();
    let builder = Salesforce::builder()
        .client_id(org.client_id())
        .client_secret(org.client_secret())
        .login_url(org.login_url())
        .allowed_origin(org.instance_url())
        .public_url(format!("http://127.0.0.1:{port}"));
    let builder = if store == "memory" {
        builder
    } else {
        builder
            .store_url(store)
            .cache_logins(cache_logins)
            .keys("q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=")
    };
    let salesforce = builder.build().await.unwrap();
    // Not by a browser: under a profiler its login may take longer than a login may.
    let tokens = org.issue_tokens(&org.users()[0], "api refresh_token");
    let login = log_in_as(&salesforce, &tokens).await.unwrap().get("/").to_http_request();
    let cookie = login.headers().get("cookie").unwrap().to_str().unwrap().to_owned();
    let app = move || {
        let app = ActixApp::new().wrap(salesforce.clone());
        let app = app.route("/", web::get().to(public)).route("/public", web::get().to(public));
        app.route("/protected", web::get().to(protected))
    };
    let server = HttpServer::new(app).workers(1).bind(("127.0.0.1", port)).unwrap();
    announce(port, cookie);
    server.run().await.unwrap();
}

fn cookies(response: &reqwest::Response) -> String {
    let cookies = response.headers().get_all("set-cookie").iter();
    let pairs = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap());
    pairs.collect::<Vec<_>>().join("; ")
}
