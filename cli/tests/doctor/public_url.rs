//! The app behind its public URL, and what a proxy in front of it may break.

use std::{net::TcpListener, sync::mpsc, thread};

use actix_salesforce::{Config, Salesforce};
use actix_web::{
    App, HttpResponse, HttpServer,
    dev::{ServerHandle, Service as _, ServiceRequest},
    http::{
        Method, Uri,
        header::{CACHE_CONTROL, HeaderValue, ORIGIN, SET_COOKIE},
    },
};
use salesforce_fake_org::FakeOrg;

use crate::run::Doctor;

/// What a proxy does to requests and responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proxy {
    Faithful,
    DropsCookies,
    RewritesCookies,
    DropsOrigin,
    DropsFetchMetadata,
    DropsBoth,
    RewritesOrigin,
    BlocksPost,
    ForbidsPost,
    SendsPostAway,
    DropsCacheControl,
    HidesRoutes,
}

impl Proxy {
    fn change(self, request: &mut ServiceRequest) {
        let headers = request.headers_mut();
        if matches!(self, Self::DropsOrigin | Self::DropsBoth) {
            headers.remove(ORIGIN);
        }
        if matches!(self, Self::DropsFetchMetadata | Self::DropsBoth) {
            for name in ["sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "sec-fetch-user"] {
                headers.remove(name);
            }
        }
        if self == Self::RewritesOrigin && headers.get(ORIGIN).is_some_and(|origin| origin != "null") {
            headers.insert(ORIGIN, HeaderValue::from_static("http://app.internal"));
        }
        if self == Self::HidesRoutes {
            request.head_mut().uri = Uri::from_static("/elsewhere");
            request.match_info_mut().get_mut().update(&Uri::from_static("/elsewhere"));
        }
    }

    /// What the proxy sends in the app's place.
    fn response(self, request: &ServiceRequest) -> Option<HttpResponse> {
        let is_post = request.method() == Method::POST;
        let mut response = match self {
            Self::BlocksPost => HttpResponse::MethodNotAllowed(),
            Self::ForbidsPost => HttpResponse::Forbidden(),
            Self::SendsPostAway => HttpResponse::SeeOther(),
            _ => return None,
        };
        is_post.then(|| response.insert_header(("location", "https://sso.example/login")).finish())
    }
}

pub(crate) struct Server {
    pub(crate) url: String,
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

/// The app with the proxy's changes made around it. `public_url`: another one than its address.
async fn app(org: &FakeOrg, proxy: Proxy, public_url: Option<&str>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let public_url = public_url.unwrap_or(&url).to_owned();
    let config = Config::from_variables(|name| match name {
        "SALESFORCE_PUBLIC_URL" => Some(public_url.clone()),
        name => org.variable(name),
    });
    let salesforce = Salesforce::from_config(config).await.unwrap();
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let make = move || {
                App::new().wrap(salesforce.clone()).wrap_fn(move |mut request, app| {
                    proxy.change(&mut request);
                    let call = match proxy.response(&request) {
                        Some(response) => Err(request.into_response(response)),
                        None => Ok(app.call(request)),
                    };
                    async move {
                        let mut response = match call {
                            Ok(call) => call.await?.map_into_boxed_body(),
                            Err(response) => response,
                        };
                        let headers = response.headers_mut();
                        match proxy {
                            Proxy::DropsCookies => drop(headers.remove(SET_COOKIE)),
                            Proxy::DropsCacheControl => drop(headers.remove(CACHE_CONTROL)),
                            Proxy::RewritesCookies => {
                                let cookies: Vec<_> = headers.get_all(SET_COOKIE).cloned().collect();
                                headers.remove(SET_COOKIE);
                                for cookie in cookies {
                                    let text = cookie.to_str().unwrap().replace("Path=/", "Path=/shop");
                                    headers.append(SET_COOKIE, HeaderValue::from_str(&text).unwrap());
                                }
                            }
                            _ => {}
                        }
                        Ok(response)
                    }
                })
            };
            let server = HttpServer::new(make).workers(1).disable_signals().listen(listener).unwrap().run();
            sender.send(server.handle()).unwrap();
            server.await.unwrap();
        });
    });
    Server { url, handle: receiver.recv().unwrap(), thread: Some(thread) }
}

/// The app without a proxy.
pub(crate) async fn faithful_app(org: &FakeOrg) -> Server {
    app(org, Proxy::Faithful, None).await
}

#[tokio::test]
async fn what_a_proxy_breaks_is_named() {
    let org = FakeOrg::start().await.unwrap();
    for (proxy, found, says) in [
        (Proxy::Faithful, None, ""),
        (Proxy::DropsCookies, Some("proxy-headers"), "Set-Cookie"),
        (Proxy::RewritesCookies, Some("proxy-headers"), "proxy_cookie_path"),
        // Browsers send Fetch Metadata too, which decides then.
        (Proxy::DropsOrigin, None, ""),
        (Proxy::DropsFetchMetadata, Some("proxy-headers"), "pass on Sec-Fetch-Site"),
        (Proxy::DropsBoth, Some("proxy-headers"), "Origin and Sec-Fetch-Site"),
        (Proxy::RewritesOrigin, Some("proxy-headers"), "pass on Origin as"),
        (Proxy::BlocksPost, Some("proxy-headers"), "status 405"),
        (Proxy::ForbidsPost, Some("proxy-headers"), "status 403"),
        (Proxy::SendsPostAway, Some("proxy-headers"), "https://sso.example with status 303"),
        (Proxy::DropsCacheControl, Some("proxy-headers"), "no-store"),
        (Proxy::HidesRoutes, Some("public-url"), "not found"),
    ] {
        let server = app(&org, proxy, None).await;
        let doctor =
            Doctor::of(&org).arguments(["--json", "--no-login"]).set("SALESFORCE_PUBLIC_URL", &server.url);
        let ended = doctor.run().await;
        let names = ended.checks(&["failed", "warning"]);
        assert_eq!(names, found.into_iter().collect::<Vec<_>>(), "{proxy:?}: {ended:?}");
        assert_eq!(ended.status, Some(i32::from(found.is_some())), "{proxy:?}");
        match found {
            Some(check) => assert!(ended.finding(check).to_string().contains(says), "{proxy:?}: {ended:?}"),
            None => assert_eq!(
                (
                    ended.finding("public-url")["outcome"].as_str(),
                    ended.finding("proxy-headers")["outcome"].as_str()
                ),
                (Some("passed"), Some("passed"))
            ),
        }
    }
}

#[tokio::test]
async fn an_app_with_another_public_url_is_named() {
    let org = FakeOrg::start().await.unwrap();
    let server = app(&org, Proxy::Faithful, Some("http://127.0.0.1:9")).await;
    let doctor =
        Doctor::of(&org).arguments(["--json", "--no-login"]).set("SALESFORCE_PUBLIC_URL", &server.url);
    let ended = doctor.run().await;
    assert_eq!(ended.checks(&["failed", "warning"]), ["public-url"], "{ended:?}");
    assert!(
        ended.finding("public-url").to_string().contains("http://127.0.0.1:9/auth/salesforce/callback"),
        "{ended:?}"
    );
}
