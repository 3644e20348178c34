//! Real actix servers with several workers, and the app that most tests visit.

use std::{net::TcpListener, sync::mpsc, thread};

use actix_salesforce::{
    MaybeSalesforceConn, RequireLogin, Salesforce, SalesforceConn, SalesforceUser, export::ExportFormat,
};
use actix_web::{
    App, HttpResponse, HttpServer, Responder,
    dev::{self, ServerHandle},
    get, web,
};

/// A server on a separate thread. It stops when this is dropped.
pub struct Server {
    pub url: String,
    handle: ServerHandle,
    thread: Option<thread::JoinHandle<()>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A free port of this machine, taken, and the URL that leads there. An app has to know its URL before it is made.
pub fn reserve() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free loopback port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    (listener, url)
}

/// An actix server on a reserved port: `listen!(listener, workers, || App::new())`. (A macro, since the type of an app
/// that is wrapped cannot be written.)
#[allow(unused_macros, reason = "each test file uses a part of it")]
macro_rules! listen {
    ($listener:expr, $workers:expr, $app:expr) => {
        actix_web::HttpServer::new($app)
            .workers($workers)
            .disable_signals()
            .listen($listener)
            .expect("the port is ours")
            .run()
    };
}
pub(crate) use listen;

/// Runs the server that `make` builds on the reserved port: `serve(listener, |listener| listen!(listener, 4, ||
/// App::new()))`.
pub fn serve(
    listener: TcpListener,
    make: impl FnOnce(TcpListener) -> dev::Server + Send + 'static,
) -> Server {
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = make(listener);
            sender.send(server.handle()).expect("the test waits");
            server.await.expect("the server ends well");
        });
    });
    let handle = receiver.recv().expect("the server starts");
    Server { url, handle, thread: Some(thread) }
}

/// The app that most tests visit.
pub fn standard(listener: TcpListener, workers: usize, salesforce: Salesforce) -> Server {
    serve(listener, move |listener| {
        HttpServer::new(move || App::new().configure(routes).wrap(salesforce.clone()))
            .workers(workers)
            .disable_signals()
            .shutdown_timeout(1)
            .listen(listener)
            .expect("the port is ours")
            .run()
    })
}

/// The handlers of that app.
pub fn routes(app: &mut web::ServiceConfig) {
    app.service(public)
        .service(maybe)
        .service(user)
        .service(whoami)
        .service(names)
        .service(impatient)
        .service(streamed)
        .service(exported)
        .service(cached)
        .service(session)
        .service(
            web::scope("/admin")
                .wrap(RequireLogin::new().except("/open"))
                .route("/open", web::get().to(|| async { "open" }))
                .route("/secret", web::get().to(|| async { "secret" })),
        );
}

#[get("/")]
async fn public() -> impl Responder {
    "public"
}

/// For every visitor.
#[get("/maybe")]
async fn maybe(sf: MaybeSalesforceConn) -> impl Responder {
    if sf.is_some() { "connected" } else { "anonymous" }
}

/// Who is logged in, without a call to Salesforce.
#[get("/user")]
async fn user(user: SalesforceUser) -> impl Responder {
    web::Json(user)
}

/// One API read.
#[get("/whoami")]
async fn whoami(sf: SalesforceConn) -> actix_salesforce::Result<impl Responder> {
    Ok(sf.identity().await?.username)
}

/// A query.
#[get("/names")]
async fn names(sf: SalesforceConn) -> actix_salesforce::Result<impl Responder> {
    let rows =
        sf.query::<serde_json::Value>("SELECT Name FROM Account ORDER BY Name LIMIT 3").fetch_all().await?;
    Ok(web::Json(rows))
}

/// A handler that does not wait for long.
#[get("/impatient")]
async fn impatient(sf: SalesforceConn) -> impl Responder {
    let query = sf.query::<serde_json::Value>("SELECT Name FROM Account LIMIT 3");
    match tokio::time::timeout(std::time::Duration::from_millis(100), query.fetch_all()).await {
        Ok(Ok(_)) => "rows",
        Ok(Err(_)) => "error",
        Err(_) => "gave up",
    }
}

/// Every account, streamed.
#[get("/streamed/{form}")]
async fn streamed(sf: SalesforceConn, form: web::Path<String>) -> impl Responder {
    let rows = sf.query::<serde_json::Value>("SELECT Id, Name FROM Account ORDER BY Name").fetch();
    match form.as_str() {
        "array" => HttpResponse::Ok().content_type("application/json").streaming(rows.into_json_array()),
        _ => HttpResponse::Ok().content_type("application/x-ndjson").streaming(rows.into_ndjson()),
    }
}

#[derive(serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "PascalCase")]
struct Exported {
    name: String,
    phone: Option<String>,
}

/// Every account, as a whole response.
#[get("/exported/{form}")]
async fn exported(sf: SalesforceConn, form: web::Path<String>) -> actix_salesforce::Result<HttpResponse> {
    let soql = match form.as_str() {
        "refused" => "SELECT Name, Nonsense FROM Account",
        _ => "SELECT Name, Phone FROM Account ORDER BY Name",
    };
    let format = match form.as_str() {
        "csv" => ExportFormat::Csv,
        "spreadsheet" => ExportFormat::CsvForSpreadsheets,
        "array" => ExportFormat::JsonArray,
        _ => ExportFormat::Ndjson,
    };
    sf.query::<Exported>(soql).fetch().into_response(format).await
}

/// A protected response whose handler allows caching.
#[get("/cached")]
async fn cached(_: SalesforceUser) -> impl Responder {
    HttpResponse::Ok().insert_header(("cache-control", "private, max-age=60")).body("cached")
}

/// Counts in the session that the middleware brings.
#[get("/session")]
async fn session(session: actix_session::Session) -> actix_web::Result<impl Responder> {
    let count = session.get::<u32>("count")?.unwrap_or(0) + 1;
    session.insert("count", count)?;
    Ok(count.to_string())
}
