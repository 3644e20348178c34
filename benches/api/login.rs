//! What a login takes of the app. The fake org is in another process, so that its share does not count.

use actix_salesforce::Salesforce;
use actix_web::{App, HttpServer, rt::System, web};
use reqwest::{Client, Response, redirect::Policy};
use salesforce_fake_org::FakeOrg;

use crate::{Process, figures};

const WARM: u32 = 20;
const LOGINS: u32 = 200;

/// Serves the app until the process is killed. `org`: the fake org's addresses, separated by blanks.
pub(crate) fn serve(org: &str) {
    let org: Vec<_> = org.split(' ').collect();
    let [client_id, client_secret, login_url, instance_url, port] = org[..] else { panic!("five values") };
    let port = port.parse().unwrap();
    System::new().block_on(async {
        let salesforce = Salesforce::builder()
            .client_id(client_id)
            .client_secret(client_secret)
            .login_url(login_url)
            .allowed_origin(instance_url)
            .public_url(format!("http://127.0.0.1:{port}"));
        let salesforce = salesforce.build().await.unwrap();
        let app = move || App::new().wrap(salesforce.clone()).route("/", web::get().to(|| async { "" }));
        let server = HttpServer::new(app).workers(1).bind(("127.0.0.1", port)).unwrap();
        println!("{port}");
        server.run().await.unwrap();
    });
}

/// Returns the seconds of processors that the app takes for one login.
pub(crate) fn measure() -> f64 {
    System::new().block_on(async {
        let org = FakeOrg::start().await.unwrap();
        org.sign_in(&org.users()[0]);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (id, secret, login, instance) =
            (org.client_id(), org.client_secret(), org.login_url(), org.instance_url());
        let mut app = Process::start("API_BENCH_APP", &format!("{id} {secret} {login} {instance} {port}"));
        app.line();
        let http = Client::builder().redirect(Policy::none()).build().unwrap();
        for _ in 0..WARM {
            log_in(&http, port).await;
        }
        let process = app.0.id().to_string();
        let before = figures::cpu_seconds(&process);
        for _ in 0..LOGINS {
            log_in(&http, port).await;
        }
        (figures::cpu_seconds(&process) - before) / f64::from(LOGINS)
    })
}

/// Logs in as a browser does.
async fn log_in(http: &Client, port: u16) {
    let login = http.get(format!("http://127.0.0.1:{port}/auth/salesforce/login")).send().await.unwrap();
    let pending = cookies(&login);
    let authorized = http.get(location(&login)).send().await.unwrap();
    let callback = http.get(location(&authorized)).header("cookie", pending).send().await.unwrap();
    assert!(callback.status().is_redirection(), "{}", callback.status());
}

fn location(response: &Response) -> &str {
    response.headers()["location"].to_str().unwrap()
}

fn cookies(response: &Response) -> String {
    let cookies = response.headers().get_all("set-cookie").iter();
    let pairs = cookies.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap());
    pairs.collect::<Vec<_>>().join("; ")
}
