//! Several Salesforces in one app: two orgs, each under its own prefix, side by side and one inside the other.

use std::net::TcpListener;

use crate::support::{
    ADA, Client, Server,
    app::{self, listen},
    reserve, serve, settings_for,
};
use actix_salesforce::{RequireLogin, Salesforce};
use actix_web::{App, dev, web};
use salesforce_fake_org::FakeOrg;

const BEN: &str = "ben@example.com";
const KEYS: &str = "q1Zk7v0mC3yq8eJ0o2Xn5rT9uLwB4aF6dGhKsPzVtNk=";

/// An app with two Salesforces, both with the same keys, as the environment gives them: Ada is known to the first org,
/// Ben to the second.
async fn run(
    mounts: [&str; 2],
    make: impl FnOnce(TcpListener, Salesforce, Salesforce) -> dev::Server + Send + 'static,
) -> (FakeOrg, FakeOrg, Server) {
    let (one, two) = (FakeOrg::start().await.unwrap(), FakeOrg::start().await.unwrap());
    one.sign_in(&one.user(ADA));
    two.sign_in(&two.user(BEN));
    let (listener, url) = reserve();
    let salesforce =
        async |org, mount| settings_for(org, &url).keys(KEYS).mount(mount).build().await.unwrap();
    let first = salesforce(&one, mounts[0]).await;
    let second = salesforce(&two, mounts[1]).await;
    (one, two, serve(listener, move |listener| make(listener, first, second)))
}

/// Logs in at both, and each knows its own user; a logout ends one of them.
async fn both_work(server: &Server, mounts: [&str; 2]) {
    let browser = Client::new();
    let at = |mount: &str, path: &str| format!("{}{mount}{path}", server.url);
    let people = [(mounts[0], ADA), (mounts[1], BEN)];
    for (mount, name) in people {
        let page = browser.visit(&at(mount, "/whoami")).await;
        assert_eq!((page.status, page.body.as_str()), (200, name), "{mount}: {page:?}");
        assert_eq!(page.url.as_str(), at(mount, "/whoami"));
    }
    for _ in 0..8 {
        for (mount, name) in people {
            let page = browser.open(&at(mount, "/whoami")).await;
            assert_eq!((page.status, page.body.as_str()), (200, name), "{mount}: still in: {page:?}");
            let me = browser.fetch(&at(mount, "/auth/salesforce/me")).await;
            assert_eq!(me.json()["username"], name);
        }
    }
    for (ended, stays) in [(0, 1), (1, 0)] {
        let out = browser.submit(&at(people[ended].0, "/auth/salesforce/logout"), &server.url, &[]).await;
        assert_eq!(out.status, 303);
        assert_eq!(browser.fetch(&at(people[ended].0, "/user")).await.status, 401);
        assert_eq!(
            browser.fetch(&at(people[stays].0, "/user")).await.status,
            200,
            "the other one is still in"
        );
        let back = browser.visit(&at(people[ended].0, "/whoami")).await;
        assert_eq!(back.body, people[ended].1);
    }
}

#[actix_web::test]
async fn two_orgs_side_by_side_each_keep_their_own_login() {
    let mounts = ["/one", "/two"];
    let (_one, _two, server) = run(mounts, |listener, first, second| {
        listen!(listener, 2, move || {
            App::new()
                .service(web::scope("/one").configure(app::routes).wrap(first.clone()))
                .service(web::scope("/two").configure(app::routes).wrap(second.clone()))
        })
    })
    .await;
    both_work(&server, mounts).await;
}

/// One around the app and one around a scope in it, which share one session.
#[actix_web::test]
async fn two_orgs_one_inside_the_other_each_keep_their_own_login() {
    let mounts = ["", "/two"];
    let (_one, _two, server) = run(mounts, |listener, first, second| {
        listen!(listener, 2, move || {
            App::new()
                .service(web::scope("/two").configure(app::routes).wrap(second.clone()))
                .configure(app::routes)
                .wrap(first.clone())
        })
    })
    .await;
    both_work(&server, mounts).await;
}

/// A user of the outer one is not taken for a user of the inner one.
#[actix_web::test]
async fn a_login_at_one_org_is_none_at_the_other() {
    let (_one, _two, server) = run(["", "/two"], |listener, first, second| {
        listen!(listener, 2, move || {
            App::new()
                .service(web::scope("/two").configure(app::routes).wrap(second.clone()))
                .configure(app::routes)
                // Asks who is logged in before the inner one does.
                .wrap(RequireLogin::new())
                .wrap(first.clone())
        })
    })
    .await;
    let browser = Client::new();
    assert_eq!(browser.visit(&format!("{}/whoami", server.url)).await.body, ADA);
    assert_eq!(browser.fetch(&format!("{}/two/user", server.url)).await.status, 401);
    let page = browser.visit(&format!("{}/two/whoami", server.url)).await;
    assert_eq!(page.body, BEN, "{page:?}");
    assert_eq!(browser.open(&format!("{}/whoami", server.url)).await.body, ADA);
}
