//! A program for tests: the README's app, with handlers that misbehave, ended in each way that an app may choose, on a
//! machine whose clock may be wrong. `SHUTDOWN` says which; as the README has it unless it is set.
#![allow(clippy::unwrap_used, reason = "a program for tests")]

use std::time::Duration;

use actix_salesforce::{Salesforce, SalesforceConn, testing::skew_clock};
use actix_web::{
    App, HttpServer, Responder, get,
    web::{Json, Path},
};
use tokio::signal::unix::{SignalKind, signal};

#[get("/accounts")]
async fn accounts(sf: SalesforceConn) -> actix_salesforce::Result<impl Responder> {
    let rows = sf.query::<serde_json::Value>("SELECT Id, Name FROM Account LIMIT 10").fetch_all().await?;
    Ok(Json(rows))
}

/// Does not wait for long.
#[get("/impatient")]
async fn impatient(sf: SalesforceConn) -> &'static str {
    match tokio::time::timeout(Duration::from_millis(100), sf.identity()).await {
        Ok(Ok(_)) => "responded",
        Ok(Err(_)) => "failed",
        Err(_) => "gave up",
    }
}

/// Panics in the middle of its call.
#[get("/panics")]
async fn panics(sf: SalesforceConn) -> &'static str {
    let dies = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        #[allow(clippy::panic, reason = "it is what the test is about")]
        {
            panic!("on demand");
        }
    };
    tokio::select! {
        _ = sf.identity() => "responded",
        () = dies => "never",
    }
}

/// Blocks its worker, as no handler should.
#[get("/stubborn")]
async fn stubborn() -> impl Responder {
    std::thread::sleep(Duration::from_secs(8));
    "done"
}

/// Sets the clock wrong.
#[get("/clock/{seconds}")]
async fn clock(seconds: Path<i64>) -> &'static str {
    skew_clock(*seconds);
    "done"
}

async fn run(ending: &str) -> Result<(), Box<dyn std::error::Error>> {
    let salesforce = Salesforce::from_env().await?;
    let bind = std::env::var("BIND")?;
    let server = HttpServer::new(move || {
        App::new()
            .wrap(salesforce.clone())
            .service(accounts)
            .service(impatient)
            .service(panics)
            .service(stubborn)
            .service(clock)
    })
    .workers(2)
    .bind(bind)?;
    match ending {
        // As the README has it.
        "ordinary" => server.run().await?,
        "impatient" => server.shutdown_timeout(1).run().await?,
        // The app listens for signals itself.
        "own, graceful" | "own, forced" => {
            let server = server.disable_signals().shutdown_timeout(1).run();
            let handle = server.handle();
            let graceful = ending == "own, graceful";
            let mut asked = signal(SignalKind::terminate())?;
            actix_web::rt::spawn(async move {
                asked.recv().await;
                handle.stop(graceful).await;
            });
            server.await?;
        }
        // The app does not even stop its server.
        "dropped" => {
            let server = server.disable_signals().run();
            let mut asked = signal(SignalKind::terminate())?;
            tokio::select! {
                ended = server => ended?,
                _ = asked.recv() => {}
            }
        }
        // The app leaves without a look back.
        "exit" => {
            let server = server.disable_signals().run();
            let mut asked = signal(SignalKind::terminate())?;
            tokio::select! {
                ended = server => ended?,
                _ = asked.recv() => std::process::exit(0),
            }
        }
        other => return Err(format!("there is no ending {other:?}").into()),
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ending = std::env::var("SHUTDOWN").unwrap_or_else(|_| "ordinary".to_owned());
    // What `#[actix_web::main]` and `#[tokio::main]` write.
    match ending.strip_prefix("tokio, ") {
        None => actix_web::rt::System::new().block_on(run(&ending)),
        Some(ending) => {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(async { tokio::task::LocalSet::new().run_until(run(ending)).await })
        }
    }
}
